"""What a reconcile under way has noted, and the two walks over it: Circle against us, us against Circle.

Wallets that are here too are noted by their id alone; those that are not, the strays, whole. Every walk
goes by a key in batches of a few hundred rows, so its memory is the same for ten wallets and ten million.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, Select, func, literal, select, tuple_, update
from sqlalchemy.dialects import postgresql, sqlite

from wallet_provisioning.jobs.listed import ListedWallet, Owner
from wallet_provisioning.store.lookups import dialect_name
from wallet_provisioning.store.sets import insert_rows, one_of
from wallet_provisioning.store.tables import (
    jobs,
    reconciliation_seen,
    reconciliation_strays,
    unclaimed_wallets,
    wallets,
)
from wallet_provisioning.store.transaction import Transaction

STRAY_COLUMNS = (
    "circle_wallet_id",
    "ref_id",
    "blockchain",
    "account_type",
    "address",
    "wallet_set_id",
    "state",
    "circle_created_at",
    "user_id",
    "chain",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where the walk over the strays stands: by refId and blockchain, the oldest first."""

    ref_id: str
    blockchain: str
    created_at: datetime
    circle_wallet_id: UUID


def count_wallets(connection: Connection) -> int:
    """Return how many wallets are live here, or will be."""
    return connection.execute(select(func.count()).select_from(wallets)).scalar_one()


def wallets_by_circle_id(
    connection: Connection, circle_wallet_ids: Iterable[UUID]
) -> Mapping[UUID, Row[Any]]:
    """Return the wallets here that are these at Circle."""
    column = wallets.c.circle_wallet_id
    query = select(wallets).where(one_of(dialect_name(connection), column, circle_wallet_ids))
    return {row.circle_wallet_id: row for row in connection.execute(query)}


def note_seen(tx: Transaction, circle_wallet_ids: Iterable[UUID]) -> None:
    """Note wallets that are on both sides. Noting twice is noting once: pages may overlap."""
    values = [{"circle_wallet_id": each} for each in circle_wallet_ids]
    if values:
        insert = postgresql.insert if tx.dialect == "postgresql" else sqlite.insert
        tx.execute(insert(reconciliation_seen).values(values).on_conflict_do_nothing())


def note_strays(tx: Transaction, strays: Iterable[ListedWallet]) -> None:
    """Note wallets of ours that are at Circle alone, with their owner where that is proven."""
    new = {stray.circle_wallet_id: stray for stray in strays}
    column = reconciliation_strays.c.circle_wallet_id
    noted = set(tx.execute(select(column).where(one_of(tx.dialect, column, new))).scalars())
    insert_rows(tx, reconciliation_strays, [_stray(each) for id_, each in new.items() if id_ not in noted])


def has_nameless_strays(connection: Connection) -> bool:
    """Return whether a stray's owner is still unknown: then the refIds of our wallets may tell."""
    query = select(literal(1)).where(reconciliation_strays.c.user_id.is_(None)).limit(1)
    return connection.execute(query).first() is not None


def name_strays(tx: Transaction, owners: Mapping[str, Owner]) -> None:
    """Note whose the strays under these refIds are."""
    nameless = reconciliation_strays.c.user_id.is_(None)
    column = reconciliation_strays.c.ref_id
    for ref_id in tx.execute(select(column).where(nameless, one_of(tx.dialect, column, owners))).scalars():
        owner = owners[ref_id]
        values = {"user_id": owner.user_id, "chain": owner.chain}
        tx.execute(update(reconciliation_strays).where(column == ref_id, nameless).values(values))


def wallets_after(connection: Connection, after: UUID | None, limit: int) -> Sequence[Row[Any]]:
    """Return our wallets in the order of their ids, each with `is_seen`, its job's status and the time."""
    query = (
        select(
            wallets,
            reconciliation_seen.c.circle_wallet_id.is_not(None).label("is_seen"),
            jobs.c.status.label("job_status"),
        )
        .outerjoin(reconciliation_seen, reconciliation_seen.c.circle_wallet_id == wallets.c.circle_wallet_id)
        .outerjoin(jobs, jobs.c.id == wallets.c.job_id)
        .order_by(wallets.c.id)
        .limit(limit)
    )
    if after is not None:
        query = query.where(wallets.c.id > after)
    return connection.execute(query).all()


def strays_after(connection: Connection, after: Place | None, limit: int) -> Sequence[Row[Any]]:
    """Return strays in the order of `Place`, each with what is known of its owner's wallet here.

    `status`, `kept`, `request_id`, `job_id`, `wallet_blockchain` and `job_status` are that wallet's;
    `is_recorded` says that the stray has become a wallet here since it was noted, `is_kept` that it
    waits for its user already.
    """
    query = _strays().limit(limit)
    if after is not None:
        here = (after.ref_id, after.blockchain, after.created_at, after.circle_wallet_id)
        values = (literal(value, column.type) for value, column in zip(here, _place(), strict=True))
        query = query.where(tuple_(*_place()) > tuple_(*values))
    return connection.execute(query).all()


def _strays() -> Select[Any]:
    strays, recorded = reconciliation_strays, wallets.alias("recorded")
    return (
        select(
            *[strays.c[name] for name in STRAY_COLUMNS],
            wallets.c.status,
            wallets.c.circle_wallet_id.label("kept"),
            wallets.c.request_id,
            wallets.c.job_id,
            wallets.c.blockchain.label("wallet_blockchain"),
            jobs.c.status.label("job_status"),
            recorded.c.id.is_not(None).label("is_recorded"),
            unclaimed_wallets.c.circle_wallet_id.is_not(None).label("is_kept"),
        )
        .select_from(strays)
        .outerjoin(wallets, (wallets.c.user_id == strays.c.user_id) & (wallets.c.chain == strays.c.chain))
        .outerjoin(jobs, jobs.c.id == wallets.c.job_id)
        .outerjoin(recorded, recorded.c.circle_wallet_id == strays.c.circle_wallet_id)
        .outerjoin(unclaimed_wallets, unclaimed_wallets.c.circle_wallet_id == strays.c.circle_wallet_id)
        .order_by(*_place())
    )


def _place() -> tuple[Any, ...]:
    columns = reconciliation_strays.c
    return (columns.ref_id, columns.blockchain, columns.circle_created_at, columns.circle_wallet_id)


def _stray(wallet: ListedWallet) -> dict[str, Any]:
    owner = wallet.owner()
    return {
        "circle_wallet_id": wallet.circle_wallet_id,
        "ref_id": wallet.ref_id,
        "blockchain": wallet.blockchain,
        "account_type": wallet.account_type,
        "address": wallet.address,
        "wallet_set_id": wallet.wallet_set_id,
        "state": wallet.state,
        "circle_created_at": wallet.created_at,
        "user_id": None if owner is None else owner.user_id,
        "chain": None if owner is None else owner.chain,
        "name": wallet.name,
    }
