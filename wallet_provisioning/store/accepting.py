"""Accepts requests for wallets: one unfinished job a user, whoever asks at once and however often.

Theory of operation. A request's keys are written first: each is unique, so of two transactions with the
same key the second waits for the first and then answers with its job. Next, one who may have a job (a user
with wallets) has it looked for and locked; chains that it lacks are merged into it. Else a job is inserted
under a partial unique index over unfinished jobs: of two transactions for one user the second waits,
inserts nothing, and starts again with the job that it now finds. Where the first one's job has ended
meanwhile, the second's is let in, but the wallets that it then wants are live: it is taken back, and the
latest job is the answer. No step decides on what it has only read, so no lock of the whole is needed. Keys
come before jobs in every transaction, hence two accepts never wait for each other in a circle.
"""

from dataclasses import dataclass, replace
from typing import Literal
from uuid import UUID

from wallet_provisioning.jobs.states import JobStatus, WalletStatus
from wallet_provisioning.store.audit import CHAINS_MERGED, JOB_CREATED, AuditEntry, write_entries
from wallet_provisioning.store.errors import StoreBusyError
from wallet_provisioning.store.ids import new_id
from wallet_provisioning.store.keys import RequestKey, claim_keys, point_keys
from wallet_provisioning.store.lookups import require_job, wallets_of
from wallet_provisioning.store.newcomers import (
    NewJob,
    UnfinishedJob,
    add_chains,
    insert_job,
    latest_job,
    lock_unfinished,
    want_wallets,
)
from wallet_provisioning.store.transaction import Transaction
from wallet_provisioning.store.views import JobView, WalletView
from wallet_provisioning.store.wakeups import announce

__all__ = ["Accepted", "JobRequest", "RequestKey", "Source", "accept_job"]

Source = Literal["kyc", "http", "message", "cli", "import"]
_ROUNDS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRequest:
    """A wish for wallets on these chains, which the caller has checked. No chains raise `ValueError`."""

    user_id: UUID
    chains: tuple[str, ...]
    source: Source
    keys: tuple[RequestKey, ...] = ()
    max_attempts: int = 5
    traceparent: str | None = None

    def __post_init__(self) -> None:
        """Refuse what could never end."""
        if not self.chains or len(set(self.chains)) != len(self.chains):
            msg = f"{self.chains} must name at least one chain, and none twice"
            raise ValueError(msg)


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """The job that a request belongs to; `created` by it, or with these chains `merged` in by it."""

    job: JobView
    created: bool
    merged: tuple[str, ...]


def accept_job(tx: Transaction, request: JobRequest) -> Accepted:
    """Return the job of a request: its first one for a repeat, the user's unfinished one, or a new one.

    Chains that are live already are skipped; with all of them live the user's latest job is returned.
    """
    job_id = new_id()
    first = claim_keys(tx, request.keys, job_id)
    if first is not None:
        return Accepted(job=require_job(tx.connection, first), created=False, merged=())
    for _ in range(_ROUNDS):
        accepted = _try_accept(tx, request, job_id)
        if accepted is not None:
            point_keys(tx, request.keys, job_id, accepted.job.id)
            return accepted
    raise StoreBusyError(_too_fast(request))


def new_job(request: JobRequest, job_id: UUID, chains: tuple[str, ...]) -> NewJob:
    """Return the job that a request asks for, with these chains."""
    return NewJob(
        id=job_id,
        user_id=request.user_id,
        chains=chains,
        max_attempts=request.max_attempts,
        source=request.source,
        traceparent=request.traceparent,
    )


def facts_of(new: NewJob | JobView, status: JobStatus) -> dict[str, object]:
    """Return what the audit says of a job that was made."""
    return {
        "status": status.value,
        "chains": list(new.chains),
        "source": new.source,
        "attempt_count": 0,
        "max_attempts": new.max_attempts,
    }


def _try_accept(tx: Transaction, request: JobRequest, job_id: UUID) -> Accepted | None:
    """Return None where another transaction got in between: look again."""
    known = wallets_of(tx.connection, [request.user_id]).get(request.user_id, {})
    if not known:
        return _create(tx, request, job_id, request.chains, known)
    unfinished = lock_unfinished(tx, request.user_id)
    if unfinished is not None:
        return _merge(tx, request, unfinished, known)
    missing = tuple(chain for chain in request.chains if not _is_live(known, chain))
    if missing:
        return _create(tx, request, job_id, missing, known)
    return _answer_with_latest(tx, request, job_id)


def _too_fast(request: JobRequest) -> str:
    return f"the jobs of user {request.user_id} change too fast"


def _is_live(known: dict[str, WalletView], chain: str) -> bool:
    return chain in known and known[chain].status is WalletStatus.LIVE


def _create(
    tx: Transaction,
    request: JobRequest,
    job_id: UUID,
    chains: tuple[str, ...],
    known: dict[str, WalletView],
) -> Accepted | None:
    # A job that turns out to be needless is taken back. Else the savepoint ends with the transaction.
    taken_back = tx.connection.begin_nested() if known else None
    job = insert_job(tx, new_job(request, job_id, chains))
    wanted = {} if job is None else want_wallets(tx, job_id, request.user_id, chains, job.created_at)
    if job is None or not wanted:
        if taken_back is not None:
            taken_back.rollback()
        elif job is not None:
            raise StoreBusyError(_too_fast(request))
        return None
    _audit_creation(tx, job, known, wanted)
    announce(tx)
    if len(wanted) < len(chains):
        return Accepted(job=require_job(tx.connection, job_id), created=True, merged=())
    members = tuple(wanted[chain] for chain in chains)
    return Accepted(job=replace(job, wallets=members), created=True, merged=())


def _merge(
    tx: Transaction, request: JobRequest, job: UnfinishedJob, known: dict[str, WalletView]
) -> Accepted:
    lacking = tuple(
        chain for chain in request.chains if chain not in job.chains and not _is_live(known, chain)
    )
    if lacking:
        add_chains(tx, job, lacking)
        wanted = want_wallets(tx, job.id, request.user_id, lacking, job.moment)
        _audit_merge(tx, job, lacking, known, wanted)
    return Accepted(job=require_job(tx.connection, job.id), created=False, merged=lacking)


def _answer_with_latest(tx: Transaction, request: JobRequest, job_id: UUID) -> Accepted | None:
    """Return the latest job; a user whose wallets came without one is given one that is done."""
    latest = latest_job(tx, request.user_id)
    if latest is not None:
        return Accepted(job=require_job(tx.connection, latest), created=False, merged=())
    job = insert_job(tx, new_job(request, job_id, request.chains), is_done=True)
    if job is None:
        return None
    _audit_creation(tx, job, {}, {})
    return Accepted(job=require_job(tx.connection, job_id), created=True, merged=())


def _audit_creation(
    tx: Transaction, job: JobView, known: dict[str, WalletView], wanted: dict[str, WalletView]
) -> None:
    wallets_before, wallets_after = _wallet_facts(known, wanted)
    entry = AuditEntry(
        action=JOB_CREATED,
        resource_type="job",
        resource_id=str(job.id),
        user_id=job.user_id,
        job_id=job.id,
        epoch=0,
        before=wallets_before or None,
        after={**facts_of(job, job.status), **wallets_after},
        trace_id=job.trace_id,
    )
    write_entries(tx, [entry], job.created_at)


def _wallet_facts(
    known: dict[str, WalletView], wanted: dict[str, WalletView]
) -> tuple[dict[str, object], dict[str, object]]:
    """Return what becomes of wallets that were there already; of a new one its job tells enough."""
    again = {chain: view.status.value for chain, view in wanted.items() if chain in known}
    if not again:
        return {}, {}
    return {"wallets": {chain: known[chain].status.value for chain in again}}, {"wallets": again}


def _audit_merge(
    tx: Transaction,
    job: UnfinishedJob,
    lacking: tuple[str, ...],
    known: dict[str, WalletView],
    wanted: dict[str, WalletView],
) -> None:
    wallets_before, wallets_after = _wallet_facts(known, wanted)
    entry = AuditEntry(
        action=CHAINS_MERGED,
        resource_type="job",
        resource_id=str(job.id),
        user_id=job.user_id,
        job_id=job.id,
        epoch=job.epoch,
        before={"chains": list(job.chains), "revision": job.revision, **wallets_before},
        after={"chains": [*job.chains, *lacking], "revision": job.revision + 1, **wallets_after},
        trace_id=job.trace_id,
    )
    write_entries(tx, [entry], job.moment)
