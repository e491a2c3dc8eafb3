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

_FIRST_PAUSE = timedelta(milliseconds=250)
_LONGEST_PAUSE = timedelta(seconds=2)


class Ear(Protocol):
    """What hears of changes; its coroutine runs beside the actors."""

    async def next(self) -> None:
        """Return at the next change that another process announced."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """Something was announced."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deaf:
    """The database can't be listened to."""

    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenAgain:
    """Timer: the pause after a failure is over."""


ListenerMessage: TypeAlias = Heard | Deaf | ListenAgain


class ListenerActor(Actor[ListenerMessage]):
    """Keeps listening, whatever happens."""

    def __init__(self, life: Life, *, ear: Ear, scheduler: Address[WorkKnown]) -> None:
        """Take the ear; it is used by one incarnation at a time."""
        super().__init__(life)
        self._ear = ear
        self._scheduler = scheduler
        self._pause = _FIRST_PAUSE

    def started(self) -> None:
        """Begin to listen."""
        self._listen()

    def receive(self, message: ListenerMessage) -> None:
        """Pass a hint on and listen for the next."""
        match message:
            case Heard():
                self._pass_on()
            case Deaf():
                self._rest()
            case ListenAgain():
                self._listen_again()
            case _:
                assert_never(message)

    def _pass_on(self) -> None:
        self._pause = _FIRST_PAUSE
        self._scheduler.tell(WorkKnown())
        self._listen()

    def _rest(self) -> None:
        self.tell_later(self._pause, ListenAgain())
        self._pause = min(self._pause * 2, _LONGEST_PAUSE)

    def _listen_again(self) -> None:
        """Listen anew; what was announced meanwhile was missed, so look once."""
        self._scheduler.tell(WorkKnown())
        self._listen()

    def _listen(self) -> None:
        self.life.runtime.submit(self._next, self.life.me, lambda error: Deaf(error=str(error)))

    async def _next(self) -> ListenerMessage:
        await self._ear.next()
        return Heard()
