"""Following a job to its end, by looking at it again and again."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from wallet_provisioning.clock import Clock
from wallet_provisioning.store.views import JobView

_PAUSE = timedelta(milliseconds=100)


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """How a job is followed: where to look, how time passes, and who is told what was seen."""

    look: Callable[[], JobView]
    clock: Clock
    pause: Callable[[timedelta], object]
    tell: Callable[[JobView], None]


def follow(job: JobView, watch: Watch, *, timeout: timedelta) -> JobView:
    """Return the job when it has ended or the time is over, whichever comes first.

    Raises what `look` raises.
    """
    end = watch.clock.monotonic() + timeout
    watch.tell(job)
    while job.status.is_unfinished:
        left = end - watch.clock.monotonic()
        if left <= timedelta():
            return job
        watch.pause(min(_PAUSE, left))
        job = watch.look()
        watch.tell(job)
    return job
