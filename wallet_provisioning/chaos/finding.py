"""One line of the verdict."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What was looked at, what holds of it, and every breach of that."""

    name: str
    detail: str
    breaches: tuple[str, ...] = ()

    @property
    def is_ok(self) -> bool:
        """Whether nothing was breached."""
        return not self.breaches


def finding(name: str, detail: str, breaches: Iterable[str]) -> Finding:
    """Return the finding; `detail` is told where nothing was breached."""
    return Finding(name=name, detail=detail, breaches=tuple(breaches))
