"""Whether Redis can be reached, told once each way."""

import threading
from typing import TYPE_CHECKING

from wallet_provisioning.clock import Clock
from wallet_provisioning.intake.pause import Pause
from wallet_provisioning.telemetry.events import DependencyBack, DependencyLost, Emit

if TYPE_CHECKING:
    from datetime import timedelta

NAME = "redis"


class Link:
    """The state of the connection. Safe on any thread."""

    def __init__(self, clock: Clock, emit: Emit, pause: Pause) -> None:
        """Assign; the link counts as whole until it fails."""
        self._clock = clock
        self._emit = emit
        self._pause = pause
        self._lost_at: timedelta | None = None
        self._lock = threading.Lock()

    @property
    def may_try(self) -> bool:
        """Whether Redis may be asked now."""
        return self._pause.is_over

    def note_failure(self, error: Exception) -> None:
        """A command failed; the first in a row is told."""
        self._pause.extend()
        with self._lock:
            if self._lost_at is not None:
                return
            self._lost_at = self._clock.monotonic()
        self._emit(DependencyLost(name=NAME, error=f"{type(error).__name__}: {error}"))

    def note_success(self) -> None:
        """A command worked; the first after failures is told."""
        if self._lost_at is None:
            return
        self._pause.end()
        with self._lock:
            lost_at, self._lost_at = self._lost_at, None
        if lost_at is not None:
            self._emit(DependencyBack(name=NAME, after=self._clock.monotonic() - lost_at))
