"""What a reconcile mends, each with an audit row of its own that says how it was before and after."""

from typing import Any
from uuid import UUID

from sqlalchemy import Row

from wallet_provisioning.jobs.outcomes import Live
from wallet_provisioning.jobs.states import AuditStatus
from wallet_provisioning.store.accepting import JobRequest, accept_job
from wallet_provisioning.store.audit import Facts, write_audit
from wallet_provisioning.store.results import WalletResult, record_results
from wallet_provisioning.store.strays import STRAY_COLUMNS
from wallet_provisioning.store.telling import tell_accepted
from wallet_provisioning.store.transaction import Transaction
from wallet_provisioning.store.unclaimed import keep_unclaimed
from wallet_provisioning.telemetry.events import WalletCreated


def adopt_stray(tx: Transaction, stray: Row[Any]) -> bool:
    """Record a wallet that is wanted here and exists at Circle, whatever became of its job."""
    live = Live(
        blockchain=stray.blockchain,
        address=stray.address,
        circle_wallet_id=stray.circle_wallet_id,
        wallet_set_id=stray.wallet_set_id,
        account_type=stray.account_type,
        adopted=True,
    )
    result = WalletResult(
        job_id=stray.job_id,
        epoch=None,
        user_id=stray.user_id,
        chain=stray.chain,
        outcome=live,
        request_id=stray.request_id,
    )
    if not record_results(tx, [result]):
        return False
    _audit_adoption(tx, stray)
    tx.tell_after_commit(
        WalletCreated(
            job_id=stray.job_id,
            user_id=stray.user_id,
            chain=stray.chain,
            blockchain=stray.blockchain,
            circle_wallet_id=stray.circle_wallet_id,
            adopted=True,
        )
    )
    return True


def _audit_adoption(tx: Transaction, stray: Row[Any]) -> None:
    _audit(
        tx,
        "adopt",
        stray.circle_wallet_id,
        user_id=stray.user_id,
        job_id=stray.job_id,
        before={"status": stray.status, "circle_wallet_id": None},
        after={
            "status": "live",
            "circle_wallet_id": str(stray.circle_wallet_id),
            "address": stray.address,
        },
    )


def keep_stray(tx: Transaction, stray: Row[Any]) -> bool:
    """Keep a wallet for a user whom nobody here knows, so that a later request adopts it."""
    if not keep_unclaimed(tx, {name: getattr(stray, name) for name in STRAY_COLUMNS}):
        return False
    after = {"unclaimed": True, "ref_id": stray.ref_id, "blockchain": stray.blockchain}
    _audit(
        tx,
        "keep_unclaimed",
        stray.circle_wallet_id,
        user_id=stray.user_id,
        before={"unclaimed": False},
        after=after,
    )
    return True


def report_duplicate(tx: Transaction, stray: Row[Any], kept: UUID) -> None:
    """Leave a trace of a second wallet: it can't be deleted, so a person must look at it."""
    pair = {"kept": str(kept), "duplicate": str(stray.circle_wallet_id)}
    after = {**pair, "chain": stray.chain, "blockchain": stray.blockchain, "ref_id": stray.ref_id}
    _audit(
        tx,
        "duplicate",
        stray.circle_wallet_id,
        user_id=stray.user_id,
        before={"kept": str(kept)},
        after=after,
        status=AuditStatus.FAILED,
    )


def restart_stuck(tx: Transaction, wallet: Row[Any], max_attempts: int) -> None:
    """Ask for a wallet again that nobody works on, as any other request would."""
    request = JobRequest(
        user_id=wallet.user_id, chains=(wallet.chain,), source="cli", max_attempts=max_attempts
    )
    accepted = accept_job(tx, request)
    tell_accepted(tx, accepted)
    before = {"job_id": None if wallet.job_id is None else str(wallet.job_id), "job": wallet.job_status}
    after = {"job_id": str(accepted.job.id), "job": accepted.job.status.value, "chain": wallet.chain}
    _audit(tx, "retry", wallet.id, user_id=wallet.user_id, job_id=accepted.job.id, before=before, after=after)


def _audit(
    tx: Transaction,
    verb: str,
    resource_id: UUID,
    *,
    user_id: UUID | None,
    job_id: UUID | None = None,
    before: Facts,
    after: Facts,
    status: AuditStatus = AuditStatus.SUCCESS,
) -> None:
    write_audit(
        tx,
        action=f"admin:reconcile_{verb}",
        resource_type="wallet",
        resource_id=resource_id,
        user_id=user_id,
        job_id=job_id,
        before=before,
        after=after,
        status=status,
    )
