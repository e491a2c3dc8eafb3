"""How reconciling stands: who is at it, and what the last whole run found. One row.

A run holds a lease that each of its steps renews, so of two runs the second is refused, and one that
was killed is over when its lease ends. What it had noted is thrown away by the next.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, and_, delete, func, or_, select, text, update

from wallet_provisioning.store.errors import ReconcileTakenError
from wallet_provisioning.store.tables import (
    deployment,
    reconciliation,
    reconciliation_seen,
    reconciliation_strays,
)
from wallet_provisioning.store.transaction import Transaction, now_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What the last whole run found by kind, and how long ago it ended; None before the first.

    `idle` counts from that end, or from the birth of the database.
    """

    findings: Mapping[str, int]
    age: timedelta | None
    idle: timedelta


def begin_run(
    tx: Transaction, *, holder: UUID, lease: timedelta, unless_within: timedelta | None = None
) -> datetime:
    """Begin a run with nothing noted; returns the database's time.

    `unless_within` is for a run that nobody asked for: one in that time, or a younger database, is
    enough. Raises `ReconcileTakenError`.
    """
    now = tx.now
    free = or_(reconciliation.c.lease_until.is_(None), reconciliation.c.lease_until <= now)
    if unless_within is not None:
        born = select(func.max(deployment.c.created_at)).scalar_subquery()
        last = func.coalesce(reconciliation.c.finished_at, born)
        free = and_(free, last <= tx.after(-unless_within))
    taken = update(reconciliation).where(free)
    values = {"holder": holder, "lease_until": tx.after(lease), "started_at": now}
    started: datetime | None = tx.execute(
        taken.values(values).returning(reconciliation.c.started_at)
    ).scalar()
    if started is None:
        raise ReconcileTakenError
    _forget_notes(tx)
    return started


def renew_run(tx: Transaction, *, holder: UUID, lease: timedelta) -> None:
    """Prolong the hold; raises `ReconcileTakenError` where another run has begun since."""
    mine = update(reconciliation).where(reconciliation.c.holder == holder)
    if tx.execute(mine.values(lease_until=tx.after(lease))).rowcount != 1:
        raise ReconcileTakenError


def finish_run(tx: Transaction, *, holder: UUID, findings: Mapping[str, int]) -> None:
    """Keep what a whole run found, and let the next one begin."""
    renew_run(tx, holder=holder, lease=timedelta())
    values = {"holder": None, "lease_until": None, "finished_at": tx.now, "findings": dict(findings)}
    tx.execute(update(reconciliation).values(values))
    _forget_notes(tx)


def abandon_run(tx: Transaction, *, holder: UUID) -> None:
    """Give up a run that can't go on; the next one may begin at once."""
    mine = update(reconciliation).where(reconciliation.c.holder == holder)
    tx.execute(mine.values(holder=None, lease_until=None))


def read_standing(connection: Connection) -> Standing:
    """Return what the last whole run found."""
    born = select(func.max(deployment.c.created_at)).scalar_subquery().label("born")
    columns = (reconciliation.c.findings, reconciliation.c.finished_at, born)
    row = connection.execute(select(*columns, now_of(connection).label("moment"))).one()
    findings: dict[str, Any] = row.findings or {}
    age = None if row.finished_at is None else max(timedelta(), row.moment - row.finished_at)
    since_birth = timedelta() if row.born is None else max(timedelta(), row.moment - row.born)
    return Standing(
        findings={kind: int(count) for kind, count in findings.items()},
        age=age,
        idle=since_birth if age is None else age,
    )


def _forget_notes(tx: Transaction) -> None:
    for table in (reconciliation_seen, reconciliation_strays):
        # Emptied as a whole on PostgreSQL: millions of rows deleted one by one would outlast its time-out.
        empty = delete(table) if tx.dialect == "sqlite" else text(f"TRUNCATE {table.name}")
        tx.execute(empty)
