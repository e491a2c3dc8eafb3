"""Single things by their id, for readers and inside writes."""

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Select, select

from wallet_provisioning.store.errors import NotFoundError
from wallet_provisioning.store.sets import one_of, set_value
from wallet_provisioning.store.tables import jobs, wallets
from wallet_provisioning.store.urls import Dialect
from wallet_provisioning.store.views import (
    JOB_COLUMNS,
    WALLET_COLUMNS,
    JobView,
    WalletView,
    job_view,
    wallet_view,
)


def find_job(connection: Connection, job_id: UUID) -> JobView | None:
    """Return a job, or None."""
    found = read_jobs(connection, job_columns().where(jobs.c.id == job_id))
    return found[0] if found else None


def require_job(connection: Connection, job_id: UUID) -> JobView:
    """Return a job; raises `NotFoundError`."""
    job = find_job(connection, job_id)
    if job is None:
        msg = f"job {job_id}"
        raise NotFoundError(msg)
    return job


def job_columns() -> Select[Any]:
    """Return the query of all jobs' columns that views need, to be narrowed down."""
    return select(*[jobs.c[name] for name in JOB_COLUMNS])


def wallet_columns() -> Select[Any]:
    """Return the query of all wallets' columns that views need, to be narrowed down."""
    return select(*[wallets.c[name] for name in WALLET_COLUMNS])


def read_jobs(connection: Connection, statement: Select[Any]) -> tuple[JobView, ...]:
    """Run a query of `job_columns` and return the jobs in its order, each with its wallets."""
    rows = connection.execute(statement).mappings().all()
    members = wallets_of(connection, {row["user_id"] for row in rows}) if rows else {}
    return tuple(job_view(row, members.get(row["user_id"], {})) for row in rows)


def wallets_of(connection: Connection, user_ids: Iterable[UUID]) -> Mapping[UUID, dict[str, WalletView]]:
    """Return the wallets of these users, by user and chain."""
    dialect = dialect_name(connection)
    parameters = {"user_ids": set_value(dialect, user_ids)}
    by_user: dict[UUID, dict[str, WalletView]] = {}
    for row in connection.execute(_wallets_of(dialect), parameters).mappings():
        by_user.setdefault(row["user_id"], {})[row["chain"]] = wallet_view(row)
    return by_user


@cache
def _wallets_of(dialect: Dialect) -> Select[Any]:
    return wallet_columns().where(one_of(dialect, wallets.c.user_id, "user_ids"))


def read_wallets(connection: Connection, statement: Select[Any]) -> Sequence[WalletView]:
    """Run a query of `wallet_columns` and return the wallets in its order."""
    return [wallet_view(row) for row in connection.execute(statement).mappings()]


def dialect_name(connection: Connection) -> Dialect:
    """Return which database a connection leads to."""
    return "sqlite" if connection.dialect.name == "sqlite" else "postgresql"
