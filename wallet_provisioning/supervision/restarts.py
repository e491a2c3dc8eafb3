"""The policy of restarts, as pure functions of history and time (the rules are those of Erlang/OTP)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from itertools import pairwise, takewhile

# More failures in a row than this change nothing: the pause has long reached its maximum.
LONGEST_ROW = 18


class Restart(StrEnum):
    """When a child that ended is started again."""

    PERMANENT = "permanent"
    TRANSIENT = "transient"
    TEMPORARY = "temporary"


class Strategy(StrEnum):
    """Who restarts with whom."""

    ONE_FOR_ONE = "one_for_one"
    ONE_FOR_ALL = "one_for_all"
    REST_FOR_ONE = "rest_for_one"


@dataclass(frozen=True, slots=True, kw_only=True)
class Intensity:
    """More than `limit` failures within `period` are more than restarts can mend."""

    limit: int = 30
    period: timedelta = timedelta(seconds=60)

    def is_exceeded(self, failures: Sequence[timedelta], now: timedelta) -> bool:
        """Return whether the failures, this one included, are too many."""
        return sum(1 for at in failures if now - at <= self.period) > self.limit


@dataclass(frozen=True, slots=True, kw_only=True)
class Delay:
    """The pause before a restart: none for the first failure, then doubling; quiet resets it."""

    base: timedelta = timedelta(milliseconds=50)
    maximum: timedelta = timedelta(seconds=2)
    quiet: timedelta = timedelta(seconds=10)

    def before(self, failures: Sequence[timedelta]) -> timedelta:
        """Return the pause after the last of these failures, in the order of time."""
        recent = reversed(failures[-LONGEST_ROW:])
        row = sum(1 for _ in takewhile(lambda pair: pair[0] - pair[1] < self.quiet, pairwise(recent)))
        if row == 0:
            return timedelta()
        return min(self.maximum, self.base * (1 << (row - 1)))


def is_restarted(restart: Restart, *, in_good_order: bool) -> bool:
    """Return whether a child that ended by itself is started again."""
    match restart:
        case Restart.PERMANENT:
            return True
        case Restart.TRANSIENT:
            return not in_good_order
        case Restart.TEMPORARY:
            return False


def affected(strategy: Strategy, order: Sequence[str], ended: str) -> tuple[str, ...]:
    """Return the children that restart when one ended, in the order of their start."""
    match strategy:
        case Strategy.ONE_FOR_ONE:
            return (ended,)
        case Strategy.ONE_FOR_ALL:
            return tuple(order)
        case Strategy.REST_FOR_ONE:
            return tuple(order[order.index(ended) :])
