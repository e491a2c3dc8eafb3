"""The listener hears what other processes announce, and keeps this daemon's boards up to date.

On PostgreSQL it listens for NOTIFY; on SQLite it notices that the file was changed. Without it, or
while it can't reach the database, jobs of others are found by the scheduler's poll. Every two seconds
it looks at the standing orders by itself, since an announcement may be lost, writes what the breakers
did to the audit, and shows that this daemon lives.

A thousand jobs a second make a thousand announcements to each daemon. The first after a quiet time is
passed on at once; then the listener rests for a moment, and takes all that came meanwhile as one. How long
is drawn by lot, and the more daemons live the longer: so all together ask for jobs some 150 times a second
at most for announcements' sake, and yet one of them soon.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from random import Random
from typing import Protocol, TypeAlias, assert_never

from wallet_provisioning.actors.keeper import Keeper
from wallet_provisioning.actors.scheduler import WorkKnown
from wallet_provisioning.actors.shared import Shared
from wallet_provisioning.store.errors import StoreUnavailableError
from wallet_provisioning.store.wakeups import CONTROLS, RETURNED, WORK
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
# How long to rest after a hint, on average, with up to three daemons; and at most, with however many.
_GATHER = timedelta(milliseconds=20)
_DAEMONS = 3
_LONGEST_GATHER = timedelta(milliseconds=250)


class Ear(Protocol):
    """What hears of changes; its coroutine runs beside the actors."""

    async def next(self) -> frozenset[str] | None:
        """Return all that other processes have announced since, None where it may be anything.

        Several may wait for the same. What comes while nobody waits is kept for the next.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """Something was announced. `incarnation` is that which waited for it."""

    incarnation: int
    what: frozenset[str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Deaf:
    """The database can't be listened to."""

    incarnation: int
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Gathered:
    """Timer: the rest after a hint is over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenAgain:
    """Timer: the pause after a failure is over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """Timer: see what stands in the store."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LookSoon:
    """Timer: something was announced that may have been an order."""


ListenerMessage: TypeAlias = Heard | Gathered | Deaf | ListenAgain | Look | LookSoon


class ListenerActor(Actor[ListenerMessage]):
    """Keeps listening, whatever happens."""

    def __init__(
        self,
        life: Life,
        *,
        ear: Ear,
        scheduler: Address[WorkKnown],
        keeper: Keeper,
        shared: Shared,
        chance: Random,
        emit: Emit,
    ) -> None:
        """Take the ear, the keeper and the boards, which outlive each incarnation."""
        super().__init__(life)
        self._ear = ear
        self._scheduler = scheduler
        self._keeper = keeper
        self._shared = shared
        self._chance = chance
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
            case Gathered():
                self._listen()
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

    def _take(self, heard: frozenset[str] | None) -> None:
        self._pause = _FIRST_PAUSE
        if self._deaf_since is not None:
            after = self.life.clock.monotonic() - self._deaf_since
            self._emit(DependencyBack(name="notifications", after=after))
            self._deaf_since = None
        if heard is None:
            self._look_soon()
            self._called_at = None
        elif CONTROLS in heard:
            self._try(self._read_orders)
        if heard is None or self._keeper.echo in heard:
            self._hear_echo()
        if heard is None:
            self._pass_on(WorkKnown(is_heard=True))
        elif not heard.isdisjoint({WORK, RETURNED}):
            self._pass_on(WorkKnown(is_returned=RETURNED in heard, is_heard=True))
        else:
            self._listen()

    def _pass_on(self, hint: WorkKnown) -> None:
        """Wake the scheduler, and let more hints come before the next is passed on."""
        self._scheduler.tell(hint)
        usual = min(_GATHER * max(1.0, self._shared.census.count / _DAEMONS), _LONGEST_GATHER)
        self.tell_later(2 * self._chance.random() * usual, Gathered())

    def _hear_echo(self) -> None:
        """Note that announcements arrive, and how long the last call to ourselves took."""
        now = self.life.clock.monotonic()
        took = None if self._called_at is None else now - self._called_at
        self._called_at = None
        self._shared.pulse.mark(ECHO, now, took)

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
