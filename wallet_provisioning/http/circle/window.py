"""Which calls of a kind Circle may still count, so that no sliding second of *its* clock has too many. Pure.

Theory of operation. A call is sent when it is granted or later, and answered at some reading of our
clock; Circle counts it somewhere in between, nobody knows where. So a place is taken from the grant until
one window after the *answer*: whoever gets it next is sent after that, and is counted more than a
window later, whatever the network or a busy machine did to either of them. No clock but our own
matters, and no jitter can break it.

The price is the time that an answer takes: at 300 ms a place turns round once in 1.3 s and a quarter of
the allowance is lost. But most of that time is the same for every call of its size, and what two calls
have in common can't bring them closer together. So the quickest of the last answers of that size is
taken off, all but a tolerance. What then holds: no second has too many while an answer takes less than the
tolerance, as the sandbox's do, or while the ways of two requests *to* Circle differ by less than that,
however much the answers differ. A larger jitter on that way may break it. A 429 says that it was broken:
for a time nothing is taken off, a minute at first, twice as long with each further one.

Alternatives that lost. A window over the moments of sending, held some milliseconds longer than Circle's:
with 10 ms more, a busy machine put 13 calls into one second of a limit of 10. Even pacing: it stands as
much jitter as such a window, and makes the first call of a burst wait for nothing. Counting until the
answer alone, without taking anything off: exact, and 91 % of the allowance at 100 ms, 77 % at 300 ms.

A call whose answer is long in coming gives its place back after a cap, or one chain that hangs would take
the allowance of all: Circle has counted it by then.
"""

import heapq
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count

TOLERANCE = 0.05
CAP = 2.0
_DOUBT, _LONGEST_DOUBT = 60.0, 3600.0
_REMEMBERED = 32
_ENOUGH = 8


@dataclass(slots=True, kw_only=True, eq=False)
class Place:
    """One call's place in the window. Times are seconds of the monotonic clock.

    `free_at` is when it is free for certain, as far as is known; the answer brings it forward. `token` is
    what a shared allowance calls it.
    """

    size: int
    granted_at: float
    spared: float
    free_at: float
    is_settled: bool = False
    token: str | None = None


@dataclass(slots=True)
class _Answers:
    """How long the last answers of one size took."""

    took: deque[float] = field(default_factory=lambda: deque(maxlen=_REMEMBERED))

    def spared(self) -> float:
        """Return what all calls of this size have in common, less the tolerance; 0 until it is known."""
        return max(0.0, min(self.took) - TOLERANCE) if len(self.took) >= _ENOUGH else 0.0


class Window:
    """The places of one kind. Belongs to one loop; every reading of the clock is passed in."""

    def __init__(self, length: float = 1.0) -> None:
        """Start empty; `length` is Circle's window in seconds."""
        self.length = length
        self._open: dict[Place, None] = {}
        self._settled: list[tuple[float, int, Place]] = []
        self._order = count()
        self._answers: dict[int, _Answers] = {}
        self._doubt = _DOUBT
        self._doubted_until = float("-inf")

    def doubt(self, now: float) -> None:
        """Take nothing off for a time: Circle counted too many."""
        if now >= self._doubted_until:
            self._doubted_until = now + self._doubt
            self._doubt = min(_LONGEST_DOUBT, 2 * self._doubt)
            for place in self._open:
                place.spared = 0.0
                place.free_at = place.granted_at + self.length + CAP

    def used(self, now: float) -> int:
        """Return how many places are taken."""
        while self._settled and self._settled[0][0] <= now:
            heapq.heappop(self._settled)
        for place in [place for place in self._open if place.free_at <= now]:
            place.is_settled = True
            del self._open[place]
        return len(self._settled) + len(self._open)

    def next_free(self) -> float | None:
        """Return when the next place is free, None where none is taken. Call `used` first."""
        times = [place.free_at for place in self._open]
        if self._settled:
            times.append(self._settled[0][0])
        return min(times, default=None)

    def take(self, now: float, *, size: int) -> Place:
        """Take a place for a call that goes out now."""
        known = self._answers.get(size)
        spared = 0.0 if known is None or now < self._doubted_until else known.spared()
        # An answer that is later than a whole window is no news where all of them are.
        longest = TOLERANCE if spared >= self.length else CAP
        place = Place(size=size, granted_at=now, spared=spared, free_at=now + self.length + longest)
        self._open[place] = None
        return place

    def settle(self, place: Place, now: float, *, is_answer: bool) -> None:
        """Take note that a call ended: Circle counts it now, if ever it does. Once is enough.

        `is_answer` is False where none came: how long that took says nothing of the way.
        """
        if place.is_settled:
            return
        took = now - place.granted_at
        if is_answer:
            self._answers.setdefault(place.size, _Answers()).took.append(took)
        late = max(min(took, TOLERANCE), took - place.spared)
        place.free_at = min(place.free_at, place.granted_at + self.length + late)
        self._close(place)

    def give_back(self, place: Place, now: float) -> None:
        """Give a place back whose call never went out."""
        if not place.is_settled:
            place.free_at = now
            self._close(place)

    def held(self, now: float) -> Iterator[Place]:
        """Return the places that are taken."""
        self.used(now)
        yield from self._open
        yield from (place for _, _, place in self._settled)

    def _close(self, place: Place) -> None:
        place.is_settled = True
        del self._open[place]
        heapq.heappush(self._settled, (place.free_at, next(self._order), place))
