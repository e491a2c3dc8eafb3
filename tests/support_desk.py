"""One actor that a test drives by hand: it reads what the test gives it, and tells to what the test reads."""

from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Generic, TypeVar

from wallet_provisioning.clock import ManualClock
from wallet_provisioning.supervision.actor import Recipe
from wallet_provisioning.supervision.address import Address
from wallet_provisioning.supervision.life import Life
from wallet_provisioning.supervision.mailbox import Mailbox

M = TypeVar("M")


class Post(Generic[M]):
    """An address, and what was told to it."""

    def __init__(self, path: str, clock: ManualClock | None = None) -> None:
        self.mailbox = Mailbox(clock or ManualClock(), path)
        self.port = self.mailbox.open_port()
        self.address: Address[M] = Address(path, self.mailbox, _undelivered)

    def read(self) -> list[object]:
        """Return what was told since the last look."""
        return [letter.message for letter in self.mailbox.take_waiting(self.port)]


def _undelivered(path: str, message: object) -> None:
    msg = f"{path} was not told {message}"
    raise AssertionError(msg)


@dataclass(slots=True)
class IdleRuntime:
    """Keeps what actors want to be told later, and by whose address; it does nothing by itself."""

    timers: list[tuple[str, timedelta, object]] = field(default_factory=list)

    def launch(self, recipe: Recipe, life: Life) -> None:
        raise NotImplementedError

    def later(self, delay: timedelta, address: Address[M], message: M) -> Callable[[], None]:
        self.timers.append((address.path, delay, message))
        return lambda: None

    def submit(
        self,
        work: Callable[[], Coroutine[Any, Any, M]],
        reply_to: Address[M],
        otherwise: Callable[[Exception], M],
    ) -> None:
        raise NotImplementedError


class Desk:
    """A place for one actor whose messages a test hands to it, on the test's thread."""

    def __init__(self, path: str, *, incarnation: int = 1) -> None:
        self.clock = ManualClock()
        self.runtime = IdleRuntime()
        self.post: Post[Any] = Post(path, self.clock)
        self.life = Life(
            child=path.rpartition("/")[2],
            path=path,
            incarnation=incarnation,
            mailbox=self.post.mailbox,
            port=self.post.port,
            me=self.post.address,
            runtime=self.runtime,
            clock=self.clock,
            report=lambda _report: None,
        )


def of_kind(kind: type[M], told: Sequence[object]) -> list[M]:
    return [message for message in told if isinstance(message, kind)]
