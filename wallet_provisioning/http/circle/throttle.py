"""How Circle's 429 slows the account down, and how that passes. Pure; readings of the clock are passed in.

A 429 closes a gate for the whole account: until `Retry-After`, or without one for a pause that doubles from
refusal to refusal, until a call goes well. Where for a minute nothing but refusals has come, it stays closed
for a quarter of the time that they last, five minutes at most: each look whether Circle answers again costs
a job an attempt, so few are made. The kind that was refused is allowed half as many calls from then on, once
a window however many refusals come, and after the gate has opened a tenth of the full limit more each
second: back at the limit within nine seconds of the worst. That is how TCP shares a line whose width nobody
tells it.
"""

from dataclasses import dataclass

_FIRST_PAUSE = 1.0
_LONGEST_PAUSE = 30.0
_STORM = 60.0
_SHARE_OF_STORM = 0.25
_LONGEST_STORM_PAUSE = 300.0
_RECOVERY = 0.1  # of the limit, a second
_WINDOW = 1.0


@dataclass(slots=True)
class Gate:
    """Whether the account may call at all. Times are seconds of the monotonic clock."""

    open_at: float = 0.0
    _pause: float = _FIRST_PAUSE
    _refused_at: float = float("-inf")
    _began_at: float = float("-inf")

    def remaining(self, now: float) -> float:
        """Return how long it stays closed, 0 where it is open."""
        return max(0.0, self.open_at - now)

    def refuse(self, retry_after: float | None, now: float) -> float:
        """Close after a 429 and return for how long; of several at once the first lengthens the pause."""
        if not self._is_in_a_row or now > self.open_at + _LONGEST_STORM_PAUSE:
            self._began_at = now
        if retry_after is None:
            if now >= self.open_at and self._is_in_a_row:
                self._pause = min(_LONGEST_PAUSE, 2 * self._pause)
            retry_after = self._pause
        self._refused_at = now
        self.close_until(now + max(retry_after, self._storm_pause(now)))
        return self.remaining(now)

    def close_until(self, reading: float) -> None:
        """Stay closed at least so long."""
        self.open_at = max(self.open_at, reading)

    def pass_(self, sent_at: float) -> None:
        """Take note of a call that went well, if it was sent after the last refusal."""
        if sent_at > self._refused_at:
            self._pause = _FIRST_PAUSE
            self._refused_at = float("-inf")

    def _storm_pause(self, now: float) -> float:
        lasted = now - self._began_at
        return min(_LONGEST_STORM_PAUSE, lasted * _SHARE_OF_STORM) if lasted >= _STORM else 0.0

    @property
    def _is_in_a_row(self) -> bool:
        return self._refused_at != float("-inf")


@dataclass(slots=True)
class Pace:
    """Which share of its limit one kind may use at the moment."""

    _share: float = 1.0
    _since: float = 0.0
    _cut_at: float = float("-inf")

    def share(self, now: float) -> float:
        """Return the share, from above 0 to 1."""
        return min(1.0, self._share + _RECOVERY * max(0.0, now - self._since))

    def limit(self, full: int, now: float) -> int:
        """Return how many calls a window allows; one at least."""
        return max(1, int(full * self.share(now) + 1e-9))

    def halve(self, full: int, now: float, *, pause: float) -> bool:
        """Halve the share after a 429, unless that was just done; return whether it was done now."""
        if now < self._cut_at + _WINDOW:
            self._since = max(self._since, now + pause)
            return False
        self._share = max(1 / full, self.share(now) / 2)
        self._cut_at, self._since = now, now + pause
        return True

    def follow(self, share: float, now: float, *, pause: float) -> None:
        """Go no faster than another daemon has learnt to."""
        if share < self.share(now):
            self._share, self._since = share, now + pause
