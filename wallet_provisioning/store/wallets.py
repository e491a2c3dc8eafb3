"""Wallets in the store: requests for them, their results, the set they live in. One door to four files."""

from wallet_provisioning.store.new_requests import RequestMember
from wallet_provisioning.store.request_rows import StoredMember, StoredRequest
from wallet_provisioning.store.requests import (
    Opened,
    mark_ambiguous,
    mark_certain,
    open_new,
    open_request,
    raise_generation,
    refuse_request,
)
from wallet_provisioning.store.results import record_results
from wallet_provisioning.store.wallet_result import WalletResult
from wallet_provisioning.store.wallet_sets import save_wallet_set, wallet_set_id

__all__ = [
    "Opened",
    "RequestMember",
    "StoredMember",
    "StoredRequest",
    "WalletResult",
    "mark_ambiguous",
    "mark_certain",
    "open_new",
    "open_request",
    "raise_generation",
    "record_results",
    "refuse_request",
    "save_wallet_set",
    "wallet_set_id",
]
