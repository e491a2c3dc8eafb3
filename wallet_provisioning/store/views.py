"""What readers get: the contract's JOB, WALLET and audit row, typed."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias
from uuid import UUID

from sqlalchemy import RowMapping

from wallet_provisioning.jobs.errors import ErrorType
from wallet_provisioning.jobs.kyc import KycStatus
from wallet_provisioning.jobs.states import AuditStatus, JobStatus, WalletStatus

Fields: TypeAlias = Mapping[str, Any] | RowMapping


@dataclass(frozen=True, slots=True, kw_only=True)
class WalletView:
    """A wallet of a user on a chain; what Circle gives is None until it is live."""

    id: UUID
    user_id: UUID
    chain: str
    blockchain: str | None
    status: WalletStatus
    address: str | None
    circle_wallet_id: UUID | None
    wallet_set_id: UUID | None
    account_type: str | None
    error_type: ErrorType | None
    error_message: str | None
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class JobView:
    """A job with its wallets, one a chain, in their order."""

    id: UUID
    user_id: UUID
    status: JobStatus
    chains: tuple[str, ...]
    wallets: tuple[WalletView, ...]
    attempt_count: int
    max_attempts: int
    crash_count: int
    error_type: ErrorType | None
    error_message: str | None
    next_retry_at: datetime | None
    source: str
    trace_id: str | None
    created_at: datetime
    started_at: datetime | None
    completed_at: datetime | None
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditView:
    """One row of the audit trail."""

    id: UUID
    user_id: UUID | None
    job_id: UUID | None
    epoch: int | None
    actor: str
    action: str
    resource_type: str
    resource_id: str | None
    changes: Mapping[str, Any]
    status: AuditStatus
    error_message: str | None
    created_at: datetime
    trace_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class KycView:
    """A submission to the KYC provider."""

    provider_ref: str
    user_id: UUID
    status: KycStatus
    rejection_reasons: tuple[str, ...]
    created_at: datetime
    updated_at: datetime


WALLET_COLUMNS = tuple(WalletView.__slots__)
JOB_COLUMNS = tuple(name for name in JobView.__slots__ if name != "wallets")
AUDIT_COLUMNS = tuple(AuditView.__slots__)
KYC_COLUMNS = tuple(KycView.__slots__)


def wallet_view(row: Fields) -> WalletView:
    """Return the view of a row that names the columns of `WALLET_COLUMNS`."""
    fields = {name: row[name] for name in WALLET_COLUMNS}
    fields["status"] = WalletStatus(fields["status"])
    fields["error_type"] = _error_type(fields["error_type"])
    return WalletView(**fields)


def job_view(row: Fields, wallets: Mapping[str, WalletView]) -> JobView:
    """Return the view of a row that names `JOB_COLUMNS`, with the user's wallets by chain."""
    fields = {name: row[name] for name in JOB_COLUMNS}
    fields["status"] = JobStatus(fields["status"])
    fields["chains"] = tuple(fields["chains"])
    fields["error_type"] = _error_type(fields["error_type"])
    members = tuple(wallets[chain] for chain in fields["chains"] if chain in wallets)
    return JobView(**fields, wallets=members)


def audit_view(row: Fields) -> AuditView:
    """Return the view of a row that names `AUDIT_COLUMNS`."""
    fields = {name: row[name] for name in AUDIT_COLUMNS}
    return AuditView(**{**fields, "status": AuditStatus(fields["status"])})


def kyc_view(row: Fields) -> KycView:
    """Return the view of a row that names `KYC_COLUMNS`."""
    fields = {name: row[name] for name in KYC_COLUMNS}
    fields["status"] = KycStatus(fields["status"])
    fields["rejection_reasons"] = tuple(fields["rejection_reasons"])
    return KycView(**fields)


def _error_type(name: str | None) -> ErrorType | None:
    return None if name is None else ErrorType(name)
