"""The queue is counted truly, seldom where that is dear, and beside an old transaction from its front."""

from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta

import pytest
from sqlalchemy import Connection, text

from benchmarks.flat_rows import History, fill
from tests.servers import PostgresServer
from tests.support_store import TIMEOUT, accept, apply, claim, claim_new, finish
from wallet_provisioning.clock import ManualClock, SystemClock
from wallet_provisioning.jobs.moves import complete, hand_back, schedule_retry
from wallet_provisioning.jobs.states import JobStatus
from wallet_provisioning.store import reports
from wallet_provisioning.store.database import Database
from wallet_provisioning.store.queue_watch import Queue, QueueWatch

QUEUED, HELD, RETRY = JobStatus.QUEUED, JobStatus.IN_PROGRESS, JobStatus.RETRY
DEAR = timedelta(seconds=1)
LONG_AGO = timedelta(minutes=-2)


class SlowClock(ManualClock):
    """A clock by which every look takes long: it moves whenever somebody reads it."""

    step = DEAR

    def monotonic(self) -> timedelta:
        self.advance(self.step)
        return super().monotonic()


class BriskClock(SlowClock):
    """A clock by which a look takes some hundredths of a second."""

    step = timedelta(milliseconds=10)


def look(database: Database, watch: QueueWatch | None = None) -> Queue:
    with database.read() as connection:
        return (watch or QueueWatch(ManualClock())).look(connection)


def test_there_is_nothing_at_first(database: Database) -> None:
    nothing = Queue(depths={QUEUED: 0, HELD: 0, RETRY: 0}, oldest_due_age=None, oldest_in_progress_age=None)
    assert look(database) == nothing


def test_it_counts_the_unfinished_by_status(database: Database) -> None:
    apply(database, schedule_retry(claim_new(database), TIMEOUT, timedelta(minutes=1)))
    finish(database, claim_new(database))
    for _ in range(3):
        accept(database)
    claim(database, limit=1)

    assert look(database).depths == {QUEUED: 2, HELD: 1, RETRY: 1}


def test_the_oldest_job_that_is_due_or_held_has_an_age(database: Database) -> None:
    accept(database)
    waiting = look(database)
    (job,) = claim(database)
    held = look(database)
    apply(database, schedule_retry(job, TIMEOUT, timedelta(minutes=1)))
    put_off = look(database)

    assert waiting.oldest_due_age is not None
    assert held.oldest_in_progress_age is not None
    assert timedelta() <= waiting.oldest_due_age < timedelta(minutes=1)
    assert timedelta() <= held.oldest_in_progress_age < timedelta(minutes=1)
    assert (waiting.oldest_in_progress_age, held.oldest_due_age) == (None, None)
    assert (put_off.oldest_due_age, put_off.oldest_in_progress_age) == (None, None)


def test_a_look_is_the_answer_for_a_hundred_times_as_long_and_ages(database: Database) -> None:
    """However often somebody asks, counting takes a hundredth of the time."""
    clock = BriskClock()
    watch = QueueWatch(clock)
    for _ in range(2):
        accept(database)
    claim(database, limit=1)
    first = look(database, watch)
    accept(database)
    clock.advance(timedelta(seconds=1))
    again = look(database, watch)
    clock.advance(timedelta(seconds=10))
    later = look(database, watch)

    assert (first.depths[QUEUED], again.depths[QUEUED], later.depths[QUEUED]) == (1, 1, 2)
    for before, after in (
        (first.oldest_due_age, again.oldest_due_age),
        (first.oldest_in_progress_age, again.oldest_in_progress_age),
    ):
        assert before is not None
        assert after is not None
        assert timedelta(seconds=1) <= after - before < timedelta(seconds=2)


def test_no_answer_is_older_than_a_minute(database: Database) -> None:
    clock = SlowClock()
    watch = QueueWatch(clock)
    look(database, watch)
    accept(database)
    clock.advance(timedelta(seconds=50))
    assert look(database, watch).depths[QUEUED] == 0
    clock.advance(timedelta(seconds=10))
    assert look(database, watch).depths[QUEUED] == 1


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
    clock = SlowClock()
    watch = QueueWatch(clock)
    with filled.read() as old:
        assert reports.totals(old).processed == 0
        for _ in range(6):
            apply(filled, *[complete(job) for job in claim(filled, limit=50, lease=LONG_AGO)])
        with filled.read() as connection:
            connection.execute(text("SET LOCAL enable_seqscan = off"))
            before = _entries(connection)
            whole = watch.look(connection)
            between = _entries(connection)
            clock.advance(timedelta(minutes=1))
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
