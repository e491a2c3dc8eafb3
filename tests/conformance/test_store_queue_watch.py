"""The queue is counted truly, and beside an old transaction without walking over what has gone by."""

from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta

import pytest
from sqlalchemy import Connection, text

from benchmarks.flat_rows import History, fill
from tests.servers import PostgresServer
from tests.support_store import accept, apply, claim
from wallet_provisioning.clock import ManualClock, SystemClock
from wallet_provisioning.jobs.moves import complete, hand_back
from wallet_provisioning.jobs.states import JobStatus
from wallet_provisioning.store import reports
from wallet_provisioning.store.database import Database
from wallet_provisioning.store.queue_watch import QueueWatch

QUEUED, HELD, RETRY = JobStatus.QUEUED, JobStatus.IN_PROGRESS, JobStatus.RETRY
DEAR = timedelta(seconds=1)
LONG_AGO = timedelta(minutes=-2)


class SlowClock(ManualClock):
    """A clock by which every look takes long."""

    def monotonic(self) -> timedelta:
        self.advance(DEAR)
        return super().monotonic()


def test_it_counts_what_the_reports_count(database: Database) -> None:
    watch = QueueWatch(ManualClock())
    with database.read() as connection:
        found = watch.look(connection)
    assert (found.depths, found.oldest_due_age) == ({QUEUED: 0, HELD: 0, RETRY: 0}, None)
    for _ in range(3):
        accept(database)
    claim(database, limit=1)

    with database.read() as connection:
        found = watch.look(connection)
        assert found.depths == reports.queue_depths(connection) == {QUEUED: 2, HELD: 1, RETRY: 0}
    assert found.oldest_due_age is not None
    assert found.oldest_due_age > timedelta()


def test_a_job_that_was_handed_back_is_counted_within_minutes_where_counting_is_dear(
    database: Database,
) -> None:
    clock = SlowClock()
    watch = QueueWatch(clock)
    for _ in range(3):
        accept(database)
    (first,) = claim(database, limit=1)
    with database.write("test", "age") as tx:
        tx.execute(text("UPDATE wallet_provisioning_jobs SET due_at = :old"), {"old": _old(database)})
    with database.read() as connection:
        watch.look(connection)
    accept(database)
    apply(database, hand_back(first))
    clock.advance(timedelta(minutes=5))

    with database.read() as connection:
        assert watch.look(connection).depths == {QUEUED: 4, HELD: 0, RETRY: 0}


def _old(database: Database) -> object:
    moment = SystemClock().now() - timedelta(hours=1)
    return moment if database.dialect == "postgresql" else moment.isoformat().replace("+00:00", "Z")


@pytest.fixture
def filled(postgres: PostgresServer, postgres_template: str) -> Iterator[Database]:
    url = postgres.create_database(postgres_template)
    fill(url, History(jobs=100, audit=300, queued=400))
    with closing(Database(url, clock=SystemClock())) as database:
        yield database
    postgres.drop_database(url)


def test_beside_an_old_transaction_it_passes_over_what_has_gone_by(filled: Database) -> None:
    watch = QueueWatch(SlowClock())
    with filled.read() as old:
        assert reports.totals(old).processed == 0
        for _ in range(6):
            apply(filled, *[complete(job) for job in claim(filled, limit=50, lease=LONG_AGO)])
        with filled.read() as connection:
            connection.execute(text("SET LOCAL enable_seqscan = off"))
            before = _entries(connection)
            whole = watch.look(connection)
            between = _entries(connection)
            near = watch.look(connection)
            after = _entries(connection)

    assert whole.depths == near.depths == {QUEUED: 100, HELD: 0, RETRY: 0}
    assert near.oldest_due_age is not None
    assert between - before >= 400
    assert after - between <= 150


def _entries(connection: Connection) -> int:
    """Return how many entries of the indexes over unfinished jobs this transaction has read."""
    names = ("ix_jobs_due", "ix_jobs_lease", "uq_jobs_unfinished")
    each = [f"pg_stat_get_xact_tuples_returned('{name}'::regclass)" for name in names]
    return int(connection.execute(text(f"SELECT {' + '.join(each)}")).scalar_one())
