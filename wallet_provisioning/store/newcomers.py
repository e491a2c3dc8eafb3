"""The statements of accepting: new jobs, the wallets that they want, chains that are added."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import Executable, RowMapping, func, select, update
from sqlalchemy.dialects import postgresql, sqlite

from wallet_provisioning.jobs.states import JobStatus, WalletStatus
from wallet_provisioning.store.columns import Time
from wallet_provisioning.store.ids import new_id
from wallet_provisioning.store.sets import ROWS, rows_source
from wallet_provisioning.store.tables import UNFINISHED, jobs, wallets
from wallet_provisioning.store.texts import dump_document
from wallet_provisioning.store.transaction import Transaction, moment_of
from wallet_provisioning.store.urls import Dialect
from wallet_provisioning.store.views import (
    JOB_COLUMNS,
    WALLET_COLUMNS,
    JobView,
    WalletView,
    job_view,
    wallet_view,
)

_TRACEPARENT_PARTS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class NewJob:
    """A job to be made."""

    id: UUID
    user_id: UUID
    chains: tuple[str, ...]
    max_attempts: int
    source: str
    traceparent: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class UnfinishedJob:
    """A user's unfinished job, locked, and the database's time then."""

    id: UUID
    user_id: UUID
    chains: tuple[str, ...]
    epoch: int
    revision: int
    trace_id: str | None
    moment: datetime


def insert_job(tx: Transaction, new: NewJob, *, is_done: bool = False) -> JobView | None:
    """Insert a job, queued or done; None where the user has an unfinished one.

    Waits for a transaction that inserts one at this moment. The view has no wallets yet.
    """
    values = _values(new, is_done=is_done)
    row = tx.execute(_insert_job(tx.dialect, is_done), {**values, **tx.moment}).mappings().one_or_none()
    return None if row is None else job_view(row, {})


def want_wallets(
    tx: Transaction, job_id: UUID, user_id: UUID, chains: Iterable[str], moment: datetime
) -> dict[str, WalletView]:
    """Have the wallets of these chains made for a job; one that failed is tried again.

    Returns them by chain, less those that went live in the meantime, which stay as they are.
    """
    rows = [_wallet(job_id, user_id, chain, moment) for chain in chains]
    found = list(_write_wallets(tx, rows))
    return {row["chain"]: wallet_view(row) for row in found}


def lock_unfinished(tx: Transaction, user_id: UUID) -> UnfinishedJob | None:
    """Lock the user's unfinished job, if there is one."""
    names = ("id", "user_id", "chains", "epoch", "revision", "trace_id")
    query = select(*[jobs.c[name] for name in names], tx.now.label("moment"))
    query = query.where(jobs.c.user_id == user_id, UNFINISHED).with_for_update()
    row = tx.execute(query).mappings().one_or_none()
    return None if row is None else UnfinishedJob(**{**row, "chains": tuple(row["chains"])})


def add_chains(tx: Transaction, job: UnfinishedJob, lacking: Iterable[str]) -> None:
    """Add chains to a locked job; its holder will notice by the revision."""
    statement = update(jobs).where(jobs.c.id == job.id)
    tx.execute(
        statement.values(chains=[*job.chains, *lacking], revision=job.revision + 1, updated_at=job.moment)
    )


def latest_job(tx: Transaction, user_id: UUID) -> UUID | None:
    """Return the job of the user that was made last."""
    query = select(jobs.c.id).where(jobs.c.user_id == user_id).order_by(jobs.c.id.desc()).limit(1)
    found: UUID | None = tx.execute(query).scalar()
    return found


def trace_id_of(traceparent: str | None) -> str | None:
    """Return the trace id of a W3C `traceparent`, None for what is none."""
    if traceparent is None:
        return None
    parts = traceparent.split("-")
    return parts[1] if len(parts) == _TRACEPARENT_PARTS else None


@cache
def _insert_job(dialect: Dialect, is_done: bool) -> Executable:  # noqa: FBT001 - the cache's key
    insert = postgresql.insert if dialect == "postgresql" else sqlite.insert
    now = moment_of(dialect) if dialect == "sqlite" else func.statement_timestamp(type_=Time())
    stamped = ("started_at", "completed_at") if is_done else ("due_at",)
    return (
        insert(jobs)
        .values(dict.fromkeys(("created_at", "updated_at", *stamped), now))
        .on_conflict_do_nothing(index_elements=[jobs.c.user_id], index_where=UNFINISHED)
        .returning(*[jobs.c[name] for name in JOB_COLUMNS])
    )


def _values(new: NewJob, *, is_done: bool) -> dict[str, Any]:
    return {
        "id": new.id,
        "user_id": new.user_id,
        "chains": list(new.chains),
        "status": (JobStatus.COMPLETED if is_done else JobStatus.QUEUED).value,
        "attempt_count": 0,
        "max_attempts": new.max_attempts,
        "crash_count": 0,
        "epoch": 0,
        "revision": 0,
        "source": new.source,
        "traceparent": new.traceparent,
        "trace_id": trace_id_of(new.traceparent),
    }


def _write_wallets(tx: Transaction, rows: Sequence[dict[str, Any]]) -> Iterator[RowMapping]:
    if tx.dialect == "postgresql":
        yield from tx.execute(_want_all(tuple(rows[0])), {ROWS: dump_document(rows)}).mappings()
        return
    for row in rows:
        yield from tx.execute(_want_one(), row).mappings()


@cache
def _want_all(names: tuple[str, ...]) -> Executable:
    source = select(rows_source(wallets, names))
    return _or_again(postgresql.insert(wallets).from_select(names, source))


@cache
def _want_one() -> Executable:
    return _or_again(sqlite.insert(wallets))


def _or_again(insert: postgresql.Insert | sqlite.Insert) -> Executable:
    """A wallet that is there already is tried again, unless it is live."""
    again = {name: insert.excluded[name] for name in ("status", "job_id", "updated_at")}
    return insert.on_conflict_do_update(
        index_elements=[wallets.c.user_id, wallets.c.chain],
        set_={**again, "error_type": None, "error_message": None},
        where=wallets.c.status != WalletStatus.LIVE.value,
    ).returning(*[wallets.c[name] for name in WALLET_COLUMNS])


def _wallet(job_id: UUID, user_id: UUID, chain: str, moment: datetime) -> dict[str, Any]:
    return {
        "id": new_id(),
        "user_id": user_id,
        "chain": chain,
        "status": WalletStatus.CREATING.value,
        "generation": 0,
        "alone": False,
        "job_id": job_id,
        "created_at": moment,
        "updated_at": moment,
    }
