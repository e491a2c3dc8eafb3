"""All that the sandbox remembers: the books of both worlds, its key pair, its credentials."""

from typing import assert_never

from wallet_provisioning.http.sandbox.books import Books
from wallet_provisioning.http.sandbox.ledger import Ledger, Memory
from wallet_provisioning.http.sandbox.networks import World
from wallet_provisioning.http.sandbox.records import (
    CiphertextUsed,
    CredentialsMade,
    KeyPairMade,
    KeySpent,
    Record,
    SecretRegistered,
    WalletChanged,
    WalletSetMade,
    WalletsMade,
    decode,
    encode,
)


class State:
    """The sum of the ledger's records. A change shows at once, an answer waits for `settle`."""

    def __init__(self, ledger: Ledger | Memory) -> None:
        """Assign only."""
        self.key_pair: KeyPairMade | None = None
        self.credentials: CredentialsMade | None = None
        self._ledger = ledger
        self._books = {world: Books() for world in World}

    def open(self) -> None:
        """Load what was written before; raises the errors of `Ledger.open`."""
        for record in self._ledger.open(decode):
            self._apply(record)

    def books(self, world: World) -> Books:
        """Return what a world holds."""
        return self._books[world]

    def write(self, record: Record) -> None:
        """Enter a record in memory and queue its line; raises `StateUnusableError`."""
        self._ledger.add(encode(record))
        self._apply(record)

    async def settle(self) -> None:
        """Return when everything entered so far is on the disk; raises `StateUnusableError`."""
        await self._ledger.settle()

    def close(self) -> None:
        """Give the file up. Settle first."""
        self._ledger.close()

    def _apply(self, record: Record) -> None:
        match record:
            case KeyPairMade():
                self.key_pair = record
            case CredentialsMade():
                self.credentials = record
            case (
                SecretRegistered()
                | CiphertextUsed()
                | WalletSetMade()
                | WalletsMade()
                | KeySpent()
                | WalletChanged()
            ):
                self._books[record.world].apply(record)
            case _:
                assert_never(record)
