"""The listener hears that another process accepted a job, and passes the hint on.

On PostgreSQL it listens for NOTIFY; on SQLite it notices that the file was changed. Without it, or
while it can't reach the database, jobs of others are found by the scheduler's poll.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol, TypeAlias, assert_never

from wallet_provisioning.actors.scheduler import WorkKnown
from wallet_provisioning.supervision.actor import Actor
from wallet_provisioning.supervision.address import Address
from wallet_provisioning.supervision.life import Life
from wallet_provisioning.telemetry.events import DependencyBack, DependencyLost, Emit

_FIRST_PAUSE = timedelta(milliseconds=250)
_LONGEST_PAUSE = timedelta(seconds=2)


class Ear(Protocol):
    """What hears of changes; its coroutine runs beside the actors."""

    async def next(self) -> None:
        """Return at the next change that another process announced; several may wait for the same one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """Something was announced. `incarnation` is that which waited for it."""

    incarnation: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Deaf:
    """The database can't be listened to."""

    incarnation: int
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenAgain:
    """Timer: the pause after a failure is over."""


ListenerMessage: TypeAlias = Heard | Deaf | ListenAgain


class ListenerActor(Actor[ListenerMessage]):
    """Keeps listening, whatever happens."""

    def __init__(self, life: Life, *, ear: Ear, scheduler: Address[WorkKnown], emit: Emit) -> None:
        """Take the ear, which outlives each incarnation."""
        super().__init__(life)
        self._ear = ear
        self._scheduler = scheduler
        self._emit = emit
        self._pause = _FIRST_PAUSE
        self._deaf_since: timedelta | None = None

    def started(self) -> None:
        """Begin to listen."""
        self._listen()

    def receive(self, message: ListenerMessage) -> None:
        """Pass a hint on and listen for the next."""
        match message:
            case Heard() if message.incarnation == self.life.incarnation:
                self._pass_on()
            case Deaf() if message.incarnation == self.life.incarnation:
                self._rest(message.error)
            case Heard() | Deaf():
                pass  # a predecessor waited for it, and its successor waits itself
            case ListenAgain():
                self._listen_again()
            case _:
                assert_never(message)

    def _pass_on(self) -> None:
        self._pause = _FIRST_PAUSE
        if self._deaf_since is not None:
            after = self.life.clock.monotonic() - self._deaf_since
            self._emit(DependencyBack(name="notifications", after=after))
            self._deaf_since = None
        self._scheduler.tell(WorkKnown())
        self._listen()

    def _rest(self, error: str) -> None:
        if self._deaf_since is None:
            self._deaf_since = self.life.clock.monotonic()
            self._emit(DependencyLost(name="notifications", error=error))
        self.tell_later(self._pause, ListenAgain())
        self._pause = min(self._pause * 2, _LONGEST_PAUSE)

    def _listen_again(self) -> None:
        """Listen anew; what was announced meanwhile was missed, so look once."""
        self._scheduler.tell(WorkKnown())
        self._listen()

    def _listen(self) -> None:
        self.life.runtime.submit(self._next, self.life.me, self._deaf)

    async def _next(self) -> ListenerMessage:
        await self._ear.next()
        return Heard(incarnation=self.life.incarnation)

    def _deaf(self, error: Exception) -> ListenerMessage:
        return Deaf(incarnation=self.life.incarnation, error=str(error))
