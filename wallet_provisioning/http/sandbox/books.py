"""What one world of the account holds: wallet sets, wallets, used keys and used ciphertexts."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import assert_never
from uuid import UUID

from wallet_provisioning.http.sandbox.collection import Collection, Index
from wallet_provisioning.http.sandbox.entities import Wallet, WalletSet
from wallet_provisioning.http.sandbox.queries import WalletQuery
from wallet_provisioning.http.sandbox.records import (
    CiphertextUsed,
    KeySpent,
    Made,
    SecretRegistered,
    WalletChanged,
    WalletSetMade,
    WalletsMade,
    WorldRecord,
)


class Books:
    """The sum of a world's records. Changed by `apply` alone; belongs to one thread."""

    def __init__(self) -> None:
        """Start empty."""
        self.wallet_sets: Collection[WalletSet] = Collection()
        self.wallets: Collection[Wallet] = Collection()
        self.wallets_in_set: Counter[UUID] = Counter()
        self.used_ciphertexts: set[str] = set()
        self.secret_digest: str | None = None
        self._kept: dict[UUID, Made] = {}
        self._by_ref_id = Index()
        self._by_address = Index()

    @property
    def used_keys(self) -> int:
        """How many idempotency keys have an answer."""
        return len(self._kept)

    def kept(self, key: UUID, *, since: datetime | None) -> Made | None:
        """Return what was done under a key, unless that was before `since`."""
        made = self._kept.get(key)
        return None if made is None or (since is not None and made.at < since) else made

    def candidates(self, query: WalletQuery) -> Sequence[Wallet]:
        """Return, in order, all wallets that may match: found by refId or address, else every one."""
        if query.ref_id is not None:
            return self._at(self._by_ref_id.places(query.ref_id))
        if query.address is not None:
            return self._at(self._by_address.places(query.address.lower()))
        return self.wallets.items

    def apply(self, record: WorldRecord) -> None:
        """Enter one record."""
        match record:
            case SecretRegistered():
                self.secret_digest = record.digest
            case CiphertextUsed():
                self.used_ciphertexts.add(record.digest)
            case WalletSetMade():
                self._kept[record.key] = record
                self.wallet_sets.put(record.wallet_set)
            case WalletsMade():
                self._kept[record.key] = record
                self._add_wallets(record.wallets)
            case KeySpent():
                self._kept[record.key] = record
            case WalletChanged():
                self._change_wallet(record.wallet)
            case _:
                assert_never(record)

    def _at(self, places: Sequence[int]) -> Sequence[Wallet]:
        return [self.wallets.items[place] for place in places]

    def _add_wallets(self, wallets: Sequence[Wallet]) -> None:
        for wallet in wallets:
            self.wallets.put(wallet)
            self.wallets_in_set[wallet.wallet_set_id] += 1
            self._by_ref_id.add(wallet.ref_id, wallet.position)
            self._by_address.add(wallet.address.lower(), wallet.position)

    def _change_wallet(self, wallet: Wallet) -> None:
        before = self.wallets.items[wallet.position]
        self._by_ref_id.drop(before.ref_id, wallet.position)
        self._by_ref_id.add(wallet.ref_id, wallet.position)
        self.wallets.put(wallet)
