"""The one wallet set that all wallets of a database live in."""

from uuid import UUID

from sqlalchemy import Connection
from sqlalchemy.dialects import postgresql, sqlite

from wallet_provisioning.store.audit import write_audit
from wallet_provisioning.store.ids import new_id
from wallet_provisioning.store.stamp import fill_wallet_set, lock_stamp, read_stamp
from wallet_provisioning.store.tables import wallet_sets
from wallet_provisioning.store.transaction import Transaction


def wallet_set_id(connection: Connection) -> UUID | None:
    """Return Circle's id of the wallet set in use, None before there is one."""
    stamp = read_stamp(connection)
    return None if stamp is None else stamp.wallet_set_id


def save_wallet_set(tx: Transaction, *, circle_wallet_set_id: UUID, name: str, is_made: bool = True) -> UUID:
    """Keep the wallet set that Circle made; returns the one that counts, which the first writer set.

    One that is not `is_made` but named by the settings is only written into the stamp.
    Raises `NotFoundError` where the database was never stamped.
    """
    stamp = lock_stamp(tx)
    winner = stamp.wallet_set_id or circle_wallet_set_id
    if stamp.wallet_set_id is None:
        fill_wallet_set(tx, winner)
    if is_made and winner == circle_wallet_set_id and _insert(tx, winner, name):
        after = {"circle_wallet_set_id": str(winner), "name": name}
        write_audit(
            tx,
            action="wallet-worker:wallet_set_created",
            resource_type="wallet_set",
            resource_id=winner,
            after=after,
        )
    return winner


def _insert(tx: Transaction, circle_wallet_set_id: UUID, name: str) -> bool:
    insert = postgresql.insert if tx.dialect == "postgresql" else sqlite.insert
    statement = insert(wallet_sets).values(
        id=new_id(),
        name=name,
        circle_wallet_set_id=circle_wallet_set_id,
        status="active",
        created_at=tx.now,
        updated_at=tx.now,
    )
    written = tx.execute(statement.on_conflict_do_nothing().returning(wallet_sets.c.id))
    return written.first() is not None
