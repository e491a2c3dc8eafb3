"""Seals: signed checkpoints over the audit, each over the one before, so that no row changes unseen.

Theory of operation. The audit is sealed in the order of the rows' positions, off the hot path. A row is
sealed once it is settled: on PostgreSQL its position is its transaction's id, and every transaction that
has one up to there has ended, so that no row can come in late. A seal holds the rows' ids and half of
each row's SHA-256 (which say what was changed), a root over the whole of them, and the head: a hash of all
that the seal says, the head of the seal before included. The head is signed.

Sealing the stream of each job, once it is finished, lost: a wallet that is recorded after its job's end,
a job that an operator starts again and rows of two daemons whose clocks differ would need exceptions, and
each exception is a hole. With positions nothing is ever late, so an inserted row is always a breach.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from sqlalchemy import Connection, Select, func, insert, select

from wallet_provisioning.store.chores import Chore, is_ours
from wallet_provisioning.store.columns import iso
from wallet_provisioning.store.signing import Signer
from wallet_provisioning.store.stored import as_written, dialect_on, read_stored, select_stored
from wallet_provisioning.store.tables import audit_logs, audit_seals
from wallet_provisioning.store.trail import (
    ID_BYTES,
    Place,
    TrailRow,
    canonical,
    is_after,
    is_settled,
    read_trail,
)
from wallet_provisioning.store.transaction import Transaction

NO_HEAD = "0" * 64
_LEAF_BYTES = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Seal:
    """One seal. `head` and `signature` follow from the rest; `last_*` say where its rows end.

    It holds what is stored. Nothing is believed of what was read: a value may be of another type.
    """

    number: int
    previous: str
    row_count: int
    first_id: str
    last_id: str
    last_position: int
    leaves: bytes
    root: str
    sealed_at: str
    public_key: str
    head: str
    signature: str

    @property
    def place(self) -> Place:
        """Where the last row of the seal stands."""
        return Place(position=self.last_position, id=self.last_id)

    def expected(self) -> list[tuple[bytes, bytes]]:
        """Return the bytes of the rows' ids, each with half of its digest."""
        parts = [self.leaves[at : at + _LEAF_BYTES] for at in range(0, len(self.leaves), _LEAF_BYTES)]
        return [(part[:ID_BYTES], part[ID_BYTES:]) for part in parts]

    def is_itself(self) -> bool:
        """Return whether the head follows from what the seal says, to the letter."""
        kinds = {"number": int, "row_count": int, "last_position": int, "leaves": bytes}
        if any(type(value) is not kinds.get(name, str) for name, value in asdict(self).items()):
            return False
        return self.head == self.true_head()

    def true_head(self) -> str:
        """Return the head that follows from what the seal says."""
        said = {name: value for name, value in asdict(self).items() if name not in {"head", "signature"}}
        said["leaves"] = hashlib.sha256(self.leaves).hexdigest()
        return hashlib.sha256(canonical(said).encode()).hexdigest()


def seal_next(tx: Transaction, signer: Signer, *, limit: int = 1000) -> Seal | None:
    """Seal the next rows that are settled; None where there are none, or another daemon is at it."""
    if not is_ours(tx, Chore.SEAL):
        return None
    last = last_seal(tx.connection)
    after = None if last is None else last.place
    rows = read_trail(tx.connection, after, limit=limit, conditions=is_settled(tx.dialect))
    if not rows:
        return None
    moment = tx.read_clock()
    seal = _make(last, rows, signer, iso(moment))
    tx.execute(insert(audit_seals).values(**{**asdict(seal), "sealed_at": moment}))
    return seal


def last_seal(connection: Connection) -> Seal | None:
    """Return the newest seal."""
    found = fetch_seals(connection, select_seals(connection).order_by(audit_seals.c.number.desc()).limit(1))
    return found[0] if found else None


def read_seals(connection: Connection, after: int | None, limit: int) -> list[Seal]:
    """Return the seals whose numbers follow `after`, or the first ones of all."""
    query = select_seals(connection).order_by(audit_seals.c.number).limit(limit)
    return fetch_seals(connection, query if after is None else query.where(audit_seals.c.number > after))


def select_seals(connection: Connection) -> Select[Any]:
    """Return the query for seals as they are stored; run it by `fetch_seals`."""
    return select_stored(audit_seals, dialect_on(connection))


def fetch_seals(connection: Connection, query: Select[Any]) -> list[Seal]:
    """Return the seals that a query finds."""
    rows = read_stored(connection, query)
    if dialect_on(connection) == "postgresql":
        rows = [{**row, "sealed_at": as_written(row["sealed_at"])} for row in rows]
    return [Seal(**row) for row in rows]


def count_sealed(connection: Connection) -> int:
    """Return how many rows all seals together hold."""
    total = select(func.coalesce(func.sum(audit_seals.c.row_count), 0))
    return int(connection.execute(total).scalar_one())


def count_unsealed(connection: Connection, after: Place | None) -> int:
    """Return how many rows stand after the last seal."""
    query = select(func.count()).select_from(audit_logs).where(is_after(after))
    return int(connection.execute(query).scalar_one())


def root_of(rows: Sequence[TrailRow]) -> str:
    """Return the hash over rows, by their ids and whole digests."""
    return hashlib.sha256(b"".join(row.key + row.digest for row in rows)).hexdigest()


def half(digest: bytes) -> bytes:
    """Return the part of a digest that a seal keeps of each row."""
    return digest[: _LEAF_BYTES - ID_BYTES]


def _make(last: Seal | None, rows: Sequence[TrailRow], signer: Signer, moment: str) -> Seal:
    seal = Seal(
        number=1 if last is None else last.number + 1,
        previous=NO_HEAD if last is None else last.head,
        row_count=len(rows),
        first_id=rows[0].place.id,
        last_id=rows[-1].place.id,
        last_position=rows[-1].place.position,
        leaves=b"".join(row.key + half(row.digest) for row in rows),
        root=root_of(rows),
        sealed_at=moment,
        public_key=signer.public_key,
        head="",
        signature="",
    )
    head = seal.true_head()
    return replace(seal, head=head, signature=signer.sign(head))
