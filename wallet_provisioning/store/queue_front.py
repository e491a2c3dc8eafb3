"""Up to where the queue has been claimed, so that claims need not walk over what was claimed before.

An index keeps an entry for each job that was claimed until no transaction can see it as it was. While one
stays open elsewhere, such as a dump of an hour, these entries pile up at the very front of the queue, and
each claim would pass all of them: 20,000 cost some 3 ms. So a daemon remembers how far it has come and
looks from there. What lies behind is rare: a job that was handed back or rescued keeps its place, which
whoever returns it says, and a transaction may commit late. For these the whole queue is looked at again:
always where that takes no longer than it should, as nearly ever, and seldom while it is dear, within ten
seconds unless it takes half a second.

Alternatives lost. A mark in the database would be a row that each claim updates, whose own old versions
pile up just so. Deleting claimed jobs from a table of their own leaves the same entries behind. A second
index that runs the other way would be walked from its newest end, and serve the youngest jobs first.
"""

from datetime import datetime, timedelta

from wallet_provisioning.clock import Clock

# What a look may take that meets nothing but the jobs that it takes.
_LOOK = timedelta(milliseconds=2)
_JOB = timedelta(microseconds=100)
# What it takes longer is paid for once in a while: at most once in so many times as long, and in ten seconds,
# but never for more than a twentieth of the time.
_SELDOM = 500
_PATIENCE = timedelta(seconds=10)
_SHARE = 20
# Accepts that run side by side commit in another order than that of their times; nearly all within this.
_COMMIT_LATE = timedelta(seconds=1)


class QueueFront:
    """What one claimer remembers. Of one thread; losing it costs one look at the whole queue."""

    def __init__(self, clock: Clock, *, patience: timedelta = _PATIENCE) -> None:
        """Start by looking at the whole queue; a look that is dear is made again after `patience` at last."""
        self._clock = clock
        self._patience = patience
        self._reached: datetime | None = None
        self._whole_at = clock.monotonic()

    def now(self) -> timedelta:
        """Return a clock reading to time a look with."""
        return self._clock.monotonic()

    def since(self) -> datetime | None:
        """Return the due time to look from, None to look at the whole queue."""
        if self._reached is None or self._clock.monotonic() >= self._whole_at:
            return None
        return self._reached - _COMMIT_LATE

    def looked(self, *, since: datetime | None, took: timedelta, jobs: int, last: datetime | None) -> None:
        """Note a look: from where, how long it took, what it found, and when the last of that was due."""
        if since is None:
            excess = max(timedelta(), took - _LOOK - jobs * _JOB)
            pause = max(_SHARE * excess, min(_SELDOM * excess, self._patience))
            self._whole_at = self._clock.monotonic() + pause
        if last is not None:
            self._reached = last

    def look_back(self) -> None:
        """Have the whole queue looked at next: a job was returned that keeps its old place."""
        self._whole_at = self._clock.monotonic()

    def whole_again_in(self) -> timedelta:
        """Return how long until the whole queue is looked at again."""
        return max(timedelta(), self._whole_at - self._clock.monotonic())
