"""The retry budget: what is sent again stays under a fifth of what is sent for the first time. Pure.

A Circle in trouble must not be asked twice as much for it. Each first call puts a fifth of a token by, each
re-send takes a whole one; a few are there from the start and one comes back every ten seconds, so that a
daemon with little to do can still repeat a call. A stored request that a later attempt sends again,
however young, has waited for its job's back-off: it takes a token too and earns none, but is never held up,
since only the replay can settle what became of the first.
"""

_EARNED = 0.2
_RESERVE = 10.0
_FLOOR_PER_SECOND = 0.1


class RetryBudget:
    """The tokens of one daemon. Belongs to one loop; `now` is a reading of the monotonic clock in seconds."""

    def __init__(self) -> None:
        """Start with the reserve."""
        self._tokens = _RESERVE
        self._at: float | None = None

    def earn(self, now: float) -> None:
        """Take note of a first call."""
        self._refill(now)
        self._tokens = min(_RESERVE, self._tokens + _EARNED)

    def spend(self, now: float) -> bool:
        """Return whether a call may be sent again at once; if so the token is gone."""
        self._refill(now)
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True

    def replay(self, now: float) -> None:
        """Take note of a stored request that is sent again."""
        self._refill(now)
        self._tokens = max(0.0, self._tokens - 1)

    def _refill(self, now: float) -> None:
        since = 0.0 if self._at is None else now - self._at
        self._at = now
        self._tokens = min(_RESERVE, self._tokens + _FLOOR_PER_SECOND * since)
