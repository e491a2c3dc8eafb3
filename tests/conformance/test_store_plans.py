"""What a job and the operators' lists cost the database doesn't depend on how much has happened before."""

from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Connection, select, text

from benchmarks.flat_rows import History, fill
from tests.servers import PostgresServer
from tests.support_store import ETH, LEASE, WALLET_SET, live, member, request, result
from wallet_provisioning.clock import ManualClock, SystemClock
from wallet_provisioning.jobs.errors import ErrorType
from wallet_provisioning.jobs.moves import ClaimedJob, complete
from wallet_provisioning.jobs.states import AuditStatus, JobStatus, WalletStatus
from wallet_provisioning.store import reports
from wallet_provisioning.store.accepting import accept_job
from wallet_provisioning.store.claims import claim_jobs, rescue_expired
from wallet_provisioning.store.database import Database
from wallet_provisioning.store.moves import apply_moves
from wallet_provisioning.store.queue_front import QueueFront
from wallet_provisioning.store.queue_watch import QueueWatch
from wallet_provisioning.store.reports import AuditFilter, JobFilter, WalletFilter
from wallet_provisioning.store.tables import jobs as job_table
from wallet_provisioning.store.transaction import Transaction
from wallet_provisioning.store.wallets import open_request, record_results

TABLES = ("wallet_provisioning_jobs", "managed_wallets", "audit_logs")
LONG = History(jobs=20_500, audit=61_500, queued=200)
SHORT = History(jobs=600, audit=1_800, queued=200)
FULL_PAGE = 300  # rows: a page of 50, its wallets, and what is read twice
NOW = datetime.now(UTC)
JOBS = job_table.c

Read = Callable[[Connection], Any]
Step = Callable[[Transaction], Any]


@pytest.fixture(scope="module")
def filled(postgres: PostgresServer, postgres_template: str) -> Iterator[tuple[Database, Database]]:
    """A database that has seen much, and one that has not, with the same queue."""
    urls = [postgres.create_database(postgres_template) for _ in range(2)]
    for url, history in zip(urls, (LONG, SHORT), strict=True):
        fill(url, history)
    long, short = (Database(url, clock=SystemClock()) for url in urls)
    with closing(long), closing(short):
        yield long, short
    for url in urls:
        postgres.drop_database(url)


class Touched:
    """What a connection has read since: whole tables, rows, and entries of the queue's index."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._before = self._read()

    def since(self) -> tuple[set[str], int, int]:
        after = self._read()
        scanned = {name for name in TABLES if after[name][0] > self._before[name][0]}
        rows = sum(after[name][1] - self._before[name][1] for name in TABLES)
        return scanned, rows, after["entries"][0] - self._before["entries"][0]

    def _read(self) -> dict[str, tuple[int, int]]:
        query = text(
            "SELECT relname, seq_scan, seq_tup_read + coalesce(idx_tup_fetch, 0) "
            "FROM pg_stat_xact_user_tables "
            "UNION ALL SELECT 'entries', pg_stat_get_xact_tuples_returned('ix_jobs_due'::regclass), 0"
        )
        return {row[0]: (row[1], row[2]) for row in self._connection.execute(query)}


def roll_back(tx: Transaction) -> None:
    transaction = tx.connection.get_transaction()
    assert transaction is not None
    transaction.rollback()


def claimed(tx: Transaction) -> tuple[ClaimedJob, ...]:
    return claim_jobs(tx, holder=uuid4(), limit=10, lease=LEASE, include_retries=True).jobs


def done(tx: Transaction) -> None:
    jobs = claimed(tx)
    record_results(tx, [result(job, live()) for job in jobs])
    apply_moves(tx, [complete(job) for job in jobs])


def requested(tx: Transaction) -> None:
    open_request(tx, chain=ETH, wallet_set_id=WALLET_SET, members=[member(job) for job in claimed(tx)])


STEPS: dict[str, Step] = {
    "accept": lambda tx: accept_job(tx, request()),
    "claim": claimed,
    "store a request": requested,
    "record and complete": done,
    "rescue": rescue_expired,
}


def jobs(**wanted: Any) -> Read:
    return lambda connection: reports.list_jobs(connection, JobFilter(**wanted)).items


def wallets(**wanted: Any) -> Read:
    return lambda connection: reports.list_wallets(connection, WalletFilter(**wanted)).items


def audit(**wanted: Any) -> Read:
    return lambda connection: reports.list_audit(connection, AuditFilter(**wanted)).items


def some_user(connection: Connection) -> UUID:
    return reports.list_jobs(connection, JobFilter(status=JobStatus.FAILED), 1).items[0].user_id


LISTS: dict[str, Read] = {
    "totals": reports.totals,
    "jobs": jobs(),
    "jobs of a user": lambda connection: jobs(user_id=some_user(connection))(connection),
    "failed jobs": jobs(status=JobStatus.FAILED),
    "cancelled jobs": jobs(status=JobStatus.CANCELLED),
    "completed jobs": jobs(status=JobStatus.COMPLETED, created_before=NOW - timedelta(hours=1)),
    "jobs with an error": jobs(error_type=ErrorType.TIMEOUT),
    "wallets": wallets(),
    "wallets of a user": lambda connection: wallets(user_id=some_user(connection))(connection),
    "failed wallets": wallets(status=WalletStatus.FAILED),
    "wallets with an error": wallets(error_type=ErrorType.TIMEOUT),
    "audit": audit(),
    "audit of a user": lambda connection: audit(user_id=some_user(connection))(connection),
    "audit by action": audit(action_prefix="admin:"),
    "audit by two actions": audit(action_prefix="wallet-worker:provision_f"),
    "failures in the audit": audit(status=AuditStatus.FAILED),
}
# These look at all that is unfinished, or at rows that the filter leaves out, and say in which table.
LONGER: dict[str, Read] = {
    "the queue": lambda connection: QueueWatch(ManualClock()).look(connection),
    "queued jobs": jobs(status=JobStatus.QUEUED),
    "jobs in progress": jobs(status=JobStatus.IN_PROGRESS),
    "wallets in the making": wallets(status=WalletStatus.CREATING),
    "jobs of a time": jobs(created_after=NOW - timedelta(days=90), created_before=NOW - timedelta(days=89)),
}


@pytest.mark.parametrize("name", STEPS)
def test_a_step_of_a_job_meets_no_more_rows_after_a_long_history(
    filled: tuple[Database, Database], name: str
) -> None:
    met = []
    for database in filled:
        with database.write("test", "plan") as tx:
            touched = Touched(tx.connection)
            STEPS[name](tx)
            scanned, rows, _ = touched.since()
            met.append((rows, scanned))
            roll_back(tx)

    assert met[0][1] == set()
    assert met[0][0] <= met[1][0] + 5


@pytest.mark.parametrize("name", [*LISTS, *LONGER])
def test_a_list_reads_no_table_from_end_to_end(filled: tuple[Database, Database], name: str) -> None:
    with filled[0].read() as connection:
        touched = Touched(connection)
        found = (LISTS | LONGER)[name](connection)
        scanned, rows, _ = touched.since()

    assert found is not None
    assert scanned == set()
    assert rows < (FULL_PAGE if name in LISTS else 2_000)


def test_a_filter_that_little_meets_leads_on_from_short_pages(filled: tuple[Database, Database]) -> None:
    database = filled[0]
    with database.write("test", "plan") as tx:
        oldest = tx.execute(text("SELECT min(id) FROM wallet_provisioning_jobs")).scalar()
        rename = "UPDATE wallet_provisioning_jobs SET chains = CAST(:chains AS jsonb) WHERE id = :id"
        tx.execute(text(rename), {"chains": '["BASE"]', "id": oldest})
    pages: list[list[str]] = []
    cursor: str | None = None
    with database.read() as connection:
        while not pages or cursor is not None:
            page = reports.list_jobs(connection, JobFilter(chain="BASE"), 50, cursor)
            pages.append([str(job.id) for job in page.items])
            cursor = page.next

    assert pages == [[], [], [oldest]]


def test_claims_pass_over_what_was_claimed_while_an_old_transaction_is_open(
    filled: tuple[Database, Database],
) -> None:
    database, front = filled[1], QueueFront(ManualClock())

    def claim_ten(given: QueueFront | None) -> tuple[int, datetime]:
        with database.write("test", "claim") as tx:
            touched = Touched(tx.connection)
            found = claim_jobs(
                tx, holder=uuid4(), limit=10, lease=LEASE, include_retries=True, front=given
            ).jobs
            assert len(found) == 10
            last = tx.execute(select(JOBS.due_at).where(JOBS.id == found[-1].id)).scalar_one()
            return touched.since()[2], last

    with database.read() as old:
        assert reports.totals(old).processed == 0
        last = [claim_ten(None)[1] for _ in range(9)][-1]
        front.looked(since=None, took=timedelta(seconds=1), jobs=0, last=last)
        near, _ = claim_ten(front)
        whole, _ = claim_ten(None)

    assert whole >= 100
    assert near <= 20
