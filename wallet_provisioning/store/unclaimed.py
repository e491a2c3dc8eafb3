"""Wallets of ours at Circle whose users nobody here knows: a later request adopts them.

They come from a database that is gone, such as one that was replaced by an old backup. Only the refId,
which is derived, says whose they are, so they are looked for before anything is created.
"""

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, ScalarSelect, delete, exists, literal, select
from sqlalchemy.dialects import postgresql, sqlite

from wallet_provisioning.jobs.chains import Chain
from wallet_provisioning.jobs.listed import Owner, reference_of
from wallet_provisioning.jobs.outcomes import Live
from wallet_provisioning.jobs.states import WalletStatus
from wallet_provisioning.store.audit import write_audit
from wallet_provisioning.store.controls import EVERYTHING, HOLD
from wallet_provisioning.store.errors import CreationHeldError
from wallet_provisioning.store.results import WalletResult, record_results
from wallet_provisioning.store.sets import one_of
from wallet_provisioning.store.tables import controls, unclaimed_wallets
from wallet_provisioning.store.transaction import Transaction
from wallet_provisioning.telemetry.events import WalletCreated

BEHIND = f"{HOLD}behind"


def creation_hold() -> ScalarSelect[Any]:
    """Return why nothing is created, as a part of another query; null where nothing is in the way."""
    held = (controls.c.kind == BEHIND) & (controls.c.subject == EVERYTHING)
    return select(controls.c.reason).where(held).scalar_subquery()


def any_unclaimed() -> ColumnElement[bool]:
    """Return whether any wallet waits for its user, as a part of another query."""
    return exists(select(literal(1)).select_from(unclaimed_wallets))


def heed_reconciliation(tx: Transaction, chain: Chain, wallet_set_id: UUID, rows: Iterable[Row[Any]]) -> bool:
    """Adopt what waits for these wallets' users; True where a wallet went live: look at the rows again.

    Each row has a wallet's columns, `holder_job`, `epoch`, and what the two functions above say. Raises
    `CreationHeldError` while nothing may be created.
    """
    rows = tuple(rows)
    if not rows:
        return False
    if rows[0].hold is not None:
        raise CreationHeldError(rows[0].hold)
    return bool(rows[0].has_unclaimed and _adopt(tx, chain, wallet_set_id, rows))


def keep_unclaimed(tx: Transaction, values: dict[str, Any]) -> bool:
    """Keep a wallet for its user; False where it is kept already."""
    insert = postgresql.insert if tx.dialect == "postgresql" else sqlite.insert
    kept = insert(unclaimed_wallets).values(**values, found_at=tx.now).on_conflict_do_nothing()
    return tx.execute(kept.returning(unclaimed_wallets.c.circle_wallet_id)).first() is not None


def forget_unclaimed(tx: Transaction, circle_wallet_ids: Iterable[UUID]) -> None:
    """Forget wallets that are live now."""
    tx.execute(
        delete(unclaimed_wallets).where(
            one_of(tx.dialect, unclaimed_wallets.c.circle_wallet_id, circle_wallet_ids)
        )
    )


def _adopt(tx: Transaction, chain: Chain, wallet_set_id: UUID, rows: Sequence[Row[Any]]) -> bool:
    wanted = {
        reference_of(wallet_set_id, Owner(user_id=row.user_id, chain=chain.name)): row
        for row in rows
        if row.status == WalletStatus.CREATING.value and row.request_id is None
    }
    found = _find(tx, chain, wallet_set_id, wanted)
    results = [_result(wanted[ref_id], chain, wallet) for ref_id, wallet in found.items()]
    for result in record_results(tx, results):
        _tell(tx, result)
    forget_unclaimed(tx, [wallet.circle_wallet_id for wallet in found.values()])
    return bool(results)


def _find(tx: Transaction, chain: Chain, wallet_set_id: UUID, ref_ids: Iterable[str]) -> dict[str, Row[Any]]:
    """Return the wallets that wait under these refIds, the oldest of each."""
    query = (
        select(unclaimed_wallets)
        .where(one_of(tx.dialect, unclaimed_wallets.c.ref_id, ref_ids))
        .where(unclaimed_wallets.c.blockchain == chain.blockchain)
        .where(unclaimed_wallets.c.account_type == chain.account_type.value)
        .where(unclaimed_wallets.c.wallet_set_id == wallet_set_id)
        .order_by(unclaimed_wallets.c.circle_created_at.desc(), unclaimed_wallets.c.circle_wallet_id.desc())
    )
    return {row.ref_id: row for row in tx.execute(query)}


def _result(row: Row[Any], chain: Chain, wallet: Row[Any]) -> WalletResult:
    live = Live(
        blockchain=wallet.blockchain,
        address=wallet.address,
        circle_wallet_id=wallet.circle_wallet_id,
        wallet_set_id=wallet.wallet_set_id,
        account_type=wallet.account_type,
        adopted=True,
    )
    return WalletResult(
        job_id=UUID(row.holder_job),
        epoch=row.epoch,
        user_id=UUID(row.user_id),
        chain=chain.name,
        outcome=live,
        request_id=None,
    )


def _tell(tx: Transaction, result: WalletResult) -> None:
    """Leave a trace of whom the wallet waited for; the wallet's own audit row says that it is live."""
    live = result.outcome
    if not isinstance(live, Live):
        return
    write_audit(
        tx,
        action="wallet-worker:unclaimed_wallet_adopted",
        resource_type="wallet",
        resource_id=live.circle_wallet_id,
        user_id=result.user_id,
        job_id=result.job_id,
        before={"unclaimed": True},
        after={"chain": result.chain, "circle_wallet_id": str(live.circle_wallet_id)},
    )
    tx.tell_after_commit(
        WalletCreated(
            job_id=result.job_id,
            user_id=result.user_id,
            chain=result.chain,
            blockchain=live.blockchain,
            circle_wallet_id=live.circle_wallet_id,
            adopted=True,
        )
    )
