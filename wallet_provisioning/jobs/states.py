"""The life of a job, as data. Whatever may change a job's status goes through this table.

Theory of operation. A job is *unfinished* while it is `queued`, `in_progress` or `retry`; a user has
at most one such job, which the database enforces. Only a daemon that claimed the job may move it out
of `in_progress`, and it proves its claim with the epoch it was given: every claim raises the epoch,
so a holder that lost its lease without noticing (a zombie) is refused. The others that may act on a
job in progress are the rescuer, when the lease ran out, and an operator, who cancels. `completed` is
the only status that nothing leaves.

`docs/job-states.md` is generated from `TABLE` by `python -m wallet_provisioning.jobs.diagram`.
"""

from dataclasses import dataclass
from enum import StrEnum


class JobStatus(StrEnum):
    """Where a job stands."""

    QUEUED = "queued"
    IN_PROGRESS = "in_progress"
    RETRY = "retry"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_unfinished(self) -> bool:
        """Whether the job still has work to do."""
        return self in UNFINISHED


UNFINISHED = frozenset({JobStatus.QUEUED, JobStatus.IN_PROGRESS, JobStatus.RETRY})


class WalletStatus(StrEnum):
    """Where the wallet of one user on one chain stands."""

    CREATING = "creating"
    LIVE = "live"
    FAILED = "failed"


class MoveName(StrEnum):
    """The verbs of a job's life. Statement, event and log line of a move share its name."""

    CLAIM = "claim"
    COMPLETE = "complete"
    SCHEDULE_RETRY = "schedule_retry"
    WAIT_FOR_CIRCUIT = "wait_for_circuit"
    FAIL = "fail"
    RETURN_AFTER_CRASH = "return_after_crash"
    HAND_BACK = "hand_back"
    RESCUE = "rescue"
    CONTINUE_MERGED = "continue_merged"
    CANCEL = "cancel"
    RETRY_NOW = "retry_now"


class AuditStatus(StrEnum):
    """How an audited step ended."""

    SUCCESS = "success"
    FAILED = "failed"
    RETRY_SCHEDULED = "retry_scheduled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Transition:
    """One row of the table: what a move needs, where it leads and what the audit calls it.

    `spends_attempt` is False for the moves that give the attempt back which the claim took.
    """

    sources: frozenset[JobStatus]
    target: JobStatus
    audit_action: str
    audit_status: AuditStatus
    meaning: str
    spends_attempt: bool = True


_HELD = frozenset({JobStatus.IN_PROGRESS})

TABLE: dict[MoveName, Transition] = {
    MoveName.CLAIM: Transition(
        sources=frozenset({JobStatus.QUEUED, JobStatus.RETRY}),
        target=JobStatus.IN_PROGRESS,
        audit_action="wallet-worker:provision_start",
        audit_status=AuditStatus.SUCCESS,
        meaning="a daemon takes the job: new lease, next epoch, next attempt",
    ),
    MoveName.COMPLETE: Transition(
        sources=_HELD,
        target=JobStatus.COMPLETED,
        audit_action="wallet-worker:provision_complete",
        audit_status=AuditStatus.SUCCESS,
        meaning="every chain is live",
    ),
    MoveName.SCHEDULE_RETRY: Transition(
        sources=_HELD,
        target=JobStatus.RETRY,
        audit_action="wallet-worker:provision_failed",
        audit_status=AuditStatus.RETRY_SCHEDULED,
        meaning="a chain failed in a way that may pass, and attempts remain",
    ),
    MoveName.WAIT_FOR_CIRCUIT: Transition(
        sources=_HELD,
        target=JobStatus.RETRY,
        audit_action="wallet-worker:provision_failed",
        audit_status=AuditStatus.RETRY_SCHEDULED,
        meaning="all that is missing waits for an open breaker",
        spends_attempt=False,
    ),
    MoveName.FAIL: Transition(
        sources=_HELD,
        target=JobStatus.FAILED,
        audit_action="wallet-worker:provision_failed",
        audit_status=AuditStatus.FAILED,
        meaning="a chain failed for good, attempts ran out, or the job crashed its actor three times",
    ),
    MoveName.RETURN_AFTER_CRASH: Transition(
        sources=_HELD,
        target=JobStatus.RETRY,
        audit_action="wallet-worker:actor_crashed",
        audit_status=AuditStatus.RETRY_SCHEDULED,
        meaning="the job's actor crashed or hung with it in hand",
        spends_attempt=False,
    ),
    MoveName.HAND_BACK: Transition(
        sources=_HELD,
        target=JobStatus.QUEUED,
        audit_action="wallet-worker:job_handed_back",
        audit_status=AuditStatus.SUCCESS,
        meaning="a daemon that stops returns what it could not finish",
        spends_attempt=False,
    ),
    MoveName.RESCUE: Transition(
        sources=_HELD,
        target=JobStatus.QUEUED,
        audit_action="wallet-worker:job_rescued",
        audit_status=AuditStatus.SUCCESS,
        meaning="the lease ran out: its daemon is dead, stopped or cut off",
        spends_attempt=False,
    ),
    MoveName.CONTINUE_MERGED: Transition(
        sources=_HELD,
        target=JobStatus.QUEUED,
        audit_action="wallet-worker:job_continued",
        audit_status=AuditStatus.SUCCESS,
        meaning="all that was claimed has ended, but further chains were merged in meanwhile",
        spends_attempt=False,
    ),
    MoveName.CANCEL: Transition(
        sources=UNFINISHED,
        target=JobStatus.CANCELLED,
        audit_action="admin:cancel_job",
        audit_status=AuditStatus.SUCCESS,
        meaning="an operator gives the job up; a wallet already asked for is still recorded",
    ),
    MoveName.RETRY_NOW: Transition(
        sources=frozenset({JobStatus.FAILED, JobStatus.CANCELLED, JobStatus.RETRY}),
        target=JobStatus.QUEUED,
        audit_action="admin:retry_job",
        audit_status=AuditStatus.SUCCESS,
        meaning="an operator starts the job again; an ended one gets all its attempts back",
    ),
}


def is_legal(name: MoveName, status: JobStatus) -> bool:
    """Return whether a job in that status may make that move."""
    return status in TABLE[name].sources
