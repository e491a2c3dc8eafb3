"""The wallets that share their job's fate: they fail with it, and are tried again with it."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TypeAlias
from uuid import UUID

from sqlalchemy import func, update

from wallet_provisioning.jobs.states import MoveName, WalletStatus
from wallet_provisioning.store.audit import Facts
from wallet_provisioning.store.changes import Change
from wallet_provisioning.store.sets import one_of
from wallet_provisioning.store.tables import wallets
from wallet_provisioning.store.transaction import Transaction

Fates: TypeAlias = dict[UUID, tuple[Facts, Facts]]


def fail_wallets(tx: Transaction, changes: Sequence[Change], moment: datetime) -> Fates:
    """Fail the wallets still missing of jobs that failed; each keeps an error of its own.

    Returns what became of them by job, chain by chain, for the job's audit row.
    """
    fates: Fates = {}
    for change in changes:
        failure = change.move.failure
        if change.move.name is not MoveName.FAIL or failure is None:
            continue
        statement = (
            update(wallets)
            .where(wallets.c.user_id == change.before.user_id)
            .where(wallets.c.status == WalletStatus.CREATING.value)
            .values(
                status=WalletStatus.FAILED.value,
                error_type=func.coalesce(wallets.c.error_type, failure.error_type.value),
                error_message=func.coalesce(wallets.c.error_message, failure.message),
                updated_at=moment,
            )
            .returning(wallets.c.chain)
        )
        failed = tx.execute(statement).scalars().all()
        fates |= _fate(change, failed, WalletStatus.CREATING, WalletStatus.FAILED)
    return fates


def revive_wallets(tx: Transaction, changes: Sequence[Change], moment: datetime) -> Fates:
    """Have the failed wallets of ended jobs that start again tried again."""
    fates: Fates = {}
    for change in (change for change in changes if change.revives_wallets):
        revived = revive(tx, change.before.user_id, change.before.chains, moment)
        fates |= _fate(change, revived, WalletStatus.FAILED, WalletStatus.CREATING)
    return fates


def revive(tx: Transaction, user_id: UUID, chains: Iterable[str], moment: datetime) -> Sequence[str]:
    """Have failed wallets tried again, under the requests that they belong to; returns their chains."""
    statement = (
        update(wallets)
        .where(wallets.c.user_id == user_id, wallets.c.status == WalletStatus.FAILED.value)
        .where(one_of(tx.dialect, wallets.c.chain, chains))
        .values(status=WalletStatus.CREATING.value, error_type=None, error_message=None, updated_at=moment)
        .returning(wallets.c.chain)
    )
    return list(tx.execute(statement).scalars())


def _fate(change: Change, chains: Iterable[str], before: WalletStatus, after: WalletStatus) -> Fates:
    names = sorted(chains)
    if not names:
        return {}
    return {change.before.id: (dict.fromkeys(names, before.value), dict.fromkeys(names, after.value))}
