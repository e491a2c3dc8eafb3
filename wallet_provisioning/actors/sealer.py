"""The sealer signs what was added to the audit, a small step at a time, off the path of the jobs.

Every daemon with a key has one; the database lets one at a time seal. A crash loses nothing: a step is a
transaction, and the next one goes on from the last seal.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from wallet_provisioning.store.database import Database
from wallet_provisioning.store.errors import StoreError
from wallet_provisioning.store.seals import Seal, seal_next
from wallet_provisioning.store.signing import Signer
from wallet_provisioning.supervision.actor import Actor
from wallet_provisioning.supervision.life import Life
from wallet_provisioning.telemetry.events import AuditSealed, Emit

SEAL_EVERY = timedelta(seconds=30)
_ROWS = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class SealNext:
    """Timer: seal what is settled."""


class SealerActor(Actor[SealNext]):
    """Seals in steps of at most a thousand rows, one after the other while they are full."""

    def __init__(
        self, life: Life, *, database: Database, signer: Signer, every: timedelta, emit: Emit
    ) -> None:
        """Start with nothing sealed in this life."""
        super().__init__(life)
        self._database = database
        self._signer = signer
        self._every = every
        self._emit = emit
        self._seals = 0
        self._rows = 0

    def started(self) -> None:
        """Begin at once: a predecessor may have died in the middle."""
        self.tell_later(timedelta(), SealNext())

    def describe(self) -> Mapping[str, object]:
        """Show an operator what stands here."""
        return {"seals": self._seals, "rows": self._rows, "public_key": self._signer.public_key}

    def receive(self, message: SealNext) -> None:
        """Seal one step; an outage or a full disk postpones it."""
        try:
            with self._database.write(self.life.path, "seal_audit") as tx:
                seal = seal_next(tx, self._signer, limit=_ROWS)
        except StoreError:
            seal = None
        if seal is not None:
            self._note(seal)
        has_more = seal is not None and seal.row_count == _ROWS
        self.tell_later(timedelta() if has_more else self._every, message)

    def _note(self, seal: Seal) -> None:
        self._seals += 1
        self._rows += seal.row_count
        self._emit(
            AuditSealed(
                number=seal.number,
                rows=seal.row_count,
                head=seal.head,
                signature=seal.signature,
                public_key=seal.public_key,
            )
        )
