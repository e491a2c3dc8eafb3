"""Following a job to its end, with a clock that is held still."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from tests.samples import JOB
from wallet_provisioning.cli.following import Watch, follow
from wallet_provisioning.cli.jobs import describe
from wallet_provisioning.clock import ManualClock
from wallet_provisioning.jobs.errors import ErrorType
from wallet_provisioning.jobs.states import JobStatus
from wallet_provisioning.store.views import JobView

WORKING = replace(JOB, status=JobStatus.IN_PROGRESS, attempt_count=1)


class Watcher:
    """Sees one status after the other, the last for ever; every look takes no time, every pause does."""

    def __init__(self, *seen: JobView) -> None:
        self.clock = ManualClock()
        self.told: list[JobStatus] = []
        self._seen = list(seen)

    @property
    def watch(self) -> Watch:
        return Watch(look=self._look, clock=self.clock, pause=self.clock.advance, tell=self._tell)

    def _look(self) -> JobView:
        return self._seen.pop(0) if len(self._seen) > 1 else self._seen[0]

    def _tell(self, job: JobView) -> None:
        self.told.append(job.status)


def ended(status: JobStatus) -> Iterable[JobView]:
    return (WORKING, WORKING, replace(WORKING, status=status))


@pytest.mark.parametrize("status", [JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED])
def test_a_job_is_followed_to_its_end(status: JobStatus) -> None:
    watcher = Watcher(*ended(status))
    assert follow(JOB, watcher.watch, timeout=timedelta(seconds=60)).status is status
    assert watcher.told == [JobStatus.QUEUED, JobStatus.IN_PROGRESS, JobStatus.IN_PROGRESS, status]


def test_a_job_that_has_ended_already_is_not_waited_for() -> None:
    watcher = Watcher(JOB)
    done = replace(JOB, status=JobStatus.COMPLETED)
    assert follow(done, watcher.watch, timeout=timedelta(seconds=60)) is done
    assert watcher.clock.monotonic() == timedelta()


@pytest.mark.parametrize("timeout", [timedelta(), timedelta(milliseconds=250), timedelta(seconds=3)])
def test_the_wait_ends_when_the_time_is_over_and_not_later(timeout: timedelta) -> None:
    watcher = Watcher(WORKING)
    job = follow(JOB, watcher.watch, timeout=timeout)
    assert job.status.is_unfinished
    assert watcher.clock.monotonic() == timeout


def test_a_job_is_described_in_one_line() -> None:
    assert describe(JOB) == "queued (attempt 0 of 5)"
    retry = replace(
        WORKING,
        status=JobStatus.RETRY,
        next_retry_at=datetime(2026, 1, 1, 12, 30, tzinfo=UTC),
        error_type=ErrorType.TIMEOUT,
        error_message="read timed out",
    )
    assert describe(retry) == "retry (attempt 1 of 5, next at 12:30:00 UTC): timeout, read timed out"
