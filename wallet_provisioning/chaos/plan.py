"""What will be struck, and when: drawn before the run, so that a seed means the same strikes each time.

More crashes than a supervisor can mend end the daemon by design, so each is dealt about half as many at
most. The process itself is killed in the first half alone: the second half is one life, long enough
to show a leak. Threads that hang stay until the process ends, so they are few, and all in that last life.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from random import Random

_SHORTEST_GAP, _LONGEST_GAP = 0.2, 1.5
_MOST_CRASHES = 15
_PERIOD = timedelta(seconds=60)
_MOST_HANGS = 4
_BETWEEN_HANGS = timedelta(seconds=60)
_BETWEEN_SANDBOXES = timedelta(seconds=45)
_BETWEEN_PROCESSES = timedelta(minutes=3)


class Kind(StrEnum):
    """What a strike does: an actor crashes or hangs, or a process is killed with SIGKILL."""

    CRASH = "crash"
    HANG = "hang"
    PROCESS = "process"
    SANDBOX = "sandbox"


@dataclass(frozen=True, slots=True, kw_only=True)
class Strike:
    """One strike, `at` so long after the start; `path` is empty for a process."""

    at: timedelta
    kind: Kind
    path: str = ""


def draw_plan(length: timedelta, paths: Sequence[str], chance: Random) -> tuple[Strike, ...]:
    """Return all strikes of a run, in their order; every path is struck about equally often."""
    half = length / 2
    processes = _spread(Kind.PROCESS, length * 0.15, half, _BETWEEN_PROCESSES, chance)
    sandboxes = _spread(Kind.SANDBOX, length * 0.3, length, _BETWEEN_SANDBOXES, chance)
    hangs = _spread(Kind.HANG, half, length, _BETWEEN_HANGS, chance)
    crashes = _crashes(length, chance)
    deck = _Deck(paths, chance)
    drawn = sorted([*processes, *sandboxes, *hangs, *crashes], key=lambda strike: strike.at)
    dealt = (deck.deal(strike) for strike in drawn)
    return tuple(strike for strike in dealt if strike is not None)


def supervisor_of(path: str) -> str:
    """Return the path of the supervisor that restarts an actor."""
    return path.rpartition("/")[0] or "/"


def _spread(kind: Kind, begin: timedelta, end: timedelta, every: timedelta, chance: Random) -> list[Strike]:
    """Return a strike at a random moment of each part of a span; at least one."""
    parts = max(1, (end - begin) // every)
    part = (end - begin) / parts
    return [Strike(at=begin + part * (number + chance.random()), kind=kind) for number in range(parts)]


def _crashes(length: timedelta, chance: Random) -> list[Strike]:
    found: list[Strike] = []
    at = timedelta()
    while (at := at + timedelta(seconds=chance.uniform(_SHORTEST_GAP, _LONGEST_GAP))) < length:
        found.append(Strike(at=at, kind=Kind.CRASH))
    return found


@dataclass(slots=True)
class _Deck:
    """Deals paths like cards, so that none is forgotten; a strike that would be too much gets none."""

    paths: Sequence[str]
    chance: Random
    _cards: list[str] = field(default_factory=list)
    _blows: dict[str, list[timedelta]] = field(default_factory=dict)
    _hangs: dict[str, int] = field(default_factory=dict)

    def deal(self, strike: Strike) -> Strike | None:
        """Return the strike with its path; None where its supervisor has had enough."""
        if strike.kind in {Kind.PROCESS, Kind.SANDBOX}:
            return strike
        path = self._next_path()
        supervisor = supervisor_of(path)
        if self._is_too_much(strike, supervisor):
            self._cards.append(path)
            return None
        self._blows.setdefault(supervisor, []).append(strike.at)
        if strike.kind is Kind.HANG:
            self._hangs[supervisor] = self._hangs.get(supervisor, 0) + 1
        return Strike(at=strike.at, kind=strike.kind, path=path)

    def _next_path(self) -> str:
        if not self._cards:
            self._cards = list(self.paths)
            self.chance.shuffle(self._cards)
        return self._cards.pop()

    def _is_too_much(self, strike: Strike, supervisor: str) -> bool:
        if strike.kind is Kind.HANG:
            return self._hangs.get(supervisor, 0) >= _MOST_HANGS
        recent = [at for at in self._blows.get(supervisor, []) if strike.at - at <= _PERIOD]
        return len(recent) >= _MOST_CRASHES
