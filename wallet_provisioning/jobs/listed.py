"""A wallet as a list of Circle's tells of it, and whose it is as far as that can be proven. Pure."""

import re
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from wallet_provisioning.jobs.identity import reference

_REFERENCE = re.compile(r"wp-[0-9a-f]{40}")
_LONGEST_NAME = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """Whose wallet it is, and for which chain."""

    user_id: UUID
    chain: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedWallet:
    """One wallet at Circle. `ref_id` and `name` are empty where Circle has none."""

    circle_wallet_id: UUID
    ref_id: str
    name: str
    state: str
    wallet_set_id: UUID
    address: str
    blockchain: str
    account_type: str
    created_at: datetime

    @property
    def has_our_reference(self) -> bool:
        """Whether the refId has the form of those that this program derives."""
        return _REFERENCE.fullmatch(self.ref_id) is not None

    def owner(self) -> Owner | None:
        """Return whose it is, where the name says so and the refId proves it."""
        chain, _, user = self.name.partition(" ")
        try:
            owner = Owner(user_id=UUID(user), chain=chain)
        except ValueError:
            return None
        return owner if self.ref_id == reference_of(self.wallet_set_id, owner) else None


def reference_of(wallet_set_id: UUID, owner: Owner) -> str:
    """Return the refId of a user's wallet on a chain."""
    return reference(str(wallet_set_id), owner.user_id, owner.chain)


def name_of(owner: Owner) -> str:
    """Return the name under which a user's wallet is made."""
    return f"{owner.chain} {owner.user_id}"[:_LONGEST_NAME]
