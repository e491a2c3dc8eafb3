"""The listener hears what other processes announce, and keeps this daemon's boards up to date.

On PostgreSQL it listens for NOTIFY; on SQLite it notices that the file was changed. Without it, or
while it can't reach the database, jobs of others are found by the scheduler's poll. Every two seconds
it looks at the standing orders by itself, since an announcement may be lost, writes what the breakers
did to the audit, and shows that this daemon lives.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol, TypeAlias, assert_never

from wallet_provisioning.actors.keeper import Keeper
from wallet_provisioning.actors.scheduler import WorkKnown
from wallet_provisioning.actors.shared import Pulse
from wallet_provisioning.store.errors import StoreUnavailableError
from wallet_provisioning.store.wakeups import CONTROLS
from wallet_provisioning.supervision.actor import Actor
from wallet_provisioning.supervision.address import Address
from wallet_provisioning.supervision.life import Life
from wallet_provisioning.telemetry.events import DependencyBack, DependencyLost, Emit

ECHO = "echo"
_FIRST_PAUSE = timedelta(milliseconds=250)
_LONGEST_PAUSE = timedelta(seconds=2)
_LOOK_EVERY = timedelta(seconds=2)
# Where an announcement may mean anything, as on SQLite, orders are read at most so often for its sake.
_REST = timedelta(milliseconds=250)


class Ear(Protocol):
    """What hears of changes; its coroutine runs beside the actors."""

    async def next(self) -> str | None:
        """Return what another process announced next, None where it may be anything.

        Several may wait for the same one.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """Something was announced. `incarnation` is that which waited for it."""

    incarnation: int
    what: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Deaf:
    """The database can't be listened to."""

    incarnation: int
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenAgain:
    """Timer: the pause after a failure is over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """Timer: see what stands in the store."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LookSoon:
    """Timer: something was announced that may have been an order."""


ListenerMessage: TypeAlias = Heard | Deaf | ListenAgain | Look | LookSoon


class ListenerActor(Actor[ListenerMessage]):
    """Keeps listening, whatever happens."""

    def __init__(
        self, life: Life, *, ear: Ear, scheduler: Address[WorkKnown], keeper: Keeper, pulse: Pulse, emit: Emit
    ) -> None:
        """Take the ear and the keeper, which outlive each incarnation."""
        super().__init__(life)
        self._ear = ear
        self._scheduler = scheduler
        self._keeper = keeper
        self._pulse = pulse
        self._emit = emit
        self._pause = _FIRST_PAUSE
        self._deaf_since: timedelta | None = None
        self._next_beat = timedelta()
        self._will_look = False
        self._called_at: timedelta | None = None

    def started(self) -> None:
        """Begin to listen and to look."""
        self._listen()
        self.tell_later(timedelta(), Look())

    def receive(self, message: ListenerMessage) -> None:
        """Pass a hint on and listen for the next, or look."""
        match message:
            case Heard() if message.incarnation == self.life.incarnation:
                self._take(message.what)
            case Deaf() if message.incarnation == self.life.incarnation:
                self._rest(message.error)
            case Heard() | Deaf():
                pass  # a predecessor waited for it, and its successor waits itself
            case ListenAgain():
                self._listen_again()
            case Look():
                self._look()
            case LookSoon():
                self._will_look = False
                self._try(self._read_orders)
            case _:
                assert_never(message)

    # Announcements.

    def _take(self, what: str | None) -> None:
        self._pause = _FIRST_PAUSE
        if self._deaf_since is not None:
            after = self.life.clock.monotonic() - self._deaf_since
            self._emit(DependencyBack(name="notifications", after=after))
            self._deaf_since = None
        if what == CONTROLS:
            self._try(self._read_orders)
        elif what is None:
            self._scheduler.tell(WorkKnown())
            self._look_soon()
            self._hear_echo()
        elif what == self._keeper.echo:
            self._hear_echo()
        elif not what:
            self._scheduler.tell(WorkKnown())
        self._listen()

    def _hear_echo(self) -> None:
        """Note that announcements arrive, and how long the last call to ourselves took."""
        now = self.life.clock.monotonic()
        took = None if self._called_at is None else now - self._called_at
        self._called_at = None
        self._pulse.mark(ECHO, now, took)

    def _look_soon(self) -> None:
        if not self._will_look:
            self._will_look = True
            self.tell_later(_REST, LookSoon())

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
        what = await self._ear.next()
        return Heard(incarnation=self.life.incarnation, what=what)

    def _deaf(self, error: Exception) -> ListenerMessage:
        return Deaf(incarnation=self.life.incarnation, error=str(error))

    # What stands in the store.

    def _look(self) -> None:
        for step in (self._beat, self._read_orders, self._write_journal):
            if not self._try(step):
                break
        self.tell_later(_LOOK_EVERY, Look())

    def _try(self, step: Callable[[], None]) -> bool:
        """Take a step; return False where the store is away, which passes."""
        try:
            step()
        except StoreUnavailableError:
            return False
        return True

    def _beat(self) -> None:
        now = self.life.clock.monotonic()
        if now < self._next_beat:
            return
        self._next_beat = now + self._keeper.heartbeat
        if self._called_at is None:
            self._called_at = now
        self._keeper.beat(self.life.path, self.life.clock)

    def _read_orders(self) -> None:
        """Read the orders; where they changed, jobs that were held up may be claimed."""
        if self._keeper.read_orders(self.life.clock):
            self._scheduler.tell(WorkKnown())
            self._keeper.write_journal(self.life.path)

    def _write_journal(self) -> None:
        self._keeper.write_journal(self.life.path)
