"""A job's row as the moves see it, read under its lock."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, TextClause, select

from wallet_provisioning.jobs.states import JobStatus
from wallet_provisioning.store.columns import iso
from wallet_provisioning.store.sets import one_of, set_value
from wallet_provisioning.store.tables import jobs
from wallet_provisioning.store.transaction import Transaction, moment_of
from wallet_provisioning.store.urls import Dialect


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRow:
    """What of a job a move may read or change."""

    id: UUID
    user_id: UUID
    chains: tuple[str, ...]
    status: JobStatus
    attempt_count: int
    max_attempts: int
    crash_count: int
    error_type: str | None
    error_message: str | None
    next_retry_at: datetime | None
    due_at: datetime | None
    lease_until: datetime | None
    lease_holder: UUID | None
    epoch: int
    revision: int
    claimed_at: datetime | None
    completed_at: datetime | None
    updated_at: datetime
    trace_id: str | None

    def facts(self) -> dict[str, Any]:
        """Return what the audit says of the job, before and after a change."""
        error = {"type": self.error_type, "message": self.error_message} if self.error_type else None
        return {
            "status": self.status.value,
            "attempt_count": self.attempt_count,
            "crash_count": self.crash_count,
            "error": error,
            "next_retry_at": None if self.next_retry_at is None else iso(self.next_retry_at),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class LockedJobs:
    """Jobs that the transaction holds, by id, and the database's time when it got them."""

    rows: dict[UUID, JobRow]
    moment: datetime


_FIELDS = tuple(JobRow.__slots__)


def lock_jobs(tx: Transaction, job_ids: Iterable[UUID]) -> LockedJobs | None:
    """Lock the jobs that exist, in the order of their ids; None where there are none."""
    parameters = {"job_ids": set_value(tx.dialect, job_ids), **tx.moment}
    return _read(tx, _lock(tx.dialect), parameters)


def lock_jobs_where(
    tx: Transaction, *conditions: ColumnElement[bool] | TextClause, limit: int | None = None
) -> LockedJobs | None:
    """Lock the jobs that meet the conditions, leaving out those that another transaction holds."""
    chosen = _columns(tx.dialect).where(*conditions).order_by(jobs.c.id).limit(limit)
    return _read(tx, chosen.with_for_update(skip_locked=True), tx.moment)


@cache
def _lock(dialect: Dialect) -> Select[Any]:
    chosen = _columns(dialect).where(one_of(dialect, jobs.c.id, "job_ids"))
    return chosen.order_by(jobs.c.id).with_for_update()


def _columns(dialect: Dialect) -> Select[Any]:
    return select(*[jobs.c[name] for name in _FIELDS], moment_of(dialect).label("moment"))


def _read(tx: Transaction, statement: Select[Any], parameters: Mapping[str, Any]) -> LockedJobs | None:
    found = tx.execute(statement, parameters).all()
    if not found:
        return None
    rows = [_job_row(tuple(row)[:-1]) for row in found]
    return LockedJobs(rows={row.id: row for row in rows}, moment=found[-1].moment)


def _job_row(values: tuple[Any, ...]) -> JobRow:
    fields = dict(zip(_FIELDS, values, strict=True))
    return JobRow(**{**fields, "chains": tuple(fields["chains"]), "status": JobStatus(fields["status"])})
