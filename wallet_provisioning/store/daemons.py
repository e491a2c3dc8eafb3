"""Which daemons live: each writes a row under its boot id, and sees to it that it stays fresh.

The host's name is kept for people to read; nobody is told apart by it, since two daemons may share one.
A row that was not refreshed for three heartbeats is that of a dead daemon, and is swept by the others.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import Connection, delete, func, select
from sqlalchemy.dialects import postgresql, sqlite

from wallet_provisioning.store.tables import daemons
from wallet_provisioning.store.transaction import Transaction, now_of

HEARTBEAT = timedelta(seconds=5)
_MISSED = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Presence:
    """What a daemon says of itself; `boot_id` is its only identity."""

    boot_id: UUID
    version: str
    environment: str
    hostname: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DaemonView:
    """A daemon that lives."""

    boot_id: UUID
    version: str
    environment: str
    hostname: str
    started_at: datetime
    seen_at: datetime


def beat(tx: Transaction, presence: Presence, *, heartbeat: timedelta = HEARTBEAT) -> int:
    """Say that this daemon lives, sweep those that don't any more, and return how many do."""
    insert = postgresql.insert if tx.dialect == "postgresql" else sqlite.insert
    moment = tx.read_clock()
    mine = insert(daemons).values(
        boot_id=presence.boot_id,
        version=presence.version,
        environment=presence.environment,
        hostname=presence.hostname,
        started_at=moment,
        seen_at=moment,
    )
    tx.execute(mine.on_conflict_do_update(index_elements=["boot_id"], set_={"seen_at": moment}))
    tx.execute(delete(daemons).where(daemons.c.seen_at < moment - _MISSED * heartbeat))
    return int(tx.execute(select(func.count()).select_from(daemons)).scalar_one())


def leave(tx: Transaction, boot_id: UUID) -> None:
    """Remove this daemon's row: it has stopped in good order."""
    tx.execute(delete(daemons).where(daemons.c.boot_id == boot_id))


def live_daemons(connection: Connection, *, heartbeat: timedelta = HEARTBEAT) -> int:
    """Return how many daemons have been seen within three heartbeats."""
    return len(list_daemons(connection, heartbeat=heartbeat))


def count_living(tx: Transaction, *, heartbeat: timedelta = HEARTBEAT) -> int:
    """Return how many daemons live, as a transaction sees it."""
    alive = daemons.c.seen_at >= tx.read_clock() - _MISSED * heartbeat
    return int(tx.execute(select(func.count()).select_from(daemons).where(alive)).scalar_one())


def list_daemons(connection: Connection, *, heartbeat: timedelta = HEARTBEAT) -> tuple[DaemonView, ...]:
    """Return the daemons that live, the oldest first."""
    now: datetime = connection.execute(select(now_of(connection).label("now"))).scalar_one()
    alive = daemons.c.seen_at >= now - _MISSED * heartbeat
    query = select(daemons).where(alive).order_by(daemons.c.started_at, daemons.c.boot_id)
    return tuple(DaemonView(**row) for row in connection.execute(query).mappings())
