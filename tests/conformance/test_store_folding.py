"""What commits counted is added to the totals exactly once, whoever is in flight, and no row is met twice."""

import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import timedelta

import pytest
from sqlalchemy import Connection, text

from tests.conformance.test_store_tampering import ELSEWHERE
from tests.servers import PostgresServer
from tests.support_store import TIMEOUT, apply, claim_new, finish
from wallet_provisioning.clock import SystemClock
from wallet_provisioning.jobs import moves
from wallet_provisioning.jobs.moves import complete
from wallet_provisioning.store import reports
from wallet_provisioning.store.database import Database
from wallet_provisioning.store.errors import SchemaTooOldError
from wallet_provisioning.store.folding import Folder
from wallet_provisioning.store.moves import apply_moves
from wallet_provisioning.store.schema import downgrade, migrate, require_current


@pytest.fixture
def database(postgres: PostgresServer, postgres_template: str) -> Iterator[Database]:
    url = postgres.create_database(postgres_template)
    with closing(Database(url, clock=SystemClock())) as opened:
        yield opened
    postgres.drop_database(url)


def totals(database: Database) -> reports.Totals:
    with database.read() as connection:
        return reports.totals(connection)


def fold(database: Database, folder: Folder | None = None, *, enough: int = 1) -> int:
    with database.write("bookkeeper", "fold") as tx:
        return (folder or Folder()).fold(tx, enough=enough)


def count(database: Database, query: str) -> int:
    with database.read() as connection:
        return int(connection.execute(text(query)).scalar_one())


@contextmanager
def being_finished(database: Database) -> Iterator[None]:
    """Complete a job in a transaction that is committed only at the end."""
    job = claim_new(database)
    with database.write("writer", "late") as tx:
        apply_moves(tx, [complete(job)])
        yield


def test_folding_changes_no_total(database: Database) -> None:
    finish(database, claim_new(database))
    apply(database, moves.schedule_retry(claim_new(database), TIMEOUT, timedelta(hours=1)))
    apply(database, moves.fail(claim_new(database), TIMEOUT))
    before = totals(database)

    assert (before.succeeded, before.retried, before.failed) == (1, 1, 1)
    assert before.errors_by_type == {"timeout": 2}
    assert fold(database) == 5
    assert totals(database) == before
    assert fold(database) == 0
    assert totals(database) == before


def test_errors_alone_are_folded_though_no_attempt_ended(database: Database) -> None:
    apply(database, moves.return_after_crash(claim_new(database), "boom"))
    before = totals(database)
    fold(database)

    assert before.last_processed_at is None
    assert totals(database) == before
    assert totals(database).errors_by_type == {"crash": 1}


def test_a_transaction_that_was_in_flight_at_a_fold_counts_once(database: Database) -> None:
    with being_finished(database):
        finish(database, claim_new(database))
        fold(database)
        finish(database, claim_new(database))
        fold(database)
        assert totals(database).succeeded == 2
    assert totals(database).succeeded == 3
    assert fold(database) == 1
    assert totals(database).succeeded == 3


def test_rows_wait_until_they_are_many_or_old(database: Database) -> None:
    finish(database, claim_new(database))
    assert fold(database, enough=2) == 0
    assert totals(database).succeeded == 1
    finish(database, claim_new(database))
    assert fold(database, enough=2) == 2
    finish(database, claim_new(database))
    with database.write("test", "age") as tx:
        tx.execute(text("UPDATE job_counts SET counted_at = counted_at - interval '1 minute'"))
    assert fold(database, enough=2) == 1
    assert totals(database).succeeded == 3


def test_folded_rows_are_deleted_once_nothing_older_is_in_flight(database: Database) -> None:
    folder = Folder()
    with being_finished(database):
        for _ in range(3):
            finish(database, claim_new(database))
        fold(database, folder)
        fold(database, folder)
        assert count(database, "SELECT count(*) FROM job_counts") == 3
    finish(database, claim_new(database))
    fold(database, folder)
    assert count(database, "SELECT count(*) FROM job_counts") == 0
    assert totals(database).succeeded == 5


def test_one_daemon_at_a_time_folds_and_the_others_do_not_wait(database: Database) -> None:
    finish(database, claim_new(database))
    with database.write("bookkeeper", "first") as first:
        assert Folder().fold(first, enough=1) == 1
        assert fold(database) == 0
    assert totals(database).succeeded == 1


def test_no_read_is_wrong_while_many_count_and_fold(database: Database) -> None:
    """Nobody sees fewer than before, and in the end each job is counted once."""
    held = [claim_new(database) for _ in range(60)]
    seen: list[int] = []
    over = threading.Event()

    def complete_some(share: int) -> None:
        for job in held[share::3]:
            finish(database, job)

    def fold_on() -> None:
        folder = Folder()
        while not over.is_set():
            fold(database, folder)

    def read_on() -> None:
        while not over.is_set():
            seen.append(totals(database).succeeded)

    writers = [threading.Thread(target=complete_some, args=(share,)) for share in range(3)]
    others = [threading.Thread(target=each) for each in (fold_on, fold_on, read_on)]
    for thread in (*writers, *others):
        thread.start()
    for thread in writers:
        thread.join()
    over.set()
    for thread in others:
        thread.join()

    assert seen == sorted(seen)
    fold(database)
    assert totals(database).succeeded == 60


@pytest.mark.parametrize(
    "step", ["SELECT count(*) FROM deployment", "SELECT txid_current()"], ids=["reads", "writes"]
)
def test_beside_an_old_transaction_a_read_meets_none_of_the_rows_that_are_folded(
    database: Database, step: str
) -> None:
    folder = Folder()
    with database.write("elsewhere", "dump") as old:
        old.execute(text(step))
        for _ in range(4):
            _count_much(database, 300)
            fold(database, folder)
        with database.read() as connection:
            before, scans_before = _touched(connection)
            assert reports.totals(connection).succeeded == 1200
            after, scans_after = _touched(connection)
    assert after - before < 20
    assert scans_after == scans_before
    fold(database, folder)
    assert totals(database).succeeded == 1200


def _count_much(database: Database, commits: int) -> None:
    row = "INSERT INTO job_counts (counted, count, timed, duration_us, counted_at) "
    for _ in range(commits):
        with database.write("writer", "count") as tx:
            tx.execute(text(row + "VALUES ('succeeded', 1, 1, 1, now())"))


def _touched(connection: Connection) -> tuple[int, int]:
    """Return how many entries of the index this transaction has read, and how often the whole table."""
    entries = "pg_stat_get_xact_tuples_returned('job_counts_pkey'::regclass)"
    scans = "pg_stat_get_xact_numscans('job_counts'::regclass)"
    row = connection.execute(text(f"SELECT {entries}, {scans}")).one()
    return int(row[0]), int(row[1])


def test_a_step_deletes_a_bounded_number_and_goes_on_from_there(database: Database) -> None:
    folder = Folder(delete=20)
    _count_much(database, 50)
    left = []
    for _ in range(4):
        fold(database, folder)
        left.append(count(database, "SELECT count(*) FROM job_counts"))
    assert left == [30, 10, 0, 0]
    assert totals(database).succeeded == 50


def test_a_downgrade_takes_along_what_was_not_folded(database: Database) -> None:
    finish(database, claim_new(database))
    fold(database)
    with being_finished(database):
        fold(database)
    apply(database, moves.fail(claim_new(database), TIMEOUT))
    before = totals(database)

    downgrade(database.url, "0006")
    sums = "SELECT sum(succeeded) AS succeeded, sum(failed) AS failed, sum(timed) AS timed FROM job_totals"
    with database.read() as connection:
        found = connection.execute(text(sums)).one()
        errors = connection.execute(text("SELECT error_type, sum(count) FROM job_error_totals GROUP BY 1"))
        assert {name: int(number) for name, number in errors} == before.errors_by_type == {"timeout": 1}
    assert (found.succeeded, found.failed, found.timed) == (2, 1, 3)
    migrate(database.url)
    assert totals(database) == before


def test_counts_that_come_from_a_dump_are_settled_by_migrate(database: Database) -> None:
    """A new server's transactions have lower ids than those that are noted."""
    finish(database, claim_new(database))
    fold(database)
    finish(database, claim_new(database))
    with database.write("test", "dump") as tx:
        tx.execute(text("UPDATE job_counts SET transaction_id = transaction_id + 1000000"))
        tx.execute(text(ELSEWHERE))
        tx.execute(
            text(
                "UPDATE job_counts_folded SET up_to = regexp_replace(up_to, '.*', "
                "(txid_current() + 999999) || ':' || (txid_current() + 999999) || ':')"
            )
        )
    before = totals(database)
    with pytest.raises(SchemaTooOldError, match="restored from a dump; run `wallet-provisioning migrate`"):
        require_current(database)

    migrate(database.url)
    require_current(database)
    assert totals(database) == before
    finish(database, claim_new(database))
    assert totals(database).succeeded == before.succeeded + 1 == 3
