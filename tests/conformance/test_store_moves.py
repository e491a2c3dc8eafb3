from datetime import timedelta
from uuid import uuid4

import pytest

from tests.support_store import (
    BAD_INPUT,
    EXPIRED,
    NO_ANSWER,
    TIMEOUT,
    accept,
    actions,
    apply,
    claim,
    claim_new,
    finish,
    job_of,
    live,
    operate,
    record,
    request,
    result,
    timeline,
    wallet_of,
)
from wallet_provisioning.jobs import moves
from wallet_provisioning.jobs.errors import ErrorType
from wallet_provisioning.jobs.moves import Failure, Move
from wallet_provisioning.jobs.states import JobStatus, MoveName, WalletStatus
from wallet_provisioning.store import claims
from wallet_provisioning.store.database import Database
from wallet_provisioning.store.errors import ConflictError, NotFoundError

MINUTE = timedelta(minutes=1)
REFUSED = Failure(error_type=ErrorType.CIRCLE_4XX, message="ETH: refused")


def test_a_completed_job_is_done_and_free_of_errors(database: Database) -> None:
    job = claim_new(database)
    apply(database, moves.schedule_retry(job, TIMEOUT, timedelta()))
    (again,) = claim(database)

    (moved,) = finish(database, again)

    view = job_of(database, job.id)
    assert (view.status, view.error_type, view.attempt_count) == (JobStatus.COMPLETED, None, 2)
    assert view.completed_at is not None
    assert moved.duration is not None
    assert moved.duration >= timedelta()
    event = moved.event("writer")
    assert (event.move, event.status, event.actor, event.attempt) == ("complete", "completed", "writer", 2)


def test_a_retry_waits_its_delay_and_keeps_its_error(database: Database) -> None:
    job = claim_new(database)

    (moved,) = apply(database, moves.schedule_retry(job, TIMEOUT, MINUTE))

    view = job_of(database, job.id)
    assert (view.status, view.attempt_count) == (JobStatus.RETRY, 1)
    assert (view.error_type, view.error_message) == (ErrorType.TIMEOUT, "ETH: no answer")
    assert view.next_retry_at == view.updated_at + MINUTE
    assert moved.event("writer").due_in == MINUTE


def test_a_failed_attempt_is_audited_with_its_retry(database: Database) -> None:
    job = claim_new(database)
    apply(database, moves.schedule_retry(job, TIMEOUT, MINUTE))

    row = timeline(database, job.id)[-1]

    assert (row.action, row.status) == ("wallet-worker:provision_failed", "retry_scheduled")
    assert (row.error_message, row.epoch) == ("ETH: no answer", job.epoch)
    retry = row.changes["after"]["retry"]
    assert (retry["attempt"], retry["max_attempts"], retry["error_type"]) == (1, 5, "timeout")
    assert retry["next_retry_at"] == row.changes["after"]["next_retry_at"]
    assert row.changes["before"]["status"] == "in_progress"


@pytest.mark.parametrize(
    ("name", "status", "crashes"),
    [
        ("wait_for_circuit", JobStatus.RETRY, 0),
        ("return_after_crash", JobStatus.RETRY, 1),
        ("hand_back", JobStatus.QUEUED, 0),
        ("continue_merged", JobStatus.QUEUED, 0),
    ],
)
def test_moves_that_are_nobodys_fault_give_the_attempt_back(
    database: Database, name: str, status: JobStatus, crashes: int
) -> None:
    job = claim_new(database)
    move = {
        "wait_for_circuit": moves.wait_for_circuit(job, "open", timedelta()),
        "return_after_crash": moves.return_after_crash(job, "boom"),
        "hand_back": moves.hand_back(job),
        "continue_merged": moves.continue_merged(moves.complete(job)),
    }[name]

    apply(database, move)

    view = job_of(database, job.id)
    assert (view.status, view.attempt_count, view.crash_count) == (status, 0, crashes)
    assert claim(database)[0].attempt == 1


def test_a_job_that_crashes_its_actor_a_third_time_fails(database: Database) -> None:
    job = claim_new(database)
    for _ in range(2):
        apply(database, moves.return_after_crash(job, "boom"))
        (job,) = claim(database)

    apply(database, moves.return_after_crash(job, "boom"))

    view = job_of(database, job.id)
    assert (view.status, view.crash_count, view.error_type) == (JobStatus.FAILED, 3, ErrorType.CRASH)
    assert {wallet.status for wallet in view.wallets} == {WalletStatus.FAILED}


def test_a_failed_job_takes_its_missing_wallets_with_it(database: Database) -> None:
    job = claim_new(database)
    record(database, result(job, live()), result(job, NO_ANSWER, "SOL"))

    apply(database, moves.fail(job, REFUSED))

    view = job_of(database, job.id)
    assert [wallet.status for wallet in view.wallets] == ["live", "failed", "failed"]
    assert [wallet.error_type for wallet in view.wallets] == [None, ErrorType.TIMEOUT, ErrorType.CIRCLE_4XX]
    changes = timeline(database, job.id)[-1].changes
    assert changes["before"]["wallets"] == {"APTOS": "creating", "SOL": "creating"}
    assert changes["after"]["wallets"] == {"APTOS": "failed", "SOL": "failed"}


def test_a_spent_epoch_moves_nothing(database: Database) -> None:
    accept(database)
    (zombie,) = claim(database, lease=EXPIRED)
    with database.write("rescuer", "rescue") as tx:
        claims.rescue_expired(tx)
    (holder,) = claim(database)
    before = (job_of(database, holder.id), actions(database, holder.id))

    refused = apply(
        database,
        moves.complete(zombie),
        moves.fail(zombie, REFUSED),
        moves.schedule_retry(zombie, TIMEOUT, MINUTE),
        moves.return_after_crash(zombie, "late"),
        moves.hand_back(zombie),
    )

    assert refused == ()
    assert (job_of(database, holder.id), actions(database, holder.id)) == before
    assert len(finish(database, holder)) == 1


def test_a_zombie_of_a_job_that_nobody_claimed_since_moves_nothing(database: Database) -> None:
    job = claim_new(database)
    apply(database, moves.hand_back(job))

    assert apply(database, moves.complete(job)) == ()


def test_of_completions_at_once_those_whose_epoch_is_spent_are_left_out(database: Database) -> None:
    old, fresh = claim_new(database), claim_new(database)
    apply(database, moves.schedule_retry(old, TIMEOUT, timedelta()))
    (again,) = claim(database)

    (moved,) = apply(database, moves.complete(old), moves.complete(fresh))

    assert moved.move.job_id == fresh.id
    assert (job_of(database, old.id).status, again.epoch) == (JobStatus.IN_PROGRESS, old.epoch + 1)


def test_completions_at_once_are_each_audited_and_timed(database: Database) -> None:
    jobs = [claim_new(database) for _ in range(3)]

    moved = apply(database, *(moves.complete(job) for job in jobs))

    assert {each.move.job_id for each in moved} == {job.id for job in jobs}
    assert all(each.duration is not None and each.attempt_count == 1 for each in moved)
    for job in jobs:
        row = timeline(database, job.id)[-1]
        assert (row.action, row.changes["before"]["status"]) == (
            "wallet-worker:provision_complete",
            "in_progress",
        )
        assert row.changes["after"] == {
            "status": "completed",
            "attempt_count": 1,
            "crash_count": 0,
            "error": None,
            "next_retry_at": None,
        }


def test_a_group_moves_each_member_by_itself(database: Database) -> None:
    for _ in range(4):
        accept(database)
    one, two, three, four = claim(database)
    apply(database, moves.hand_back(two))

    moved = apply(
        database,
        moves.complete(one),
        moves.complete(two),
        moves.schedule_retry(three, TIMEOUT, MINUTE),
        moves.fail(four, REFUSED),
        moves.complete(one),
        Move(name=MoveName.COMPLETE, job_id=uuid4(), epoch=1),
    )

    assert [(one_.move.job_id, one_.status) for one_ in moved] == [
        (one.id, "completed"),
        (three.id, "retry"),
        (four.id, "failed"),
    ]
    assert apply(database) == ()


def test_a_job_that_was_given_chains_meanwhile_goes_on_with_them(database: Database) -> None:
    job = claim_new(database, request(chains=("ETH",)))
    accept(database, request(job.user_id, ("SOL",)))

    (moved,) = finish(database, job)

    assert moved.move.name is MoveName.CONTINUE_MERGED
    assert actions(database, job.id)[-1] == "job_continued"
    (again,) = claim(database)
    assert (again.id, again.chains, again.attempt, again.revision) == (job.id, ("SOL",), 1, 1)
    assert finish(database, again)[0].status is JobStatus.COMPLETED


def test_a_job_that_fails_goes_on_with_chains_merged_meanwhile_and_fails_at_last(
    database: Database,
) -> None:
    job = claim_new(database, request(chains=("ETH",)))
    accept(database, request(job.user_id, ("SOL",)))
    record(database, result(job, BAD_INPUT))

    (moved,) = apply(database, moves.fail(job, REFUSED))

    assert moved.move.name is MoveName.CONTINUE_MERGED
    (again,) = claim(database)
    assert again.chains == ("SOL",)
    assert again.earlier_failure is not None
    record(database, result(again, live(), "SOL"))
    assert apply(database, moves.fail(again, again.earlier_failure))[0].status is JobStatus.FAILED
    assert wallet_of(database, job.user_id, "SOL").status is WalletStatus.LIVE


def test_an_operator_cancels_a_job_in_any_unfinished_state(database: Database) -> None:
    queued = accept(database).job
    assert operate(database, moves.cancel(queued.id, "not wanted")).status is JobStatus.CANCELLED
    held = claim_new(database)
    assert operate(database, moves.cancel(held.id)).status is JobStatus.CANCELLED
    waiting = claim_new(database)
    apply(database, moves.schedule_retry(waiting, TIMEOUT, MINUTE))
    assert operate(database, moves.cancel(waiting.id)).next_retry_at is None

    row = timeline(database, queued.id)[-1]
    assert (row.action, row.actor, row.changes["after"]["reason"]) == (
        "admin:cancel_job",
        "admin",
        "not wanted",
    )
    assert claim(database) == ()
    assert apply(database, moves.complete(held)) == ()


def test_a_wallet_of_a_cancelled_job_is_still_recorded(database: Database) -> None:
    job = claim_new(database)
    operate(database, moves.cancel(job.id))

    record(database, result(job, live()))

    assert wallet_of(database, job.user_id).status is WalletStatus.LIVE


def test_an_operator_starts_a_failed_job_again_with_all_its_attempts(database: Database) -> None:
    job = claim_new(database)
    record(database, result(job, live()), result(job, BAD_INPUT, "SOL"))
    apply(database, moves.fail(job, REFUSED))

    view = operate(database, moves.retry_now(job.id))

    assert (view.status, view.attempt_count, view.crash_count) == (JobStatus.QUEUED, 0, 0)
    assert (view.error_type, view.completed_at) == (None, None)
    assert [wallet.status for wallet in view.wallets] == ["live", "creating", "creating"]
    row = timeline(database, job.id)[-1]
    assert row.action == "admin:retry_job"
    assert row.changes["after"]["wallets"] == {"APTOS": "creating", "SOL": "creating"}
    assert claim(database)[0].chains == ("SOL", "APTOS")


def test_an_operator_hurries_a_retry_which_keeps_its_attempts(database: Database) -> None:
    job = claim_new(database)
    record(database, result(job, BAD_INPUT, "SOL"))
    apply(database, moves.schedule_retry(job, TIMEOUT, MINUTE))

    view = operate(database, moves.retry_now(job.id))

    assert (view.status, view.attempt_count, view.next_retry_at) == (JobStatus.QUEUED, 1, None)
    assert claim(database)[0].chains == ("ETH", "APTOS")


def test_an_operators_move_that_the_state_forbids_is_a_conflict(database: Database) -> None:
    job = claim_new(database)
    with pytest.raises(ConflictError, match="in_progress can't retry now"):
        operate(database, moves.retry_now(job.id))
    finish(database, job)

    for move in (moves.cancel(job.id), moves.retry_now(job.id)):
        with pytest.raises(ConflictError, match="completed"):
            operate(database, move)
    assert actions(database, job.id)[-1] == "provision_complete"


def test_an_ended_job_is_not_started_again_beside_an_unfinished_one(database: Database) -> None:
    job = claim_new(database)
    apply(database, moves.fail(job, REFUSED))
    other = accept(database, request(job.user_id)).job

    with pytest.raises(ConflictError, match=str(other.id)):
        operate(database, moves.retry_now(job.id))


def test_an_unknown_job_is_not_found(database: Database) -> None:
    with pytest.raises(NotFoundError, match="there is no job") as caught:
        operate(database, moves.cancel(uuid4()))
    assert caught.value.what.startswith("job ")


def test_messages_that_no_database_holds_are_kept_as_well_as_can_be(database: Database) -> None:
    job = claim_new(database)

    apply(
        database,
        moves.schedule_retry(job, Failure(error_type=ErrorType.NETWORK, message="a\0b\ud800c"), MINUTE),
    )

    assert job_of(database, job.id).error_message == "a\ufffdb\ufffdc"
    row = timeline(database, job.id)[-1]
    assert row.changes["after"]["error"]["message"] == "a\ufffdb\ufffdc"
