"""When the next attempt is due: exponential, jittered, within its bounds."""

from dataclasses import dataclass
from datetime import timedelta
from random import Random


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """How long a job waits between attempts.

    Attempt n + 1 comes after `min(maximum, base * 2 ** (n - 1))`, moved by up to ± `jitter` of
    itself, and never less than `base` or more than `maximum`.
    """

    base: timedelta = timedelta(minutes=1)
    maximum: timedelta = timedelta(minutes=30)
    jitter: float = 0.1

    def delay_after(self, attempt: int, chance: Random) -> timedelta:
        """Return the delay that follows the given attempt (the first is 1)."""
        doublings = min(attempt - 1, 62)
        plain = min(self.maximum.total_seconds(), self.base.total_seconds() * 2**doublings)
        moved = timedelta(seconds=plain * (1 + chance.uniform(-self.jitter, self.jitter)))
        return max(self.base, min(self.maximum, moved))
