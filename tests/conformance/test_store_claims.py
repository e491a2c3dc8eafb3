from datetime import timedelta
from uuid import uuid4

import pytest

from tests.support_store import (
    BAD_INPUT,
    EXPIRED,
    LEASE,
    NO_ANSWER,
    TIMEOUT,
    accept,
    actions,
    apply,
    claim,
    claim_new,
    job_of,
    live,
    record,
    request,
    result,
    timeline,
)
from wallet_provisioning.clock import ManualClock
from wallet_provisioning.jobs import moves
from wallet_provisioning.jobs.errors import ErrorType
from wallet_provisioning.jobs.moves import Failure
from wallet_provisioning.jobs.states import JobStatus
from wallet_provisioning.store import claims
from wallet_provisioning.store.database import Database
from wallet_provisioning.store.errors import StaleJobError
from wallet_provisioning.store.queue_front import QueueFront

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
SOON = timedelta(minutes=5)


def test_a_claim_gives_all_that_an_attempt_needs(database: Database) -> None:
    accepted = accept(database, request(max_attempts=3, traceparent=TRACE)).job

    (job,) = claim(database)

    assert (job.id, job.user_id, job.chains) == (accepted.id, accepted.user_id, accepted.chains)
    assert (job.epoch, job.revision, job.attempt, job.max_attempts, job.crash_count) == (1, 0, 1, 3, 0)
    assert (job.earlier_failure, job.traceparent) == (None, TRACE)


def test_a_claimed_job_is_in_progress_and_started(database: Database) -> None:
    job = claim_new(database)

    view = job_of(database, job.id)

    assert (view.status, view.attempt_count) == (JobStatus.IN_PROGRESS, 1)
    assert view.started_at is not None
    assert view.started_at >= view.created_at
    assert claim(database) == ()


def test_a_claim_is_audited_with_complete_facts(database: Database) -> None:
    job = claim_new(database, request(traceparent=TRACE))
    apply(database, moves.schedule_retry(job, TIMEOUT, timedelta()))
    due = job_of(database, job.id).next_retry_at
    claim(database)

    first, second = [row for row in timeline(database, job.id) if row.action.endswith("provision_start")]

    assert first.changes == {
        "before": {
            "status": "queued",
            "attempt_count": 0,
            "crash_count": 0,
            "error": None,
            "next_retry_at": None,
        },
        "after": {
            "status": "in_progress",
            "attempt_count": 1,
            "crash_count": 0,
            "error": None,
            "next_retry_at": None,
        },
    }
    assert due is not None
    assert second.changes["before"]["next_retry_at"] == due.isoformat(timespec="microseconds").replace(
        "+00:00", "Z"
    )
    assert second.changes["after"]["error"] == {"type": "timeout", "message": "ETH: no answer"}
    assert (second.epoch, second.actor, second.status) == (2, "scheduler", "success")
    assert second.trace_id == "0af7651916cd43dd8448eb211c80319c"


def test_those_that_wait_longest_are_claimed_first_up_to_the_limit(database: Database) -> None:
    ids = [accept(database, request(chains=("ETH",))).job.id for _ in range(5)]

    assert [job.id for job in claim(database, limit=2)] == ids[:2]
    assert [job.id for job in claim(database, limit=9)] == ids[2:]
    assert claim(database, limit=0) == ()


def test_a_retry_is_claimed_once_it_is_due(database: Database) -> None:
    job = claim_new(database)
    apply(database, moves.schedule_retry(job, TIMEOUT, SOON))
    assert claim(database) == ()

    other = claim_new(database)
    apply(database, moves.schedule_retry(other, TIMEOUT, timedelta()))

    assert [again.id for again in claim(database)] == [other.id]


def test_without_retries_only_queued_jobs_are_claimed(database: Database) -> None:
    job = claim_new(database)
    apply(database, moves.schedule_retry(job, TIMEOUT, timedelta()))
    queued = accept(database).job

    assert [again.id for again in claim(database, include_retries=False)] == [queued.id]


def test_a_claim_tells_when_the_next_retry_is_due(database: Database) -> None:
    job = claim_new(database)
    apply(database, moves.schedule_retry(job, TIMEOUT, SOON))

    with database.write("scheduler", "claim") as tx:
        taken = claims.claim_jobs(tx, holder=uuid4(), limit=5, lease=LEASE, include_retries=True)

    assert taken.next_due is not None
    assert SOON - timedelta(seconds=19.96) < taken.next_due <= SOON


def test_a_claim_that_found_enough_or_that_takes_no_retries_tells_no_next_time(database: Database) -> None:
    job = claim_new(database)
    apply(database, moves.schedule_retry(job, TIMEOUT, SOON))
    accept(database)

    with database.write("scheduler", "claim") as tx:
        full = claims.claim_jobs(tx, holder=uuid4(), limit=1, lease=LEASE, include_retries=True)
        queued = claims.claim_jobs(tx, holder=uuid4(), limit=1, lease=LEASE, include_retries=False)

    assert (len(full.jobs), full.next_due, queued.next_due) == (1, None, None)


def test_an_attempt_works_on_chains_that_are_neither_live_nor_failed(database: Database) -> None:
    job = claim_new(database)
    record(
        database,
        result(job, live()),
        result(job, BAD_INPUT, "SOL"),
        result(job, NO_ANSWER, "APTOS"),
    )
    apply(database, moves.schedule_retry(job, TIMEOUT, timedelta()))

    (again,) = claim(database)

    assert again.chains == ("APTOS",)
    assert again.earlier_failure == Failure(error_type=ErrorType.CIRCLE_4XX, message="SOL: refused")
    assert (again.attempt, again.epoch) == (2, 2)


def test_a_job_with_nothing_left_to_do_is_claimed_all_the_same(database: Database) -> None:
    job = claim_new(database, request(chains=("ETH",)))
    record(database, result(job, live()))
    apply(database, moves.hand_back(job))

    (again,) = claim(database)

    assert again.chains == ()


def test_a_lease_is_renewed_by_its_holder_alone(database: Database) -> None:
    job = claim_new(database)
    with database.write("jobs/1", "renew") as tx:
        claims.renew_lease(tx, job_id=job.id, epoch=job.epoch, lease=LEASE)

    for job_id, epoch in [(job.id, job.epoch - 1), (job.id, job.epoch + 1), (uuid4(), 1)]:
        with pytest.raises(StaleJobError), database.write("jobs/1", "renew") as tx:
            claims.renew_lease(tx, job_id=job_id, epoch=epoch, lease=LEASE)


def test_a_lease_of_an_ended_job_is_not_renewed(database: Database) -> None:
    job = claim_new(database)
    apply(database, moves.hand_back(job))

    with pytest.raises(StaleJobError), database.write("jobs/1", "renew") as tx:
        claims.renew_lease(tx, job_id=job.id, epoch=job.epoch, lease=LEASE)


def test_a_job_whose_lease_ran_out_is_rescued_and_gets_its_attempt_back(database: Database) -> None:
    accept(database)
    (job,) = claim(database, lease=EXPIRED)
    held = claim_new(database)

    with database.write("rescuer", "rescue") as tx:
        rescued = claims.rescue_expired(tx)

    assert [moved.move.job_id for moved in rescued] == [job.id]
    view = job_of(database, job.id)
    assert (view.status, view.attempt_count, view.crash_count) == (JobStatus.QUEUED, 0, 0)
    assert actions(database, job.id)[-1] == "job_rescued"
    assert job_of(database, held.id).status is JobStatus.IN_PROGRESS


def test_a_renewed_lease_is_not_rescued(database: Database) -> None:
    accept(database)
    (job,) = claim(database, lease=EXPIRED)
    with database.write("jobs/1", "renew") as tx:
        claims.renew_lease(tx, job_id=job.id, epoch=job.epoch, lease=LEASE)

    with database.write("rescuer", "rescue") as tx:
        assert claims.rescue_expired(tx) == ()


def test_a_rescue_takes_no_more_than_its_limit(database: Database) -> None:
    for _ in range(3):
        accept(database)
    claim(database, lease=EXPIRED)

    with database.write("rescuer", "rescue") as tx:
        assert len(claims.rescue_expired(tx, limit=2)) == 2


def test_a_rescued_job_is_claimed_before_younger_ones(database: Database) -> None:
    accept(database)
    (job,) = claim(database, lease=EXPIRED)
    accept(database)
    with database.write("rescuer", "rescue") as tx:
        claims.rescue_expired(tx)

    assert claim(database)[0].id == job.id


def test_all_jobs_in_progress_are_orphans_of_a_lone_daemon(database: Database) -> None:
    accept(database)
    accept(database)
    claim(database)
    waiting = accept(database).job

    with database.write("daemon", "start") as tx:
        assert len(claims.rescue_orphans(tx)) == 2

    assert actions(database, waiting.id) == ["job_created"]
    assert len(claim(database)) == 3


def test_a_stopping_daemon_hands_back_its_jobs_and_no_others(database: Database) -> None:
    mine, theirs = uuid4(), uuid4()
    first = accept(database).job
    claim(database, holder=mine)
    second = accept(database).job
    claim(database, holder=theirs)

    with database.write("daemon", "stop") as tx:
        moved = claims.hand_back_all(tx, holder=mine)

    assert [one.move.job_id for one in moved] == [first.id]
    assert moved[0].attempt_count == 0
    assert actions(database, first.id)[-1] == "job_handed_back"
    assert job_of(database, second.id).status is JobStatus.IN_PROGRESS


def test_with_nothing_to_do_nothing_is_moved(database: Database) -> None:
    with database.write("rescuer", "rescue") as tx:
        assert claims.rescue_expired(tx) == ()
        assert claims.rescue_orphans(tx) == ()
        assert claims.hand_back_all(tx, holder=uuid4()) == ()
        assert claims.claim_jobs(
            tx, holder=uuid4(), limit=3, lease=LEASE, include_retries=True
        ) == claims.Claims(jobs=(), next_due=None)


def test_a_job_that_was_handed_back_behind_the_front_is_found_by_the_next_look_at_the_whole_queue(
    database: Database,
) -> None:
    job = claim_new(database)
    clock = ManualClock()
    front = QueueFront(clock)
    later = job_of(database, job.id).updated_at + SOON
    front.looked(since=None, took=timedelta(seconds=1), jobs=0, last=later)
    apply(database, moves.hand_back(job))

    near = claim_with(database, front)
    assert [one.id for one in near.jobs] == ([] if database.dialect == "postgresql" else [job.id])
    assert near.next_due == timedelta(seconds=19.96)

    clock.advance(timedelta(seconds=19.96))
    found = (*near.jobs, *claim_with(database, front).jobs)
    assert [one.id for one in found] == [job.id]


def claim_with(database: Database, front: QueueFront) -> claims.Claims:
    with database.write("scheduler", "claim") as tx:
        return claims.claim_jobs(tx, holder=uuid4(), limit=10, lease=LEASE, include_retries=True, front=front)
