"""The bookkeeper adds to the totals what commits have counted, a few seconds later and off their path.

Every daemon on PostgreSQL has one; the database lets one at a time do it. Nothing waits for it, since
whoever reads the totals adds what isn't in them yet; and a crash loses nothing, for a step is a transaction.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from wallet_provisioning.store.database import Database
from wallet_provisioning.store.errors import StoreError
from wallet_provisioning.store.folding import Folder
from wallet_provisioning.supervision.actor import Actor
from wallet_provisioning.supervision.life import Life

FOLD_EVERY = timedelta(seconds=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fold:
    """Timer: add to the totals what waits."""


class BookkeeperActor(Actor[Fold]):
    """Folds again and again; an outage postpones it."""

    def __init__(self, life: Life, *, database: Database, every: timedelta = FOLD_EVERY) -> None:
        """Start with nothing folded in this life."""
        super().__init__(life)
        self._database = database
        self._every = every
        self._folder = Folder()
        self._rows = 0

    def started(self) -> None:
        """Begin at once: much may wait where no daemon has run for long."""
        self.tell_later(timedelta(), Fold())

    def describe(self) -> Mapping[str, object]:
        """Show an operator what stands here."""
        return {"rows": self._rows}

    def receive(self, message: Fold) -> None:
        """Make one step and set the timer for the next one."""
        try:
            with self._database.write(self.life.path, "fold_counts") as tx:
                self._rows += self._folder.fold(tx)
        except StoreError:
            pass
        self.tell_later(self._every, message)
