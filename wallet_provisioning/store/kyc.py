"""The KYC provider's word on a customer. Only an approval creates a job.

Callbacks are repeated and overtake each other; `jobs.kyc.next_step` says what each may change.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import NAMESPACE_URL, UUID, uuid5

from sqlalchemy import select, update
from sqlalchemy.dialects import postgresql, sqlite

from wallet_provisioning.jobs.kyc import KycStatus, KycStep, next_step
from wallet_provisioning.store.accepting import Accepted, JobRequest, accept_job
from wallet_provisioning.store.audit import Facts, write_audit
from wallet_provisioning.store.errors import ConflictError, NotFoundError
from wallet_provisioning.store.keys import RequestKey, find_first_job
from wallet_provisioning.store.lookups import require_job
from wallet_provisioning.store.tables import kyc_submissions
from wallet_provisioning.store.texts import require_storable
from wallet_provisioning.store.transaction import Transaction
from wallet_provisioning.store.views import KYC_COLUMNS, JobView, KycView, kyc_view


@dataclass(frozen=True, slots=True, kw_only=True)
class KycCallback:
    """A decision, as the provider tells it. `registers_unknown` is for the sandbox alone.

    A `provider_ref` of 0 or over 500 characters raises `UnstorableTextError`.
    """

    provider_ref: str
    status: KycStatus
    user_id: UUID | None
    rejection_reasons: tuple[str, ...]
    chains: tuple[str, ...]
    max_attempts: int
    traceparent: str | None
    registers_unknown: bool

    def __post_init__(self) -> None:
        """Refuse a reference that the database would have to change."""
        require_storable("provider_ref", self.provider_ref)


@dataclass(frozen=True, slots=True, kw_only=True)
class KycAnswer:
    """What is known after a callback, and the job that its approval made.

    `accepted` is there only where this very callback accepted the job.
    """

    provider_ref: str
    user_id: UUID
    status: KycStatus
    job: JobView | None
    accepted: Accepted | None


def accept_callback(tx: Transaction, callback: KycCallback) -> KycAnswer:
    """Take a callback in; a repeat changes nothing and has the same answer.

    Raises `NotFoundError` for an unknown reference, `ConflictError` where it contradicts what is known.
    """
    known = _known(tx, callback)
    if callback.user_id not in {None, known.user_id}:
        msg = f"{callback.provider_ref} belongs to another user"
        raise ConflictError(msg)
    match next_step(known.status, callback.status):
        case KycStep.ADVANCE:
            _advance(tx, known, callback)
            return _answer(tx, known, callback, callback.status)
        case KycStep.REPEAT:
            return _answer(tx, known, callback, known.status)
        case KycStep.CONFLICT:
            msg = f"{callback.provider_ref} is {known.status} already and can't become {callback.status}"
            raise ConflictError(msg)


def register_submission(tx: Transaction, provider_ref: str, user_id: UUID) -> KycView:
    """Make a submission known, `pending`; one that is known already is returned as it is."""
    require_storable("provider_ref", provider_ref)
    insert = postgresql.insert if tx.dialect == "postgresql" else sqlite.insert
    statement = insert(kyc_submissions).values(
        provider_ref=provider_ref,
        user_id=user_id,
        status=KycStatus.PENDING.value,
        rejection_reasons=[],
        created_at=tx.now,
        updated_at=tx.now,
    )
    written = tx.execute(statement.on_conflict_do_nothing().returning(kyc_submissions.c.provider_ref))
    is_new = written.first() is not None
    submission = _lock(tx, provider_ref)
    if submission is None:
        msg = f"KYC submission {provider_ref}"
        raise NotFoundError(msg)
    if is_new:
        _audit(tx, "kyc:registered", submission, None, _facts(KycStatus.PENDING, ()))
    return submission


def user_of(provider_ref: str) -> UUID:
    """Return the user that an unknown reference stands for in the sandbox."""
    return uuid5(NAMESPACE_URL, provider_ref)


def _known(tx: Transaction, callback: KycCallback) -> KycView:
    known = _lock(tx, callback.provider_ref)
    if known is not None:
        return known
    if not callback.registers_unknown:
        msg = f"KYC submission {callback.provider_ref}"
        raise NotFoundError(msg)
    user_id = callback.user_id or user_of(callback.provider_ref)
    return register_submission(tx, callback.provider_ref, user_id)


def _lock(tx: Transaction, provider_ref: str) -> KycView | None:
    columns = [kyc_submissions.c[name] for name in KYC_COLUMNS]
    query = select(*columns).where(kyc_submissions.c.provider_ref == provider_ref).with_for_update()
    row = tx.execute(query).mappings().one_or_none()
    return None if row is None else kyc_view(row)


def _advance(tx: Transaction, known: KycView, callback: KycCallback) -> None:
    statement = update(kyc_submissions).where(kyc_submissions.c.provider_ref == known.provider_ref)
    values = {
        "status": callback.status.value,
        "rejection_reasons": list(callback.rejection_reasons),
        "updated_at": tx.now,
    }
    tx.execute(statement.values(**values))
    before = _facts(known.status, known.rejection_reasons)
    _audit(tx, f"kyc:{callback.status}", known, before, _facts(callback.status, callback.rejection_reasons))


def _answer(tx: Transaction, known: KycView, callback: KycCallback, status: KycStatus) -> KycAnswer:
    accepted = None
    job = _first_job(tx, known.provider_ref) if status is KycStatus.APPROVED else None
    if status is KycStatus.APPROVED and job is None:
        accepted = accept_job(tx, _request(known, callback))
        job = accepted.job
    return KycAnswer(
        provider_ref=known.provider_ref, user_id=known.user_id, status=status, job=job, accepted=accepted
    )


def _first_job(tx: Transaction, provider_ref: str) -> JobView | None:
    first = find_first_job(tx, _key(provider_ref))
    return None if first is None else require_job(tx.connection, first)


def _request(known: KycView, callback: KycCallback) -> JobRequest:
    return JobRequest(
        user_id=known.user_id,
        chains=callback.chains,
        source="kyc",
        keys=(_key(known.provider_ref),),
        max_attempts=callback.max_attempts,
        traceparent=callback.traceparent,
    )


def _key(provider_ref: str) -> RequestKey:
    return RequestKey(kind="provider_ref", value=provider_ref)


def _facts(status: KycStatus, reasons: Sequence[str]) -> Facts:
    return {"status": status.value, "rejection_reasons": list(reasons)}


def _audit(tx: Transaction, action: str, known: KycView, before: Facts | None, after: Facts) -> None:
    write_audit(
        tx,
        action=action,
        resource_type="kyc_submission",
        resource_id=known.provider_ref,
        user_id=known.user_id,
        before=before,
        after=after,
    )
