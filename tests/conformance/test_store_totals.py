from datetime import timedelta
from uuid import UUID

from tests.support_store import TIMEOUT, accept, apply, claim, claim_new, finish, operate
from wallet_provisioning.clock import SystemClock
from wallet_provisioning.jobs import moves
from wallet_provisioning.store import reports
from wallet_provisioning.store.database import Database


def totals(database: Database) -> reports.Totals:
    with database.read() as connection:
        return reports.totals(connection)


def test_nothing_was_processed_at_first(database: Database) -> None:
    assert totals(database) == reports.Totals(
        succeeded=0, failed=0, retried=0, average_duration=None, last_processed_at=None, errors_by_type={}
    )


def test_each_end_of_an_attempt_counts(database: Database) -> None:
    finish(database, claim_new(database))
    job = claim_new(database)
    apply(database, moves.schedule_retry(job, TIMEOUT, timedelta()))
    (job,) = claim(database)
    apply(database, moves.wait_for_circuit(job, "open", timedelta()))
    (job,) = claim(database)
    apply(database, moves.return_after_crash(job, "boom"))
    (job,) = claim(database)
    apply(database, moves.fail(job, TIMEOUT))

    counted = totals(database)

    assert (counted.succeeded, counted.retried, counted.failed, counted.processed) == (1, 1, 1, 3)
    assert counted.errors_by_type == {"timeout": 2, "circuit_open": 1, "crash": 1}
    assert counted.average_duration is not None
    assert timedelta() <= counted.average_duration < timedelta(minutes=1)
    assert counted.last_processed_at is not None


def test_what_ends_no_attempt_counts_for_nothing(database: Database) -> None:
    job = claim_new(database)
    apply(database, moves.hand_back(job))
    operate(database, moves.cancel(job.id))
    operate(database, moves.retry_now(job.id))

    assert totals(database).processed == 0


def test_an_attempt_that_is_given_back_counts_as_an_error_alone(database: Database) -> None:
    job = claim_new(database)
    apply(database, moves.wait_for_circuit(job, "open", timedelta()))
    (job,) = claim(database)
    apply(database, moves.return_after_crash(job, "boom"))

    assert totals(database) == reports.Totals(
        succeeded=0,
        failed=0,
        retried=0,
        average_duration=None,
        last_processed_at=None,
        errors_by_type={"circuit_open": 1, "crash": 1},
    )


def test_a_move_that_was_refused_counts_for_nothing(database: Database) -> None:
    job = claim_new(database)
    finish(database, job)
    apply(database, moves.complete(job), moves.fail(job, TIMEOUT))

    assert totals(database).processed == 1


def test_daemons_count_apart_and_the_sum_is_right(database: Database) -> None:
    for holder in range(20):
        accept(database)
        (job,) = claim(database, holder=UUID(int=holder))
        finish(database, job)

    assert totals(database).succeeded == 20


def test_counts_outlive_the_daemon(database: Database, database_url: str) -> None:
    finish(database, claim_new(database))
    database.close()

    later = Database(database_url, clock=SystemClock())
    assert totals(later).succeeded == 1
    later.close()
