"""What readers ask for: single things, lists, counts. Nothing here writes or waits for a writer.

Counts come from the rollup and from partial indexes, never from the history.
"""

from collections.abc import Iterator
from functools import partial
from itertools import chain
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, Select, Table, func, literal, select

from wallet_provisioning.jobs.states import AuditStatus, JobStatus, WalletStatus
from wallet_provisioning.store import tables
from wallet_provisioning.store.audit_filters import names_chain, tells_of_error
from wallet_provisioning.store.columns import Document
from wallet_provisioning.store.lookups import (
    dialect_name,
    find_job,
    read_jobs,
    read_wallets,
    wallet_columns,
)
from wallet_provisioning.store.pages import (
    AuditFilter,
    JobFilter,
    Page,
    WalletFilter,
    check_limit,
    cut,
    equal,
    parse_cursor,
    within,
)
from wallet_provisioning.store.tables import audit_logs, jobs, wallets
from wallet_provisioning.store.texts import clean
from wallet_provisioning.store.totals import Totals, totals
from wallet_provisioning.store.views import (
    AUDIT_COLUMNS,
    JOB_COLUMNS,
    WALLET_COLUMNS,
    AuditView,
    JobView,
    WalletView,
    audit_view,
)
from wallet_provisioning.store.walks import Actions, Columns, Path, Walk, id_bounds, unusual_actions

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
    "totals",
    "user_wallets",
]


def get_job(connection: Connection, job_id: UUID) -> JobView | None:
    """Return a job with its wallets, or None."""
    return find_job(connection, job_id)


def list_jobs(
    connection: Connection, wanted: JobFilter, limit: int = 50, cursor: str | None = None
) -> Page[JobView]:
    """Return a page of jobs. Raises `InvalidCursorError`, and `ValueError` for a wrong limit."""
    path, served = _path_of_jobs(wanted)

    def others(columns: Columns) -> list[ColumnElement[bool]]:
        names = [] if wanted.chain is None else [_names_chain(connection, columns, clean(wanted.chain))]
        return [*_unserved(columns, wanted, served), *names]

    walk = Walk(
        table=jobs,
        columns=JOB_COLUMNS,
        path=path,
        bounds=_bounds(jobs, wanted, cursor),
        others=others,
        limit=check_limit(limit),
    )
    return cut(read_jobs(connection, walk.query()), limit, partial(walk.end, connection), of=jobs.name)


def list_wallets(
    connection: Connection, wanted: WalletFilter, limit: int = 50, cursor: str | None = None
) -> Page[WalletView]:
    """Return a page of wallets. Raises as `list_jobs` does."""
    path, served = _path_of_wallets(wanted)

    def others(columns: Columns) -> list[ColumnElement[bool]]:
        return [*_unserved(columns, wanted, served), *equal(columns["chain"], wanted.chain)]

    walk = Walk(
        table=wallets,
        columns=WALLET_COLUMNS,
        path=path,
        bounds=_bounds(wallets, wanted, cursor),
        others=others,
        limit=check_limit(limit),
    )
    return cut(read_wallets(connection, walk.query()), limit, partial(walk.end, connection), of=wallets.name)


def list_audit(
    connection: Connection, wanted: AuditFilter, limit: int = 50, cursor: str | None = None
) -> Page[AuditView]:
    """Return a page of audit rows. Raises as `list_jobs` does."""
    prefix = None if wanted.action_prefix is None else clean(wanted.action_prefix)
    path, served = _path_of_audit(connection, wanted, prefix)

    def others(columns: Columns) -> list[ColumnElement[bool]]:
        is_open = prefix is not None and "action_prefix" not in served
        starts = [columns["action"].startswith(prefix, autoescape=True)] if is_open else []
        job = [] if "job_id" in served else equal(columns["job_id"], wanted.job_id)
        told = _told_of(columns, wanted, dialect_name(connection))
        return [*_unserved(columns, wanted, served), *job, *starts, *told]

    walk = Walk(
        table=audit_logs,
        columns=AUDIT_COLUMNS,
        path=path,
        bounds=_bounds(audit_logs, wanted, cursor),
        others=others,
        limit=check_limit(limit),
    )
    return cut(
        _read_audit(connection, walk.query()), limit, partial(walk.end, connection), of=audit_logs.name
    )


def job_timeline(connection: Connection, job_id: UUID) -> tuple[AuditView, ...]:
    """Return a job's audit rows, oldest first."""
    query = _audit_columns().where(audit_logs.c.job_id == job_id)
    return _read_audit(connection, query.order_by(audit_logs.c.created_at, audit_logs.c.id))


def user_wallets(connection: Connection, user_id: UUID) -> tuple[WalletView, ...]:
    """Return a user's wallets, in the order in which they were asked for."""
    query = wallet_columns().where(wallets.c.user_id == user_id).order_by(wallets.c.id)
    return tuple(read_wallets(connection, query))


def _read_audit(connection: Connection, statement: Select[Any]) -> tuple[AuditView, ...]:
    return tuple(audit_view(row) for row in connection.execute(statement).mappings())


def _audit_columns() -> Select[Any]:
    return select(*[audit_logs.c[name] for name in AUDIT_COLUMNS])


def _path_of_jobs(wanted: JobFilter) -> tuple[Path, frozenset[str]]:
    """Return the path of a list, and the fields of its filter that this serves."""
    if wanted.user_id is not None:
        return Path(conditions=(jobs.c.user_id == wanted.user_id,)), frozenset({"user_id"})
    if wanted.error_type is not None:
        is_wanted = jobs.c.error_type == wanted.error_type.value
        return Path(conditions=(tables.HAS_ERROR, is_wanted)), frozenset({"error_type"})
    if wanted.status is None or wanted.status is JobStatus.COMPLETED:
        return Path(), frozenset()
    has_status = jobs.c.status == wanted.status.value
    of_queue = {JobStatus.QUEUED: tables.CLAIMABLE, JobStatus.IN_PROGRESS: tables.HELD}.get(wanted.status)
    conditions = (tables.IN_TROUBLE if of_queue is None else of_queue, has_status)
    return Path(conditions=conditions, is_small_set=of_queue is not None), frozenset({"status"})


def _path_of_wallets(wanted: WalletFilter) -> tuple[Path, frozenset[str]]:
    if wanted.user_id is not None:
        return Path(conditions=(wallets.c.user_id == wanted.user_id,), is_small_set=True), frozenset(
            {"user_id"}
        )
    if wanted.error_type is not None:
        is_wanted = wallets.c.error_type == wanted.error_type.value
        return Path(conditions=(tables.HAS_ERROR, is_wanted)), frozenset({"error_type"})
    if wanted.status is not None and wanted.status is not WalletStatus.LIVE:
        has_status = wallets.c.status == wanted.status.value
        return Path(conditions=(tables.NOT_LIVE, has_status)), frozenset({"status"})
    return Path(), frozenset()


def _path_of_audit(
    connection: Connection, wanted: AuditFilter, prefix: str | None
) -> tuple[Path | Actions, frozenset[str]]:
    if wanted.job_id is not None:
        of_job = audit_logs.c.job_id == wanted.job_id
        return Path(conditions=(of_job,), is_small_set=True), frozenset({"job_id"})
    if wanted.user_id is not None:
        of_user = audit_logs.c.user_id == wanted.user_id
        return Path(conditions=(of_user,), is_small_set=True), frozenset({"user_id"})
    if prefix is not None and not any(action.startswith(prefix) for action in tables.ROUTINE_ACTIONS):
        return Actions(names=unusual_actions(connection, prefix)), frozenset({"action_prefix"})
    if wanted.status is not None and wanted.status is not AuditStatus.SUCCESS:
        is_wanted = audit_logs.c.status == wanted.status.value
        return Path(conditions=(tables.NO_SUCCESS, is_wanted)), frozenset({"status"})
    return Path(), frozenset()


def _told_of(columns: Columns, wanted: AuditFilter, dialect: str) -> Iterator[ColumnElement[bool]]:
    """Yield the conditions that only the rows' documents can answer."""
    if wanted.chain is not None:
        yield names_chain(columns, clean(wanted.chain), dialect=dialect)
    if wanted.error_type is not None:
        yield tells_of_error(columns, wanted.error_type.value, dialect=dialect)


def _unserved(
    columns: Columns, wanted: JobFilter | WalletFilter | AuditFilter, served: frozenset[str]
) -> list[ColumnElement[bool]]:
    """Return the conditions that all lists know, apart from those that the path serves."""
    values = {
        "status": wanted.status and wanted.status.value,
        "user_id": wanted.user_id,
        "error_type": None
        if isinstance(wanted, AuditFilter)
        else wanted.error_type and wanted.error_type.value,
    }
    exact = [equal(columns[name], value) for name, value in values.items() if value and name not in served]
    times = within(columns["created_at"], wanted.created_after, wanted.created_before)
    return [*chain.from_iterable(exact), *times]


def _bounds(
    table: Table, wanted: JobFilter | WalletFilter | AuditFilter, cursor: str | None
) -> tuple[ColumnElement[bool], ...]:
    """Return the bounds of the ids: what the cursor leads on from, and the times of the filter."""
    beyond = [] if cursor is None else [table.c.id < parse_cursor(table.name, cursor)]
    return (*beyond, *id_bounds(table, wanted.created_after, wanted.created_before))


def _names_chain(connection: Connection, columns: Columns, chain: str) -> ColumnElement[bool]:
    if dialect_name(connection) == "postgresql":
        return columns["chains"].op("@>", is_comparison=True)(literal([chain], Document))
    each = func.json_each(columns["chains"]).table_valued("value")
    return select(each.c.value).where(each.c.value == chain).exists()
