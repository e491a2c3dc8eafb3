"""The audit trail: what was done, to what, by whom, in the transaction that did it.

Rows are only ever added; triggers on both databases refuse to change or delete one.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias
from uuid import UUID

from sqlalchemy import func, select

from wallet_provisioning.jobs.states import AuditStatus
from wallet_provisioning.store.ids import new_ids
from wallet_provisioning.store.sets import insert_rows
from wallet_provisioning.store.tables import audit_logs
from wallet_provisioning.store.transaction import Transaction

Facts: TypeAlias = Mapping[str, Any]

JOB_CREATED = "wallet-worker:job_created"
CHAINS_MERGED = "wallet-worker:chains_merged"
WALLET_CREATED = "wallet-worker:wallet_created"
WALLET_FAILED = "wallet-worker:wallet_failed"
DUPLICATE_WALLET = "wallet-worker:duplicate_wallet"


_LAST = select(func.max(audit_logs.c.position))


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """One row to be written; `before` and `after` hold only what JSON can."""

    action: str
    resource_type: str
    resource_id: str | None
    user_id: UUID | None = None
    job_id: UUID | None = None
    epoch: int | None = None
    before: Facts | None = None
    after: Facts | None = None
    status: AuditStatus = AuditStatus.SUCCESS
    error_message: str | None = None
    trace_id: str | None = None


def write_audit(
    tx: Transaction,
    *,
    action: str,
    resource_type: str,
    resource_id: UUID | str | None,
    user_id: UUID | None = None,
    job_id: UUID | None = None,
    before: Facts | None = None,
    after: Facts | None = None,
    status: AuditStatus = AuditStatus.SUCCESS,
    error_message: str | None = None,
    trace_id: str | None = None,
) -> None:
    """Add one row in the name of the transaction's actor."""
    entry = AuditEntry(
        action=action,
        resource_type=resource_type,
        resource_id=None if resource_id is None else str(resource_id),
        user_id=user_id,
        job_id=job_id,
        before=before,
        after=after,
        status=status,
        error_message=error_message,
        trace_id=trace_id,
    )
    write_entries(tx, [entry], tx.read_clock())


def write_entries(tx: Transaction, entries: Sequence[AuditEntry], moment: datetime) -> None:
    """Add rows in their order, all stamped with one moment of the database's clock."""
    if not entries:
        return
    ids = new_ids(len(entries))
    rows = [_row(tx, entry, own_id, moment) for entry, own_id in zip(entries, ids, strict=True)]
    if tx.dialect == "sqlite":
        _number(tx, rows)
    insert_rows(tx, audit_logs, rows)


def _number(tx: Transaction, rows: Iterable[dict[str, Any]]) -> None:
    """Give rows the next positions, as SQLite's trigger would at the price of an update of each."""
    last: int | None = tx.execute(_LAST).scalar()
    for position, row in enumerate(rows, start=(last or 0) + 1):
        row["position"] = position


def _row(tx: Transaction, entry: AuditEntry, own_id: str, moment: datetime) -> dict[str, Any]:
    return {
        "id": own_id,
        "user_id": entry.user_id,
        "actor": tx.actor,
        "action": entry.action,
        "resource_type": entry.resource_type,
        "resource_id": entry.resource_id,
        "changes": {"before": entry.before, "after": entry.after},
        "status": entry.status.value,
        "error_message": entry.error_message,
        "created_at": moment,
        "trace_id": entry.trace_id,
        "job_id": entry.job_id,
        "epoch": entry.epoch,
    }
