"""The state machine as the store applies it, without a database."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from wallet_provisioning.jobs.errors import ErrorType
from wallet_provisioning.jobs.moves import Failure, Move
from wallet_provisioning.jobs.states import TABLE, JobStatus, MoveName, is_legal
from wallet_provisioning.store.changes import Change, plan
from wallet_provisioning.store.job_rows import JobRow

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
EARLIER = NOW - timedelta(seconds=7)
MINUTE = timedelta(minutes=1)
TIMEOUT = Failure(error_type=ErrorType.TIMEOUT, message="no answer")

HELD = JobRow(
    id=UUID(int=1),
    user_id=UUID(int=2),
    chains=("ETH",),
    status=JobStatus.IN_PROGRESS,
    attempt_count=2,
    max_attempts=5,
    crash_count=1,
    error_type="network",
    error_message="before",
    next_retry_at=None,
    due_at=EARLIER - MINUTE,
    lease_until=NOW + MINUTE,
    lease_holder=UUID(int=3),
    epoch=4,
    revision=1,
    claimed_at=EARLIER,
    completed_at=None,
    updated_at=EARLIER,
    trace_id=None,
)


def move(name: MoveName, **fields: Any) -> Move:
    return replace(Move(name=name, job_id=HELD.id), **fields)


def planned(name: MoveName, row: JobRow = HELD, **fields: Any) -> Change:
    change = plan(row, move(name, **fields), NOW)
    assert change is not None
    return change


@pytest.mark.parametrize("name", [name for name in MoveName if name is not MoveName.CLAIM])
@pytest.mark.parametrize("status", list(JobStatus))
def test_a_move_is_made_from_where_the_table_allows_and_leads_where_it_says(
    name: MoveName, status: JobStatus
) -> None:
    change = plan(replace(HELD, status=status), move(name, epoch=4), NOW)

    if not is_legal(name, status):
        assert change is None
        return
    assert change is not None
    assert change.after.status is TABLE[name].target
    assert change.after.updated_at == NOW
    assert (change.after.lease_until, change.after.lease_holder, change.after.claimed_at) == (
        None,
        None,
        None,
    )
    assert change.after.epoch == HELD.epoch


@pytest.mark.parametrize("name", [name for name in MoveName if HELD.status in TABLE[name].sources])
@pytest.mark.parametrize("epoch", [3, 5])
def test_another_epoch_is_refused(name: MoveName, epoch: int) -> None:
    assert plan(HELD, move(name, epoch=epoch), NOW) is None


@pytest.mark.parametrize("name", [name for name in MoveName if HELD.status in TABLE[name].sources])
def test_the_attempt_is_given_back_where_the_table_says_so(name: MoveName) -> None:
    expected = 2 if TABLE[name].spends_attempt else 1

    assert planned(name).after.attempt_count == expected


def test_an_attempt_count_never_goes_below_0() -> None:
    assert planned(MoveName.HAND_BACK, replace(HELD, attempt_count=0)).after.attempt_count == 0


@pytest.mark.parametrize("name", [MoveName.COMPLETE, MoveName.FAIL])
def test_an_end_that_knows_nothing_of_merged_chains_becomes_a_continuation(name: MoveName) -> None:
    change = planned(name, epoch=4, revision=0, failure=TIMEOUT)

    assert change.move == Move(name=MoveName.CONTINUE_MERGED, job_id=HELD.id, epoch=4)
    assert change.after.status is JobStatus.QUEUED
    assert (change.after.attempt_count, change.after.completed_at) == (1, None)


@pytest.mark.parametrize("revision", [None, 1])
def test_an_end_that_knows_all_chains_is_an_end(revision: int | None) -> None:
    assert planned(MoveName.COMPLETE, revision=revision).move.name is MoveName.COMPLETE


def test_other_moves_dont_care_for_merges() -> None:
    assert planned(MoveName.SCHEDULE_RETRY, revision=0).move.name is MoveName.SCHEDULE_RETRY


def test_a_completion_clears_the_error_and_a_return_keeps_it() -> None:
    assert planned(MoveName.COMPLETE).after.error_type is None
    assert planned(MoveName.HAND_BACK).after.error_message == "before"
    failed = planned(MoveName.FAIL, failure=TIMEOUT).after
    assert (failed.error_type, failed.error_message) == ("timeout", "no answer")


def test_a_retry_is_due_after_its_delay() -> None:
    after = planned(MoveName.SCHEDULE_RETRY, failure=TIMEOUT, due_in=MINUTE).after

    assert (after.next_retry_at, after.due_at) == (NOW + MINUTE, NOW + MINUTE)


@pytest.mark.parametrize("name", [MoveName.HAND_BACK, MoveName.RESCUE])
def test_a_job_that_comes_back_unharmed_keeps_its_place(name: MoveName) -> None:
    assert planned(name).after.due_at == HELD.due_at
    assert planned(name, replace(HELD, due_at=None)).after.due_at == NOW


@pytest.mark.parametrize("name", [MoveName.CONTINUE_MERGED])
def test_a_job_with_new_work_queues_at_the_end(name: MoveName) -> None:
    assert planned(name).after.due_at == NOW


@pytest.mark.parametrize("name", [MoveName.COMPLETE, MoveName.FAIL, MoveName.CANCEL])
def test_an_ended_job_is_never_due(name: MoveName) -> None:
    change = planned(name)

    assert (change.after.due_at, change.after.next_retry_at, change.after.completed_at) == (None, None, NOW)
    assert not change.is_due_at_once


@pytest.mark.parametrize("status", [JobStatus.FAILED, JobStatus.CANCELLED])
def test_an_ended_job_starts_again_from_nothing(status: JobStatus) -> None:
    change = planned(MoveName.RETRY_NOW, replace(HELD, status=status, completed_at=EARLIER))

    after = change.after
    assert (after.attempt_count, after.crash_count, after.error_type, after.completed_at) == (
        0,
        0,
        None,
        None,
    )
    assert change.revives_wallets
    assert change.is_due_at_once
    assert change.duration is None


def test_a_waiting_job_that_is_hurried_keeps_its_counts() -> None:
    row = replace(HELD, status=JobStatus.RETRY, due_at=NOW + MINUTE, next_retry_at=NOW + MINUTE)
    change = planned(MoveName.RETRY_NOW, row)

    assert (change.after.attempt_count, change.after.crash_count) == (2, 1)
    assert (change.after.due_at, change.after.next_retry_at) == (NOW, None)
    assert not change.revives_wallets


def test_a_crash_is_counted() -> None:
    assert planned(MoveName.RETURN_AFTER_CRASH, adds_crash=True).after.crash_count == 2
    assert planned(MoveName.RESCUE).after.crash_count == 1


def test_the_duration_is_that_of_the_attempt_and_never_negative() -> None:
    assert planned(MoveName.COMPLETE).duration == timedelta(seconds=7)
    assert planned(MoveName.COMPLETE, replace(HELD, claimed_at=NOW + MINUTE)).duration == timedelta()
    assert planned(MoveName.COMPLETE, replace(HELD, claimed_at=None)).duration is None


def test_the_audit_tells_the_retry_and_the_operators_reason() -> None:
    facts = planned(MoveName.SCHEDULE_RETRY, failure=TIMEOUT, due_in=MINUTE).after_facts()
    assert facts == {
        "status": "retry",
        "attempt_count": 2,
        "crash_count": 1,
        "error": {"type": "timeout", "message": "no answer"},
        "next_retry_at": "2026-01-02T03:05:05.000000Z",
        "retry": {
            "attempt": 2,
            "max_attempts": 5,
            "next_retry_at": "2026-01-02T03:05:05.000000Z",
            "error_type": "timeout",
        },
    }
    assert planned(MoveName.CANCEL, reason="no need").after_facts()["reason"] == "no need"
