"""Another wallet set for a database that has no wallet yet: the way out of a wrong CIRCLE_WALLET_SET_ID.

A wallet's reference at Circle is derived from its set, so whoever has a wallet, or may have one, in the
old set would get a second one in the new. Hence the set changes only while nothing was made: no wallet is
known here, and every stored request certainly ended without effect.
"""

from typing import Any
from uuid import UUID

from sqlalchemy import Select, not_, or_, select, update

from wallet_provisioning.jobs.states import WalletStatus
from wallet_provisioning.store.audit import write_audit
from wallet_provisioning.store.daemons import count_living
from wallet_provisioning.store.errors import ConflictError
from wallet_provisioning.store.stamp import fill_wallet_set, lock_stamp
from wallet_provisioning.store.tables import NOT_LIVE, circle_requests, unclaimed_wallets, wallets
from wallet_provisioning.store.transaction import Transaction

_UNRESOLVED = circle_requests.c.state == "unresolved"
_ACTION = "admin:change_wallet_set"


def change_wallet_set(tx: Transaction, wallet_set_id: UUID, *, reason: str) -> UUID | None:
    """Write another set into the stamp; returns the old one, None where there was none yet.

    Requests to the old set that Circle refused are closed, and their members free for new ones. Look first
    whether Circle knows the new set. Raises `ConflictError` where a wallet was made, or may have been, or a
    daemon lives, and `NotFoundError` where the database was never stamped.
    """
    old = lock_stamp(tx).wallet_set_id
    if old == wallet_set_id:
        return old
    _require_nothing_made(tx)
    _close_requests(tx)
    fill_wallet_set(tx, wallet_set_id)
    write_audit(
        tx,
        action=_ACTION,
        resource_type="wallet_set",
        resource_id=wallet_set_id,
        before={"wallet_set_id": None if old is None else str(old)},
        after={"wallet_set_id": str(wallet_set_id), "reason": reason},
    )
    return old


def _require_nothing_made(tx: Transaction) -> None:
    living = count_living(tx)
    if living:
        msg = (
            f"{living} daemon(s) run on this database; stop them first (one that was killed counts for "
            "another 15 seconds)"
        )
        raise ConflictError(msg)
    is_live = wallets.c.status == WalletStatus.LIVE.value
    if _has(tx, select(wallets.c.id).where(is_live)) or _has(tx, select(unclaimed_wallets.c.user_id)):
        msg = "there are wallets in this database's wallet set, so it can't be changed: use another database"
        raise ConflictError(msg)
    is_uncertain = or_(circle_requests.c.ambiguous, not_(circle_requests.c.certain))
    if _has(tx, select(circle_requests.c.id).where(_UNRESOLVED, is_uncertain)):
        msg = (
            "a request may have made wallets in this database's wallet set: run a daemon with that set until "
            "Circle has answered it, or use another database"
        )
        raise ConflictError(msg)


def _close_requests(tx: Transaction) -> None:
    of_old = select(circle_requests.c.id).where(_UNRESOLVED)
    freed = update(wallets).where(wallets.c.request_id.in_(of_old), NOT_LIVE)
    tx.execute(freed.values(request_id=None, position=None))
    refusal = "the wallet set was changed; Circle had refused every sending"
    tx.execute(update(circle_requests).where(_UNRESOLVED).values(state="refused", refusal=refusal))


def _has(tx: Transaction, rows: Select[tuple[Any]]) -> bool:
    return tx.execute(rows.limit(1)).first() is not None
