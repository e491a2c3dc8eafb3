"""The one wallet set: named by the settings, known to the store, or made once under its derived key."""

from dataclasses import dataclass
from uuid import UUID

from wallet_provisioning.jobs.identity import wallet_set_key
from wallet_provisioning.store.database import Database
from wallet_provisioning.store.wallets import save_wallet_set, wallet_set_id


@dataclass(frozen=True, slots=True, kw_only=True)
class WalletSetOptions:
    """Which set to use: `named` by the settings, else that which `name` stands for in an environment."""

    environment: str
    name: str
    named: UUID | None

    def key(self, generation: int) -> UUID:
        """Return the idempotency key under which every daemon asks for it."""
        return wallet_set_key(self.environment, self.name, generation)


class WalletSet:
    """What one Circle actor knows of the set. Methods raise `StoreError` where the store is away."""

    def __init__(self, path: str, database: Database, options: WalletSetOptions) -> None:
        """Start with what the settings say."""
        self._path = path
        self._database = database
        self.options = options
        self._known = options.named
        self._generation = 0

    @property
    def key(self) -> UUID:
        """The idempotency key under which the set is asked for next."""
        return self.options.key(self._generation)

    def take_next_key(self) -> None:
        """Ask under another key from now on: Circle refuses this one for ever, and can't tell what it made.

        Should it have made a set, that one stays empty. It begins anew with each incarnation.
        """
        self._generation += 1

    def find(self) -> UUID | None:
        """Return the set, None where it has yet to be made."""
        if self._known is None:
            with self._database.read() as connection:
                self._known = wallet_set_id(connection)
        return self._known

    def save(self, made: UUID) -> None:
        """Keep the set that Circle made; whoever saved one first is right."""
        with self._database.write(self._path, "save_wallet_set") as tx:
            self._known = save_wallet_set(tx, circle_wallet_set_id=made, name=self.options.name)
