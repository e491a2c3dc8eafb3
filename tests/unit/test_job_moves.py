"""The table of moves, and what each constructor asks for."""

from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from wallet_provisioning.jobs import moves
from wallet_provisioning.jobs.diagram import render
from wallet_provisioning.jobs.errors import ErrorType
from wallet_provisioning.jobs.moves import CRASH_LIMIT, ClaimedJob, Failure
from wallet_provisioning.jobs.states import (
    TABLE,
    UNFINISHED,
    AuditStatus,
    JobStatus,
    MoveName,
    is_legal,
)

FAILURE = Failure(error_type=ErrorType.CIRCLE_5XX, message="ETH: 503")


def claimed(*, crash_count: int = 0) -> ClaimedJob:
    return ClaimedJob(
        id=uuid4(),
        user_id=uuid4(),
        chains=("ETH", "SOL"),
        epoch=3,
        revision=1,
        attempt=2,
        max_attempts=5,
        crash_count=crash_count,
        earlier_failure=None,
        traceparent=None,
    )


def test_every_move_stands_in_the_table() -> None:
    assert set(TABLE) == set(MoveName)


def test_nothing_leaves_a_completed_job() -> None:
    assert not any(is_legal(name, JobStatus.COMPLETED) for name in MoveName)


def test_only_a_claim_leads_into_progress() -> None:
    assert [name for name, row in TABLE.items() if row.target is JobStatus.IN_PROGRESS] == [MoveName.CLAIM]


def test_every_unfinished_job_can_be_cancelled() -> None:
    assert TABLE[MoveName.CANCEL].sources == UNFINISHED


@pytest.mark.parametrize(
    "name",
    [
        MoveName.WAIT_FOR_CIRCUIT,
        MoveName.RETURN_AFTER_CRASH,
        MoveName.HAND_BACK,
        MoveName.RESCUE,
        MoveName.CONTINUE_MERGED,
    ],
)
def test_what_is_not_the_jobs_fault_gives_the_attempt_back(name: MoveName) -> None:
    assert not TABLE[name].spends_attempt


@pytest.mark.parametrize("name", [MoveName.COMPLETE, MoveName.SCHEDULE_RETRY, MoveName.FAIL])
def test_an_attempt_that_ended_is_used_up(name: MoveName) -> None:
    assert TABLE[name].spends_attempt


def test_audit_actions_are_those_that_users_query() -> None:
    actions = {row.audit_action for row in TABLE.values()}
    assert all(action.startswith(("wallet-worker:", "admin:")) for action in actions)
    assert TABLE[MoveName.CLAIM].audit_action == "wallet-worker:provision_start"
    assert TABLE[MoveName.COMPLETE].audit_action == "wallet-worker:provision_complete"
    assert TABLE[MoveName.FAIL].audit_action == "wallet-worker:provision_failed"
    assert TABLE[MoveName.SCHEDULE_RETRY].audit_status is AuditStatus.RETRY_SCHEDULED


def test_a_holders_moves_are_guarded_by_its_epoch() -> None:
    job = claimed()
    made = [
        moves.complete(job),
        moves.schedule_retry(job, FAILURE, timedelta(seconds=1)),
        moves.wait_for_circuit(job, "ETH: open", timedelta(seconds=1)),
        moves.fail(job, FAILURE),
        moves.return_after_crash(job, "crash"),
        moves.hand_back(job),
        moves.continue_merged(moves.complete(job)),
    ]
    assert {move.epoch for move in made} == {job.epoch}


def test_a_job_is_not_ended_over_chains_that_were_merged_in_meanwhile() -> None:
    job = claimed()
    assert moves.complete(job).revision == job.revision
    assert moves.fail(job, FAILURE).revision == job.revision


@pytest.mark.parametrize("crash_count", range(CRASH_LIMIT - 1))
def test_a_crash_returns_the_job_at_once(crash_count: int) -> None:
    move = moves.return_after_crash(claimed(crash_count=crash_count), "jobs/1 crashed")
    assert move.name is MoveName.RETURN_AFTER_CRASH
    assert move.due_in == timedelta()
    assert move.adds_crash


def test_the_third_crash_fails_the_job() -> None:
    move = moves.return_after_crash(claimed(crash_count=CRASH_LIMIT - 1), "jobs/1 crashed")
    assert move.name is MoveName.FAIL
    assert move.failure is not None
    assert move.failure.error_type is ErrorType.CRASH
    assert move.adds_crash


def test_the_page_of_states_is_up_to_date() -> None:
    page = Path(__file__).parents[2] / "docs" / "job-states.md"
    assert page.read_text(encoding="utf-8") == render(), "run `make docs`"
