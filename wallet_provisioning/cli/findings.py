"""What `check` finds: a line for each thing that a daemon needs."""

from collections.abc import Iterable
from dataclasses import dataclass

from wallet_provisioning.cli.exits import ExitCode

# Wrong settings explain the rest, and what can't be reached explains what could not be looked at.
_FIRST = (ExitCode.WRONG, ExitCode.UNREACHABLE, ExitCode.FAILED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One line: what was looked at, how it is, and the exit code that this alone would mean."""

    name: str
    detail: str
    code: ExitCode = ExitCode.DONE
    says: str | None = None

    @property
    def word(self) -> str:
        """How it is, in a word that `says` may put more aptly."""
        return self.says or _WORDS[self.code]


_WORDS = {
    ExitCode.DONE: "ok",
    ExitCode.WRONG: "wrong",
    ExitCode.UNREACHABLE: "unreachable",
    ExitCode.FAILED: "failed",
}


def worst(findings: Iterable[Finding]) -> ExitCode:
    """Return the exit code of all findings together."""
    codes = {finding.code for finding in findings}
    return next((code for code in _FIRST if code in codes), ExitCode.DONE)
