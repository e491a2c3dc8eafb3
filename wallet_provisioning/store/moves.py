"""Applies moves: the only way in which a job's status changes after it was made, apart from the claim.

Theory of operation. The jobs are locked first, in the order of their ids, so that two transactions
never wait for each other. Under the lock `changes.plan` decides; a move whose epoch is spent or whose
status forbids it changes nothing and is missing from the result. Then the wallets that share the job's
fate, the audit, the rows and the totals are written, each set in one statement.
"""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from wallet_provisioning.jobs.moves import Move
from wallet_provisioning.jobs.states import JobStatus, MoveName
from wallet_provisioning.store.audit import AuditEntry, Facts, write_entries
from wallet_provisioning.store.changes import Change, plan
from wallet_provisioning.store.errors import ConflictError, NotFoundError
from wallet_provisioning.store.fates import fail_wallets, revive_wallets
from wallet_provisioning.store.job_rows import JobRow, LockedJobs, lock_jobs
from wallet_provisioning.store.lookups import require_job
from wallet_provisioning.store.sets import update_rows
from wallet_provisioning.store.tables import UNFINISHED, jobs
from wallet_provisioning.store.totals import add_to_totals
from wallet_provisioning.store.transaction import Transaction
from wallet_provisioning.store.views import JobView
from wallet_provisioning.store.wakeups import RETURNED, announce, notify
from wallet_provisioning.telemetry.events import JobMoved, JobsMoved, MovedJob

_WRITTEN = (
    "id",
    "status",
    "attempt_count",
    "crash_count",
    "error_type",
    "error_message",
    "next_retry_at",
    "due_at",
    "lease_until",
    "lease_holder",
    "claimed_at",
    "completed_at",
    "updated_at",
)


class Moved(NamedTuple):
    """A move that was made, which for a job with merged chains may differ from the one asked for.

    `duration` is that of the attempt which the move ended, None where none was running.
    """

    move: Move
    user_id: UUID
    status: JobStatus
    attempt_count: int
    duration: timedelta | None
    trace_id: str | None

    def event(self, actor: str) -> JobMoved:
        """Return the event to state once the transaction is committed."""
        shown = _shown(self)._asdict()
        return JobMoved(move=self.move.name.value, status=self.status.value, actor=actor, **shown)


def events_of(moved: Iterable[Moved], actor: str) -> list[JobsMoved]:
    """Return the events of many moves: one for those that are alike."""
    alike: dict[tuple[str, str], list[MovedJob]] = {}
    for each in moved:
        alike.setdefault((each.move.name.value, each.status.value), []).append(_shown(each))
    return [
        JobsMoved(move=move, status=status, actor=actor, jobs=jobs) for (move, status), jobs in alike.items()
    ]


def _shown(moved: Moved) -> MovedJob:
    move = moved.move
    failure = move.failure
    return MovedJob(
        move.job_id,
        moved.user_id,
        moved.attempt_count,
        moved.duration,
        moved.trace_id,
        None if failure is None else failure.error_type.value,
        None if failure is None else failure.message,
        move.due_in,
    )


def apply_moves(tx: Transaction, moves: Sequence[Move]) -> tuple[Moved, ...]:
    """Make the moves; one that its guards refuse is missing from the result, which is no error."""
    locked = lock_jobs(tx, {move.job_id for move in moves}) if moves else None
    return () if locked is None else apply_to_locked(tx, locked, moves)


def move_by_operator(tx: Transaction, move: Move) -> JobView:
    """Make an operator's move and return the job as it is then.

    Raises `NotFoundError`, or `ConflictError` where the job's state or another job of the user forbids
    it.
    """
    locked = lock_jobs(tx, {move.job_id})
    if locked is None:
        msg = f"job {move.job_id}"
        raise NotFoundError(msg)
    _forbid_second_job(tx, move, locked.rows[move.job_id])
    if not _apply_alone(tx, locked, move):
        verb = move.name.replace("_", " ")
        msg = f"a job that is {locked.rows[move.job_id].status} can't {verb}"
        raise ConflictError(msg)
    return require_job(tx.connection, move.job_id)


def apply_to_locked(tx: Transaction, locked: LockedJobs, moves: Iterable[Move]) -> tuple[Moved, ...]:
    """Make moves of jobs that the transaction has locked."""
    changes = _decide(locked, moves)
    fates = {**fail_wallets(tx, changes, locked.moment), **revive_wallets(tx, changes, locked.moment)}
    # The audit comes first: the database refuses a move that it has no row for.
    write_entries(tx, [_entry(change, fates.get(change.before.id)) for change in changes], locked.moment)
    update_rows(tx, jobs, [_written(change.after) for change in changes])
    add_to_totals(tx, changes, locked.moment)
    if any(change.is_due_at_once for change in changes):
        announce(tx)
    if any(change.keeps_its_place for change in changes):
        notify(tx, RETURNED)
    return tuple(_moved(change) for change in changes)


def _decide(locked: LockedJobs, moves: Iterable[Move]) -> list[Change]:
    """Decide move by move; the second one of the same job meets it as the first one left it."""
    rows = dict(locked.rows)
    changes: dict[UUID, Change] = {}
    for move in moves:
        row = rows.get(move.job_id)
        change = None if row is None else plan(row, move, locked.moment)
        if change is not None and move.job_id not in changes:
            changes[move.job_id] = change
            rows[move.job_id] = change.after
    return list(changes.values())


def _written(row: JobRow) -> dict[str, Any]:
    return {name: getattr(row, name) for name in _WRITTEN}


def _entry(change: Change, fate: tuple[Facts, Facts] | None) -> AuditEntry:
    transition = change.move.transition
    failure = change.move.failure
    before, after = change.before.facts(), change.after_facts()
    if fate is not None:
        before["wallets"], after["wallets"] = fate
    return AuditEntry(
        action=transition.audit_action,
        resource_type="job",
        resource_id=str(change.before.id),
        user_id=change.before.user_id,
        job_id=change.before.id,
        epoch=change.before.epoch,
        before=before,
        after=after,
        status=transition.audit_status,
        error_message=None if failure is None else failure.message,
        trace_id=change.before.trace_id,
    )


def _moved(change: Change) -> Moved:
    return Moved(
        move=change.move,
        user_id=change.before.user_id,
        status=change.after.status,
        attempt_count=change.after.attempt_count,
        duration=change.duration,
        trace_id=change.before.trace_id,
    )


def _apply_alone(tx: Transaction, locked: LockedJobs, move: Move) -> bool:
    """Make a move, unless a request that came in at this moment gave the user another unfinished job."""
    try:
        with tx.connection.begin_nested():
            return bool(apply_to_locked(tx, locked, [move]))
    except IntegrityError as error:
        msg = "the user has just been given another unfinished job, which does the same work"
        raise ConflictError(msg) from error


def _forbid_second_job(tx: Transaction, move: Move, row: JobRow) -> None:
    if move.name is not MoveName.RETRY_NOW or row.status.is_unfinished:
        return
    others = select(jobs.c.id).where(jobs.c.user_id == row.user_id, UNFINISHED)
    other: UUID | None = tx.execute(others).scalar()
    if other is not None:
        msg = f"the user has the unfinished job {other}, which does the same work"
        raise ConflictError(msg)
