"""Results and the ends of their jobs in one commit: plain or not, all comes out as if done step by step."""

from collections.abc import Mapping
from typing import Any
from uuid import uuid4

import pytest

from tests.support_store import (
    EXPIRED,
    NO_ANSWER,
    TIMEOUT,
    Events,
    accept,
    actions,
    apply,
    claim,
    claim_new,
    in_one,
    job_of,
    live,
    request,
    result,
    timeline,
    wallet_of,
)
from tests.support_store import record as record_step_by_step
from wallet_provisioning.jobs.moves import ClaimedJob, Move, complete, schedule_retry
from wallet_provisioning.jobs.states import JobStatus, WalletStatus
from wallet_provisioning.store import claims
from wallet_provisioning.store.database import Database
from wallet_provisioning.store.errors import RowRefusedError
from wallet_provisioning.store.recording import Recording, record
from wallet_provisioning.store.settling import Ending
from wallet_provisioning.store.wallets import WalletResult
from wallet_provisioning.telemetry.events import TransactionEnded

ONE = request(chains=("ETH",))


def commit(
    database: Database, *results: WalletResult, ends: Mapping[ClaimedJob, Move] | None = None
) -> Recording:
    return record(database, "writer", results, [Ending(job, move) for job, move in (ends or {}).items()])


def new_jobs(database: Database, count: int) -> list[ClaimedJob]:
    for _ in range(count):
        accept(database, request(chains=("ETH",)))
    return list(claim(database, limit=count))


def outcomes(events: Events) -> list[str]:
    return [each.outcome for each in events.of(TransactionEnded) if each.reason == "record_results"]


def told(database: Database, job: ClaimedJob) -> list[tuple[Any, ...]]:
    """Return what the audit tells of a job's end, without what differs from job to job."""
    known = {str(job.id), str(job.user_id), str(wallet_of(database, job.user_id).id)}
    return [
        (
            row.action,
            row.resource_type,
            row.resource_id in known,
            row.status,
            row.epoch,
            row.trace_id,
            row.changes,
        )
        for row in timeline(database, job.id)
        if row.actor == "writer"
    ]


def test_wallets_and_jobs_are_done_in_one_commit(database: Database, events: Events) -> None:
    jobs = new_jobs(database, 3)
    results = [result(job, live()) for job in jobs]

    recording = commit(database, *results, ends={job: complete(job) for job in jobs})

    assert list(recording.counted) == results
    assert [(each.move.job_id, each.status) for each in recording.moved] == [
        (job.id, JobStatus.COMPLETED) for job in jobs
    ]
    assert {wallet_of(database, job.user_id).status for job in jobs} == {WalletStatus.LIVE}
    assert {job_of(database, job.id).status for job in jobs} == {JobStatus.COMPLETED}
    assert outcomes(events) == ["committed"]


def test_a_move_tells_whose_attempt_took_how_long(database: Database) -> None:
    trace = "00-" + "ab" * 16 + "-" + "cd" * 8 + "-01"
    job = claim_new(database, request(chains=("ETH",), traceparent=trace))

    (moved,) = commit(database, result(job, live()), ends={job: complete(job)}).moved

    assert (moved.user_id, moved.attempt_count, moved.trace_id) == (job.user_id, 1, "ab" * 16)
    assert moved.duration is not None
    assert 0 < moved.duration.total_seconds() < 60


def test_the_audit_is_that_of_the_steps(database: Database) -> None:
    at_once, stepwise = new_jobs(database, 2)
    found, other = live(), live()
    commit(database, result(at_once, found), ends={at_once: complete(at_once)})
    record_step_by_step(database, result(stepwise, other))
    apply(database, complete(stepwise))

    first, second = told(database, at_once), told(database, stepwise)

    first[0][-1]["after"]["circle_wallet_id"] = second[0][-1]["after"]["circle_wallet_id"]
    assert first == second
    assert [row[0].rpartition(":")[2] for row in first] == ["wallet_created", "provision_complete"]


def test_a_repeat_changes_nothing_beside_what_is_new(database: Database) -> None:
    old, new = new_jobs(database, 2)
    repeat = result(old, live())
    commit(database, repeat, ends={old: complete(old)})

    recording = commit(database, repeat, result(new, live()), ends={old: complete(old), new: complete(new)})

    assert [each.user_id for each in recording.counted] == [new.user_id]
    assert [each.move.job_id for each in recording.moved] == [new.id]
    assert actions(database, old.id).count("wallet_created") == 1
    assert actions(database, old.id).count("provision_complete") == 1


def test_a_job_that_was_given_another_chain_meanwhile_goes_on(database: Database) -> None:
    grown, plain = new_jobs(database, 2)
    accept(database, request(grown.user_id, chains=("SOL",)))

    recording = commit(
        database,
        result(grown, live()),
        result(plain, live()),
        ends={grown: complete(grown), plain: complete(plain)},
    )

    assert {each.move.job_id: each.status for each in recording.moved} == {
        grown.id: JobStatus.QUEUED,
        plain.id: JobStatus.COMPLETED,
    }
    assert wallet_of(database, grown.user_id).status is WalletStatus.LIVE


def test_who_lost_the_job_records_the_wallet_and_ends_nothing(database: Database) -> None:
    accept(database, ONE)
    (zombie,) = claim(database, lease=EXPIRED)
    in_one(database, claims.rescue_expired)
    (holder,) = claim(database)

    recording = commit(database, result(zombie, live()), ends={zombie: complete(zombie)})

    assert len(recording.counted) == 1
    assert recording.moved == ()
    assert job_of(database, holder.id).status is JobStatus.IN_PROGRESS


def test_failures_and_retries_are_done_with_what_is_plain(database: Database) -> None:
    failed, plain = new_jobs(database, 2)
    ends = {failed: schedule_retry(failed, TIMEOUT, -EXPIRED), plain: complete(plain)}

    recording = commit(database, result(failed, NO_ANSWER), result(plain, live()), ends=ends)

    assert {each.move.job_id: each.status for each in recording.moved} == {
        failed.id: JobStatus.RETRY,
        plain.id: JobStatus.COMPLETED,
    }
    assert len(recording.counted) == 2


def test_a_wallet_of_anothers_refuses_the_group_and_nothing_is_done(database: Database) -> None:
    first, second, third = new_jobs(database, 3)
    taken = uuid4()
    commit(database, result(first, live(circle_wallet_id=taken)))

    with pytest.raises(RowRefusedError):
        commit(
            database,
            result(second, live(circle_wallet_id=taken)),
            result(third, live()),
            ends={second: complete(second), third: complete(third)},
        )

    assert {job_of(database, job.id).status for job in (second, third)} == {JobStatus.IN_PROGRESS}
    assert {wallet_of(database, job.user_id).status for job in (second, third)} == {WalletStatus.CREATING}


def test_a_wallet_without_a_row_gets_one(database: Database) -> None:
    user = uuid4()
    found = WalletResult(None, None, user, "ETH", live(), None)

    assert commit(database, found).counted == (found,)
    assert wallet_of(database, user).status is WalletStatus.LIVE


def test_an_attempt_without_results_ends(database: Database) -> None:
    job = claim_new(database, ONE)

    assert len(commit(database, ends={job: complete(job)}).moved) == 1
    assert commit(database) == ((), ())
