"""Wallets and wallet sets as the sandbox keeps them, and as Circle shows them."""

from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Literal
from uuid import UUID

SCA_CORE = "circle_6900_singleowner_v3"
_UTC_OFFSET = len("+00:00")


@dataclass(frozen=True, slots=True, kw_only=True)
class WalletSet:
    """A wallet set. `position` counts from 0 in the order of creation."""

    id: UUID
    position: int
    name: str | None
    created_at: datetime
    updated_at: datetime

    def body(self, *, shows_name: bool) -> dict[str, object]:
        """Return the set as Circle shows it; its name is optional there."""
        body: dict[str, object] = {
            "id": str(self.id),
            "custodyType": "DEVELOPER",
            "createDate": written(self.created_at),
            "updateDate": written(self.updated_at),
        }
        if shows_name and self.name is not None:
            body["name"] = self.name
        return body


@dataclass(frozen=True, slots=True, kw_only=True)
class Wallet:
    """A wallet. `position` counts from 0 in the order of creation, over all sets of its world."""

    id: UUID
    position: int
    wallet_set_id: UUID
    blockchain: str
    account_type: Literal["EOA", "SCA"]
    address: str
    name: str | None
    ref_id: str | None
    created_at: datetime
    updated_at: datetime

    @property
    def sca_core(self) -> str | None:
        """The contract behind an SCA wallet."""
        return SCA_CORE if self.account_type == "SCA" else None

    def body(self, *, blank_metadata: bool) -> dict[str, object]:
        """Return the wallet as Circle shows it; absent metadata may come as empty strings."""
        body: dict[str, object] = {
            "id": str(self.id),
            "state": "LIVE",
            "walletSetId": str(self.wallet_set_id),
            "custodyType": "DEVELOPER",
            "address": self.address,
            "blockchain": self.blockchain,
            "accountType": self.account_type,
            "createDate": written(self.created_at),
            "updateDate": written(self.updated_at),
        }
        if self.sca_core is not None:
            body["scaCore"] = self.sca_core
        for field, value in (("name", self.name), ("refId", self.ref_id)):
            if value is not None or blank_metadata:
                body[field] = value or ""
        return body


@lru_cache(maxsize=256)  # all wallets of a call, and most of a page, share their times
def written(moment: datetime) -> str:
    """Return a time in UTC as Circle writes it: to the second, with Z."""
    return moment.isoformat(timespec="seconds")[:-_UTC_OFFSET] + "Z"
