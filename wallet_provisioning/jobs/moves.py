"""Changes of a job's state, each with a named constructor that takes just what it needs.

A `Move` says what shall become of one job; `store.moves` applies it by compare-and-set on id, state
and epoch, with its audit row in the same transaction. `states.TABLE` says which are legal.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID

from wallet_provisioning.jobs.errors import ErrorType
from wallet_provisioning.jobs.states import TABLE, MoveName, Transition

CRASH_LIMIT = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why a job did not complete, as the operator reads it, and which call of Circle's it was."""

    error_type: ErrorType
    message: str
    circle_request_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimedJob:
    """A job in a daemon's hands: a snapshot taken by the claim, valid for this epoch alone.

    `chains` are those that this attempt works on. `revision` counts the merges of further chains, so
    that a job to which one was added meanwhile is not ended too early. `earlier_failure` is that of a
    chain which failed for good in an earlier attempt.
    """

    id: UUID
    user_id: UUID
    chains: tuple[str, ...]
    epoch: int
    revision: int
    attempt: int
    max_attempts: int
    crash_count: int
    earlier_failure: Failure | None
    traceparent: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """One change of one job's state; build it with the functions below.

    `epoch` and `revision` guard the moves of a holder; an operator's have none. `due_in` counts from
    the database's clock; None leaves the job without a next time. `evidence` is what else the audit row
    says of a crash, as JSON knows it.
    """

    name: MoveName
    job_id: UUID
    epoch: int | None = None
    revision: int | None = None
    failure: Failure | None = None
    due_in: timedelta | None = None
    adds_crash: bool = False
    reason: str | None = None
    evidence: Mapping[str, object] | None = field(default=None, hash=False)

    @property
    def transition(self) -> Transition:
        """The row of the table that this move is an instance of."""
        return TABLE[self.name]


def complete(job: ClaimedJob) -> Move:
    """Every chain is live."""
    return Move(name=MoveName.COMPLETE, job_id=job.id, epoch=job.epoch, revision=job.revision)


def schedule_retry(job: ClaimedJob, failure: Failure, delay: timedelta) -> Move:
    """Try again after a delay; the attempt is used up."""
    return Move(name=MoveName.SCHEDULE_RETRY, job_id=job.id, epoch=job.epoch, failure=failure, due_in=delay)


def wait_for_circuit(
    job: ClaimedJob,
    message: str,
    delay: timedelta,
    error_type: ErrorType = ErrorType.CIRCUIT_OPEN,
    circle_request_id: str | None = None,
) -> Move:
    """Put the job back, unasked, until a breaker may close or Circle's limits let a call go out.

    The attempt is given back.
    """
    failure = Failure(error_type=error_type, message=message, circle_request_id=circle_request_id)
    return Move(name=MoveName.WAIT_FOR_CIRCUIT, job_id=job.id, epoch=job.epoch, failure=failure, due_in=delay)


def fail(job: ClaimedJob, failure: Failure) -> Move:
    """Give the job up; its chains that are not live fail with it."""
    return Move(name=MoveName.FAIL, job_id=job.id, epoch=job.epoch, revision=job.revision, failure=failure)


def return_after_crash(job: ClaimedJob, message: str, evidence: Mapping[str, object] | None = None) -> Move:
    """Return a job whose actor crashed or hung with it in hand; the third time it fails."""
    failure = Failure(error_type=ErrorType.CRASH, message=message)
    if job.crash_count + 1 >= CRASH_LIMIT:
        return Move(
            name=MoveName.FAIL,
            job_id=job.id,
            epoch=job.epoch,
            failure=failure,
            adds_crash=True,
            evidence=evidence,
        )
    return Move(
        name=MoveName.RETURN_AFTER_CRASH,
        job_id=job.id,
        epoch=job.epoch,
        failure=failure,
        due_in=timedelta(),
        adds_crash=True,
        evidence=evidence,
    )


def hand_back(job: ClaimedJob) -> Move:
    """Return a job that a stopping daemon could not finish; the attempt is given back."""
    return Move(name=MoveName.HAND_BACK, job_id=job.id, epoch=job.epoch)


def continue_merged(ending: Move) -> Move:
    """Queue a job again instead of ending it: further chains were merged in since its claim."""
    return Move(name=MoveName.CONTINUE_MERGED, job_id=ending.job_id, epoch=ending.epoch)


def cancel(job_id: UUID, reason: str | None = None) -> Move:
    """Give a job up by an operator's word."""
    return Move(name=MoveName.CANCEL, job_id=job_id, reason=reason)


def retry_now(job_id: UUID, reason: str | None = None) -> Move:
    """Start a job again by an operator's word."""
    return Move(name=MoveName.RETRY_NOW, job_id=job_id, reason=reason)
