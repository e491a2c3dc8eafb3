"""One kind of call: who waits, which places are taken, and who gets the next."""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from wallet_provisioning.clock import Clock
from wallet_provisioning.http.circle.sharing import VALIDITY
from wallet_provisioning.http.circle.throttle import Gate, Pace
from wallet_provisioning.http.circle.turns import FairQueue
from wallet_provisioning.http.circle.window import Place, Window

GATE_PATIENCE = 3.0
_SOON = 0.001

Hook = Callable[[], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class NoTurn:
    """Circle wants to be left alone for longer than a call should wait; `retry_in` says how long."""

    retry_in: timedelta


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Turn:
    """Leave for one call, which must go out at once. Say when it ended, and how; or that it went unused.

    Only the first word on when it ended counts.
    """

    lane: "Lane"
    place: Place
    waited: timedelta

    def ended(self, *, is_answer: bool = True) -> None:
        """The call ended; `is_answer` is False where none came."""
        self.lane.end(self.place, is_answer=is_answer)

    def went_well(self) -> None:
        """Circle did what it was asked."""
        self.lane.end(self.place, is_answer=True)
        self.lane.on_success(self.place.granted_at)

    def refused(self, retry_after: timedelta | None) -> None:
        """Circle answered 429."""
        self.lane.end(self.place, is_answer=True)
        self.lane.doubt()
        self.lane.on_refusal(self.lane, None if retry_after is None else retry_after.total_seconds())

    def unused(self) -> None:
        """The call never went out."""
        self.lane.give_back(self.place)


@dataclass(slots=True, kw_only=True, eq=False)
class _Waiter:
    answer: "asyncio.Future[Turn | NoTurn]"
    size: int
    since: float


class Lane:
    """Lives on one loop. What it needs of the account is set by the budget after it was made."""

    def __init__(self, name: str, full: int, *, window: float, clock: Clock, gate: Gate) -> None:
        """Start with the whole allowance; `full` calls go in a `window` of so many seconds."""
        self.name = name
        self.full = full
        self.pace = Pace()
        self.on_refusal: Callable[[Lane, float | None], None] = _nothing
        self.on_success: Callable[[float], None] = _nothing
        # Whether calls need tokens of a pool, and who is told that some are missing or one did without.
        self.needs_tokens = False
        self.nudge: Hook = _nothing
        self.quiet_until = 0.0
        self.reports: dict[str, Place] = {}
        self._clock = clock
        self._gate = gate
        self._length = window
        self._window = Window(window)
        self._queue: FairQueue[_Waiter] = FairQueue()
        self._tokens: deque[tuple[str, float]] = deque()
        self._base = full
        self._own = 0
        self._timer: asyncio.TimerHandle | None = None

    # For callers.

    async def take(self, *, chain: str, size: int, background: bool) -> Turn | NoTurn:
        """Wait for a turn. One that is cancelled uses nothing up."""
        answer: asyncio.Future[Turn | NoTurn] = asyncio.get_running_loop().create_future()
        waiter = _Waiter(answer=answer, size=size, since=self._clock.seconds())
        self._queue.put(waiter, chain=chain, background=background)
        self.serve()
        try:
            return await answer
        except asyncio.CancelledError:
            self._forget(waiter)
            raise

    @property
    def waiting(self) -> int:
        """How many wait."""
        return len(self._queue)

    def rate(self) -> float:
        """Return how many calls a second this daemon may make now."""
        now = self._clock.seconds()
        return 0.0 if self._gate.remaining(now) else self.pace.limit(self._base, now) / self._window.length

    # For turns.

    def end(self, place: Place, *, is_answer: bool) -> None:
        """Take note that a call ended."""
        self._window.settle(place, self._clock.seconds(), is_answer=is_answer)
        self._report(place)
        self.serve()

    def doubt(self) -> None:
        """Take note of a 429: count more carefully for a time."""
        self._window.doubt(self._clock.seconds())

    def give_back(self, place: Place) -> None:
        """Take back a place that was not used."""
        self._window.give_back(place, self._clock.seconds())
        self._report(place)
        self.serve()

    def _report(self, place: Place) -> None:
        """Have the pool told of a place of which there is news."""
        if self.needs_tokens and place.token is not None:
            self.reports[place.token] = place

    # For the account.

    def serve(self) -> None:
        """Give turns to those who wait, as far as there are any, and look again when there may be more."""
        now = self._clock.seconds()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        closed = self._gate.remaining(now)
        if closed > GATE_PATIENCE:
            self._send_away(closed)
        delay = closed or self._serve_until(now)
        if self._queue and delay is not None:
            self._timer = asyncio.get_running_loop().call_later(max(delay, _SOON), self.serve)

    def share_between(self, daemons: int) -> None:
        """Keep an equal share; a share of less than one call a window becomes one a longer window."""
        self._base = max(1, self.full // daemons)
        self._window.length = self._length * max(1.0, daemons * self._base / self.full)

    def wants(self) -> int:
        """Return how many tokens are missing."""
        now = self._clock.seconds()
        if self._gate.remaining(now):
            return 0
        room = self.pace.limit(self._base, now) - self._window.used(now)
        return max(0, min(room, len(self._queue)) - len(self._tokens))

    def grant(self, tokens: list[str], *, asked_at: float) -> None:
        """Take tokens; they are good for a moment only."""
        self._tokens.extend((token, asked_at + VALIDITY) for token in tokens)

    def report_all(self) -> None:
        """Have every place that is taken told to the pool: it knows none of them."""
        held = self._window.held(self._clock.seconds())
        self.reports.update((place.token, place) for place in held if place.token is not None)

    def drop_tokens(self) -> None:
        """Forget the tokens in hand; the pool frees them by itself."""
        self._tokens.clear()

    def _serve_until(self, now: float) -> float | None:
        """Give turns; return how long until the next may be had, None where somebody else will say so."""
        while self._queue:
            if self._window.used(now) >= self.pace.limit(self._base, now):
                return (self._window.next_free() or now) - now
            if not self.needs_tokens and now < self.quiet_until:
                return self.quiet_until - now
            token = self._next_token(now)
            if token is None:
                self.nudge()
                return None
            self._give(self._queue.take(), token, now)
        return None

    def _next_token(self, now: float) -> str | None:
        """Return leave of the pool, or a name of our own where none is needed."""
        while self.needs_tokens and self._tokens:
            token, good_until = self._tokens.popleft()
            if now < good_until:
                return token
            self.reports[token] = Place(size=0, granted_at=now, spared=0.0, free_at=now, is_settled=True)
        if self.needs_tokens:
            return None
        self.nudge()
        self._own += 1
        return f"own-{self._own}"

    def _give(self, waiter: _Waiter, token: str, now: float) -> None:
        place = self._window.take(now, size=waiter.size)
        place.token = token
        if waiter.answer.cancelled():  # its task has not run since, so it still stood in the queue
            self._window.give_back(place, now)
            self._report(place)
            return
        waiter.answer.set_result(Turn(lane=self, place=place, waited=timedelta(seconds=now - waiter.since)))

    def _send_away(self, closed: float) -> None:
        for waiter in self._queue.clear():
            if not waiter.answer.cancelled():
                waiter.answer.set_result(NoTurn(retry_in=timedelta(seconds=closed)))

    def _forget(self, waiter: _Waiter) -> None:
        if waiter.answer.cancelled():
            self._queue.remove(waiter)
            self.serve()
        elif isinstance(turn := waiter.answer.result(), Turn):
            turn.unused()


def _nothing(*_arguments: object) -> None:
    """Do nothing."""
