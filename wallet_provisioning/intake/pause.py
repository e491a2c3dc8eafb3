"""How long to leave something alone that failed: longer each time, until it works again."""

import threading
from datetime import timedelta

from wallet_provisioning.clock import Clock


class Pause:
    """A back-off without a limit on its number. Safe on any thread; it waits for nothing itself."""

    def __init__(self, clock: Clock, *, shortest: timedelta, longest: timedelta) -> None:
        """Assign."""
        self._clock = clock
        self._shortest = shortest
        self._longest = longest
        self._next = shortest
        self._until: timedelta | None = None
        self._lock = threading.Lock()

    @property
    def is_over(self) -> bool:
        """Whether it may be tried now."""
        until = self._until
        return until is None or self._clock.monotonic() >= until

    def extend(self) -> None:
        """Note a failure. Those of several threads within one pause count once."""
        with self._lock:
            if not self.is_over:
                return
            self._until = self._clock.monotonic() + self._next
            self._next = min(self._longest, self._next * 2)

    def end(self) -> None:
        """Note that it works."""
        if self._until is None:
            return
        with self._lock:
            self._until = None
            self._next = self._shortest
