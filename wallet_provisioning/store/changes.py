"""What a move makes of a job's row: pure, so that the whole state machine is tested without a database.

The row was locked before, so what is decided here is what will be written. A move that its guards
refuse gives None: the holder's epoch is spent, or the status forbids it.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from wallet_provisioning.jobs.moves import Move, continue_merged
from wallet_provisioning.jobs.states import JobStatus, MoveName, is_legal
from wallet_provisioning.store.job_rows import JobRow

_OUTDATED_BY_MERGES = frozenset({MoveName.COMPLETE, MoveName.FAIL})
_KEEPS_ITS_PLACE = frozenset({MoveName.HAND_BACK, MoveName.RESCUE})
_ENDED = frozenset({JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A move that will be made: `move` is the one made, which may differ from the one asked for."""

    move: Move
    before: JobRow
    after: JobRow

    @property
    def duration(self) -> timedelta | None:
        """How long the attempt took, for a move that ends one."""
        if self.before.status is not JobStatus.IN_PROGRESS or self.before.claimed_at is None:
            return None
        return max(timedelta(), self.after.updated_at - self.before.claimed_at)

    @property
    def keeps_its_place(self) -> bool:
        """Whether the job is back at its old place in the queue, before others that were claimed since."""
        return self.move.name in _KEEPS_ITS_PLACE

    @property
    def is_due_at_once(self) -> bool:
        """Whether a daemon may claim the job right away."""
        return self.after.due_at is not None and self.after.due_at <= self.after.updated_at

    @property
    def revives_wallets(self) -> bool:
        """Whether wallets that failed are tried again."""
        return self.move.name is MoveName.RETRY_NOW and self.before.status in _ENDED

    def after_facts(self) -> dict[str, Any]:
        """Return what the audit says of the job after the move, with the retry's and operator's part."""
        facts = self.after.facts()
        if self.move.failure is not None:
            facts["retry"] = {
                "attempt": self.before.attempt_count,
                "max_attempts": self.before.max_attempts,
                "next_retry_at": facts["next_retry_at"],
                "error_type": self.move.failure.error_type.value,
            }
            if self.move.failure.circle_request_id is not None:
                facts["circle_request_id"] = self.move.failure.circle_request_id
        if self.move.evidence is not None:
            facts["crash"] = dict(self.move.evidence)
        if self.move.reason is not None:
            facts["reason"] = self.move.reason
        return facts


def plan(row: JobRow, asked: Move, moment: datetime) -> Change | None:
    """Return the change that a move makes of a locked row, None where the row refuses it."""
    if not is_legal(asked.name, row.status):
        return None
    if asked.epoch is not None and asked.epoch != row.epoch:
        return None
    move = _regard_merges(row, asked)
    return Change(move=move, before=row, after=_after(row, move, moment))


def _regard_merges(row: JobRow, move: Move) -> Move:
    """A holder that ends a job, unaware of chains merged in since, has ended only its part."""
    is_outdated = move.revision is not None and move.revision != row.revision
    if move.name not in _OUTDATED_BY_MERGES or not is_outdated:
        return move
    return continue_merged(move)


def _after(row: JobRow, move: Move, moment: datetime) -> JobRow:
    target = move.transition.target
    is_restart = move.name is MoveName.RETRY_NOW and row.status in _ENDED
    error_type, error_message = _error(row, move, is_restart=is_restart)
    next_retry_at = _next_retry(move, moment)
    return replace(
        row,
        status=target,
        attempt_count=0 if is_restart else _attempts(row, move),
        crash_count=0 if is_restart else row.crash_count + move.adds_crash,
        error_type=error_type,
        error_message=error_message,
        next_retry_at=next_retry_at,
        due_at=_due(row, move, next_retry_at, moment),
        lease_until=None,
        lease_holder=None,
        claimed_at=None,
        completed_at=moment if target in _ENDED else None,
        updated_at=moment,
    )


def _attempts(row: JobRow, move: Move) -> int:
    return row.attempt_count if move.transition.spends_attempt else max(0, row.attempt_count - 1)


def _error(row: JobRow, move: Move, *, is_restart: bool) -> tuple[str | None, str | None]:
    if move.failure is not None:
        return move.failure.error_type.value, move.failure.message
    if is_restart or move.name is MoveName.COMPLETE:
        return None, None
    return row.error_type, row.error_message


def _next_retry(move: Move, moment: datetime) -> datetime | None:
    if move.transition.target is not JobStatus.RETRY:
        return None
    return moment + (move.due_in or timedelta())


def _due(row: JobRow, move: Move, next_retry_at: datetime | None, moment: datetime) -> datetime | None:
    """Return when the job may be claimed; one that was returned unharmed keeps its place in the queue."""
    if move.transition.target is not JobStatus.QUEUED:
        return next_retry_at
    return row.due_at if move.name in _KEEPS_ITS_PLACE and row.due_at is not None else moment
