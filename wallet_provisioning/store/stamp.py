"""The stamp: which Circle environment and wallet set this database belongs to.

A database stamped for the sandbox never serves real customers, nor the other way round.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, select, update
from sqlalchemy.dialects import postgresql, sqlite

from wallet_provisioning.store.errors import NotFoundError, WrongEnvironmentError
from wallet_provisioning.store.tables import deployment
from wallet_provisioning.store.transaction import Transaction

_ONLY_ROW = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamp:
    """The database's environment, its wallet set once there is one, and when it was stamped."""

    environment: str
    wallet_set_id: UUID | None
    created_at: datetime


def stamp_environment(tx: Transaction, environment: str, wallet_set_id: UUID | None) -> Stamp:
    """Stamp the database at its first start, compare at every other; returns the stamp that holds.

    A wallet set may be filled in later, once. Raises `WrongEnvironmentError` where anything differs.
    """
    insert = postgresql.insert if tx.dialect == "postgresql" else sqlite.insert
    first = insert(deployment).values(
        id=_ONLY_ROW, environment=environment, wallet_set_id=wallet_set_id, created_at=tx.now
    )
    tx.execute(first.on_conflict_do_nothing())
    stamp = lock_stamp(tx)
    _compare(stamp, environment, wallet_set_id)
    if stamp.wallet_set_id is not None or wallet_set_id is None:
        return stamp
    fill_wallet_set(tx, wallet_set_id)
    return lock_stamp(tx)


def require_environment(stamp: Stamp, environment: str) -> None:
    """Raise `WrongEnvironmentError` where the database belongs to another Circle environment."""
    if stamp.environment != environment:
        msg = (
            f"this database belongs to the {stamp.environment} environment, but the settings are for "
            f"{environment}; use another database or another key"
        )
        raise WrongEnvironmentError(msg)


def require_wallet_set(tx: Transaction, wallet_set_id: UUID | None) -> None:
    """Raise `WrongEnvironmentError` where the database belongs to another wallet set than the one named.

    One that is named for the first time is stamped once Circle is known to have it.
    """
    _compare_sets(lock_stamp(tx), wallet_set_id)


def read_stamp(connection: Connection) -> Stamp | None:
    """Return the stamp, None before the first start."""
    row = connection.execute(select(deployment)).one_or_none()
    if row is None:
        return None
    return Stamp(environment=row.environment, wallet_set_id=row.wallet_set_id, created_at=row.created_at)


def lock_stamp(tx: Transaction) -> Stamp:
    """Return the stamp, held until the end of the transaction; raises `NotFoundError` without one."""
    tx.execute(select(deployment.c.id).with_for_update())
    stamp = read_stamp(tx.connection)
    if stamp is None:
        what = "stamp in this database; start the daemon once"
        raise NotFoundError(what)
    return stamp


def fill_wallet_set(tx: Transaction, wallet_set_id: UUID) -> None:
    """Write the wallet set into the stamp, which has none."""
    tx.execute(update(deployment).values(wallet_set_id=wallet_set_id))


def _compare(stamp: Stamp, environment: str, wallet_set_id: UUID | None) -> None:
    require_environment(stamp, environment)
    _compare_sets(stamp, wallet_set_id)


def _compare_sets(stamp: Stamp, wallet_set_id: UUID | None) -> None:
    if stamp.wallet_set_id is not None and wallet_set_id not in {None, stamp.wallet_set_id}:
        msg = (
            f"this database belongs to wallet set {stamp.wallet_set_id}, but CIRCLE_WALLET_SET_ID is "
            f"{wallet_set_id}; unset it, use another database, or, where no wallet was made yet, run "
            "`wallet-provisioning wallet-set change`"
        )
        raise WrongEnvironmentError(msg)
