"""The work that `flat` times, on one database: what a job costs the store, and what operators look at."""

import statistics
import time
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import TypeVar
from uuid import UUID, uuid4

import psycopg
from sqlalchemy import Connection

from benchmarks.flat_rows import RARE_CHAIN
from benchmarks.harness import Figures
from wallet_provisioning.clock import SystemClock
from wallet_provisioning.jobs.errors import ErrorType
from wallet_provisioning.jobs.moves import ClaimedJob, complete
from wallet_provisioning.jobs.outcomes import Live
from wallet_provisioning.jobs.states import AuditStatus, JobStatus
from wallet_provisioning.store import reports
from wallet_provisioning.store.accepting import JobRequest, accept_job
from wallet_provisioning.store.claims import claim_jobs, rescue_expired
from wallet_provisioning.store.database import Database
from wallet_provisioning.store.folding import Folder
from wallet_provisioning.store.moves import apply_moves
from wallet_provisioning.store.pages import cursor_of
from wallet_provisioning.store.queue_front import QueueFront
from wallet_provisioning.store.queue_watch import QueueWatch
from wallet_provisioning.store.reports import AuditFilter, JobFilter
from wallet_provisioning.store.results import WalletResult, record_results
from wallet_provisioning.store.tables import jobs

Result = TypeVar("Result")
_SET = UUID("0190aaaa-0000-7000-8000-000000000001")
_LEASE = timedelta(minutes=30)
_MILLI = 1e3
_TIMES = 5
_FOLDED_AFTER = 1_000  # jobs
CLAIMED = 10

CLAIM = f"claim {CLAIMED}"
COMMIT = f"commit {CLAIMED} results"
ACCEPT = "accept a job"
RESCUE = "look for lost leases"
STATUS = "status endpoint"
QUEUE = "queue depths, oldest due"
SCRAPED = "the same at a scrape"
_Read = Callable[[Connection], object]


def _reads() -> Mapping[str, _Read]:
    """Return what is read, each as one page of 50 where it is a list."""
    return {
        STATUS: reports.totals,
        "jobs: newest": _jobs(JobFilter()),
        "jobs: failed": _jobs(JobFilter(status=JobStatus.FAILED)),
        "jobs: error_type": _jobs(JobFilter(error_type=ErrorType.TIMEOUT)),
        "jobs: chain": _jobs(JobFilter(chain="ETH")),
        "jobs: rare chain": _jobs(JobFilter(chain=RARE_CHAIN)),
        "audit: newest": _audit(AuditFilter()),
        "audit: admin:": _audit(AuditFilter(action_prefix="admin:")),
        "audit: failed": _audit(AuditFilter(status=AuditStatus.FAILED)),
    }


def _jobs(wanted: JobFilter, cursor: str | None = None) -> _Read:
    return lambda connection: reports.list_jobs(connection, wanted, cursor=cursor)


def _audit(wanted: AuditFilter) -> _Read:
    return lambda connection: reports.list_audit(connection, wanted)


READS = (
    *_reads(),
    QUEUE,
    SCRAPED,
    "jobs: of a user",
    "jobs: deep cursor",
    "jobs: created in an hour",
    "audit: of a user (SQL)",
)


class Bench:
    """A database, and how to time each piece of work on it. Of one thread."""

    def __init__(self, url: str) -> None:
        """Look up a job in the middle of the history to read around."""
        self.url = url
        clock = SystemClock()
        self._database = Database(url, clock=clock, pool_size=2)
        self._front = QueueFront(clock)
        self._holder = uuid4()
        self._folder = Folder()
        watch = QueueWatch(clock)
        self._reads = {**_reads(), QUEUE: watch.count, SCRAPED: watch.look}
        with psycopg.connect(url) as connection:
            middle = connection.execute(
                "SELECT id, user_id, created_at FROM wallet_provisioning_jobs WHERE status = 'completed' "
                "ORDER BY id OFFSET 500 LIMIT 1"
            ).fetchone()
        if middle is not None:
            self._read_around(middle[0], UUID(middle[1]), middle[2])

    def _read_around(self, job_id: str, user_id: UUID, created_at: datetime) -> None:
        hour = JobFilter(created_after=created_at - timedelta(hours=1), created_before=created_at)
        self._reads |= {
            "jobs: of a user": _jobs(JobFilter(user_id=user_id)),
            "jobs: deep cursor": _jobs(JobFilter(), cursor_of(jobs.name, UUID(job_id))),
            "jobs: created in an hour": _jobs(hour),
            "audit: of a user (SQL)": lambda connection: connection.exec_driver_sql(
                "SELECT action, resource_type, changes, status, error_message, created_at FROM audit_logs "
                "WHERE user_id = %s AND action LIKE '%%wallet%%' ORDER BY created_at DESC",
                (str(user_id),),
            ).all(),
        }

    def run(self) -> Figures:
        """Do everything a few times and return the medians in milliseconds."""
        found: dict[str, list[float]] = {}
        for _ in range(_TIMES):
            jobs = self._timed(found, CLAIM, lambda: self.claim(CLAIMED))
            self._timed(found, COMMIT, partial(self.complete, jobs))
            for _ in range(CLAIMED):
                self._timed(found, ACCEPT, self.accept)
            self._timed(found, RESCUE, self._rescue)
            for name, read in self._reads.items():
                self._timed(found, name, partial(self._read, read))
        return {name: statistics.median(each) for name, each in found.items()}

    def churn(self, jobs: int, at_once: int = 10) -> None:
        """Claim, complete and accept so many jobs, as a busy daemon does."""
        for number in range(0, jobs, at_once):
            if number % _FOLDED_AFTER == 0:
                self.fold()
            claimed = self.claim(at_once)
            self.complete(claimed)
            with self._database.write("benchmark", "accept") as tx:
                for _ in claimed:
                    accept_job(tx, JobRequest(user_id=uuid4(), chains=("ETH",), source="import"))

    def claim(self, limit: int) -> tuple[ClaimedJob, ...]:
        """Claim jobs as the scheduler does."""
        with self._database.write("scheduler", "claim") as tx:
            return claim_jobs(
                tx, holder=self._holder, limit=limit, lease=_LEASE, include_retries=True, front=self._front
            ).jobs

    def complete(self, jobs: tuple[ClaimedJob, ...]) -> None:
        """Record the wallets and complete the jobs as the writer does."""
        with self._database.write("writer", "results") as tx:
            record_results(tx, [_made(job) for job in jobs])
            apply_moves(tx, [complete(job) for job in jobs])

    def fold(self) -> None:
        """Add to the totals what was counted, as the bookkeeper does every few seconds."""
        with self._database.write("bookkeeper", "fold") as tx:
            self._folder.fold(tx)

    def accept(self) -> None:
        """Accept one job."""
        with self._database.write("intake", "accept") as tx:
            accept_job(tx, JobRequest(user_id=uuid4(), chains=("ETH",), source="http"))

    def close(self) -> None:
        """Close the connections."""
        self._database.close()

    def _rescue(self) -> None:
        with self._database.write("rescuer", "rescue") as tx:
            rescue_expired(tx)

    def _read(self, read: _Read) -> object:
        with self._database.read() as connection:
            return read(connection)

    @staticmethod
    def _timed(found: dict[str, list[float]], name: str, work: Callable[[], Result]) -> Result:
        began = time.perf_counter()
        result = work()
        found.setdefault(name, []).append((time.perf_counter() - began) * _MILLI)
        return result


def _made(job: ClaimedJob) -> WalletResult:
    live = Live(
        blockchain="ETH-SEPOLIA",
        address="0xabc",
        circle_wallet_id=uuid4(),
        wallet_set_id=_SET,
        account_type="SCA",
        circle_request_id="circle-1",
    )
    return WalletResult(
        job_id=job.id, epoch=job.epoch, user_id=job.user_id, chain="ETH", outcome=live, request_id=None
    )
