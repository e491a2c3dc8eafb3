"""What readers ask for: single things, lists, counts. Nothing here writes or waits for a writer.

Counts come from the rollup and from partial indexes, never from the history.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, Select, func, literal, select

from wallet_provisioning.jobs.states import UNFINISHED, JobStatus
from wallet_provisioning.store import tables
from wallet_provisioning.store.columns import Document
from wallet_provisioning.store.lookups import (
    dialect_name,
    find_job,
    job_columns,
    read_jobs,
    read_wallets,
    wallet_columns,
)
from wallet_provisioning.store.pages import (
    AuditFilter,
    JobFilter,
    Page,
    WalletFilter,
    cut,
    equal,
    narrow,
    within,
)
from wallet_provisioning.store.tables import audit_logs, job_error_totals, job_totals, jobs, wallets
from wallet_provisioning.store.texts import clean
from wallet_provisioning.store.transaction import now_of
from wallet_provisioning.store.views import AUDIT_COLUMNS, AuditView, JobView, WalletView, audit_view

__all__ = [
    "AuditFilter",
    "JobFilter",
    "Page",
    "Totals",
    "WalletFilter",
    "get_job",
    "job_timeline",
    "list_audit",
    "list_jobs",
    "list_wallets",
    "oldest_due_age",
    "queue_depths",
    "totals",
    "user_wallets",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """The counts since the first day: attempts that ended, by how; `average_duration` of those."""

    succeeded: int
    failed: int
    retried: int
    average_duration: timedelta | None
    last_processed_at: datetime | None
    errors_by_type: Mapping[str, int]

    @property
    def processed(self) -> int:
        """All attempts that ended."""
        return self.succeeded + self.failed + self.retried


def get_job(connection: Connection, job_id: UUID) -> JobView | None:
    """Return a job with its wallets, or None."""
    return find_job(connection, job_id)


def list_jobs(
    connection: Connection, wanted: JobFilter, limit: int = 50, cursor: str | None = None
) -> Page[JobView]:
    """Return a page of jobs. Raises `InvalidCursorError`, and `ValueError` for a wrong limit."""
    conditions = [
        *equal(jobs.c.status, wanted.status and wanted.status.value),
        *equal(jobs.c.user_id, wanted.user_id),
        *equal(jobs.c.error_type, wanted.error_type and wanted.error_type.value),
        *within(jobs.c.created_at, wanted.created_after, wanted.created_before),
        *([] if wanted.chain is None else [_names_chain(connection, clean(wanted.chain))]),
    ]
    statement = job_columns().where(*conditions)
    return cut(read_jobs(connection, narrow(statement, jobs, limit, cursor)), limit)


def list_wallets(
    connection: Connection, wanted: WalletFilter, limit: int = 50, cursor: str | None = None
) -> Page[WalletView]:
    """Return a page of wallets. Raises as `list_jobs` does."""
    conditions = [
        *equal(wallets.c.status, wanted.status and wanted.status.value),
        *equal(wallets.c.user_id, wanted.user_id),
        *equal(wallets.c.chain, wanted.chain),
        *equal(wallets.c.error_type, wanted.error_type and wanted.error_type.value),
        *within(wallets.c.created_at, wanted.created_after, wanted.created_before),
    ]
    statement = wallet_columns().where(*conditions)
    return cut(read_wallets(connection, narrow(statement, wallets, limit, cursor)), limit)


def list_audit(
    connection: Connection, wanted: AuditFilter, limit: int = 50, cursor: str | None = None
) -> Page[AuditView]:
    """Return a page of audit rows. Raises as `list_jobs` does."""
    prefix = wanted.action_prefix
    starts = [] if prefix is None else [audit_logs.c.action.startswith(clean(prefix), autoescape=True)]
    conditions = [
        *equal(audit_logs.c.status, wanted.status and wanted.status.value),
        *equal(audit_logs.c.user_id, wanted.user_id),
        *equal(audit_logs.c.job_id, wanted.job_id),
        *within(audit_logs.c.created_at, wanted.created_after, wanted.created_before),
        *starts,
    ]
    statement = _audit_columns().where(*conditions)
    return cut(_read_audit(connection, narrow(statement, audit_logs, limit, cursor)), limit)


def job_timeline(connection: Connection, job_id: UUID) -> tuple[AuditView, ...]:
    """Return a job's audit rows, oldest first."""
    query = _audit_columns().where(audit_logs.c.job_id == job_id)
    return _read_audit(connection, query.order_by(audit_logs.c.created_at, audit_logs.c.id))


def user_wallets(connection: Connection, user_id: UUID) -> tuple[WalletView, ...]:
    """Return a user's wallets, in the order in which they were asked for."""
    query = wallet_columns().where(wallets.c.user_id == user_id).order_by(wallets.c.id)
    return tuple(read_wallets(connection, query))


def totals(connection: Connection) -> Totals:
    """Return the counts that outlive the daemon."""
    names = ("succeeded", "failed", "retried", "timed", "duration_us")
    sums = [func.coalesce(func.sum(job_totals.c[name]), 0).label(name) for name in names]
    row = connection.execute(select(*sums, func.max(job_totals.c.last_processed_at).label("last"))).one()
    average = timedelta(microseconds=int(row.duration_us) // int(row.timed)) if row.timed else None
    by_type = select(job_error_totals.c.error_type, func.sum(job_error_totals.c.count).label("sum"))
    errors = connection.execute(by_type.group_by(job_error_totals.c.error_type))
    return Totals(
        succeeded=int(row.succeeded),
        failed=int(row.failed),
        retried=int(row.retried),
        average_duration=average,
        last_processed_at=row.last,
        errors_by_type={error.error_type: int(error.sum) for error in errors},
    )


def queue_depths(connection: Connection) -> Mapping[JobStatus, int]:
    """Return how many jobs are in each unfinished status, 0 included."""
    counted = func.count().label("depth")
    query = select(jobs.c.status, counted).where(tables.UNFINISHED).group_by(jobs.c.status)
    found = {JobStatus(row.status): int(row.depth) for row in connection.execute(query)}
    return {status: found.get(status, 0) for status in sorted(UNFINISHED)}


def oldest_due_age(connection: Connection) -> timedelta | None:
    """Return how long the job that has waited longest could have been claimed, None if none waits."""
    now = now_of(connection)
    oldest = select(func.min(jobs.c.due_at)).where(tables.CLAIMABLE).scalar_subquery()
    row = connection.execute(select(oldest.label("due"), now.label("moment"))).one()
    return row.moment - row.due if row.due is not None and row.due <= row.moment else None


def oldest_in_progress_age(connection: Connection) -> timedelta | None:
    """Return how long ago the job that has been held longest was claimed, None if none is held."""
    now = now_of(connection)
    oldest = select(func.min(jobs.c.claimed_at)).where(tables.HELD).scalar_subquery()
    row = connection.execute(select(oldest.label("since"), now.label("moment"))).one()
    return None if row.since is None else row.moment - row.since


def _read_audit(connection: Connection, statement: Select[Any]) -> tuple[AuditView, ...]:
    return tuple(audit_view(row) for row in connection.execute(statement).mappings())


def _audit_columns() -> Select[Any]:
    return select(*[audit_logs.c[name] for name in AUDIT_COLUMNS])


def _names_chain(connection: Connection, chain: str) -> ColumnElement[bool]:
    if dialect_name(connection) == "postgresql":
        return jobs.c.chains.op("@>", is_comparison=True)(literal([chain], Document))
    each = func.json_each(jobs.c.chains).table_valued("value")
    return select(each.c.value).where(each.c.value == chain).exists()
