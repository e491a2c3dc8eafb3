"""Walks the seals and the rows below them, and names the first thing that is not as it was sealed.

It believes nothing but the public keys that it is given: not the seals, not the triggers, not the rights
of the database's users. What a superuser changes, deletes or inserts below the last seal shows.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from itertools import zip_longest
from typing import TypeAlias
from uuid import UUID

from sqlalchemy import Connection, exists, select

from wallet_provisioning.store.audit_retention import removed_through
from wallet_provisioning.store.database import Database
from wallet_provisioning.store.seals import (
    NO_HEAD,
    Seal,
    count_unsealed,
    half,
    read_seals,
    root_of,
)
from wallet_provisioning.store.signing import is_signed
from wallet_provisioning.store.tables import audit_logs
from wallet_provisioning.store.trail import START, Place, TrailRow, read_trail

_SEALS_AT_ONCE = 20
# What a value that nobody here wrote may raise where it is read: no id, no time, no JSON, no bytes.
_UNREADABLE = (ValueError, TypeError)
_Leaf: TypeAlias = tuple[UUID, bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Breach:
    """What was found: in which seal, at which audit row where one is to blame, in a sentence."""

    seal: int
    row: UUID | None
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """How the audit stands. `removed` seals are those whose rows the retention deleted, lawfully."""

    seals: int
    rows: int
    removed: int
    unsealed: int
    head: str | None
    breach: Breach | None


def verify_audit(
    database: Database,
    public_keys: Collection[str],
    *,
    known_head: str | None = None,
    progress: Callable[[int], None] = lambda _: None,
) -> Verified:
    """Walk all seals; stops at the first breach. `progress` is told how many more rows were seen.

    `known_head` is a head from a log or an export: the chain must hold it, else its end was cut off.
    """
    walk = _Walk(public_keys, _removed(database, public_keys), known_head)
    breach = walk.find_breach(database, progress)
    if breach is not None and _removed(database, public_keys) > walk.removed:
        # The retention was at work meanwhile: what it deleted is no breach.
        return verify_audit(database, public_keys, known_head=known_head, progress=progress)
    with database.read() as connection:
        unsealed = count_unsealed(connection, walk.place)
    return Verified(
        seals=walk.number,
        rows=walk.rows,
        removed=walk.removed,
        unsealed=unsealed,
        head=walk.head if walk.number else None,
        breach=breach,
    )


def _removed(database: Database, public_keys: Collection[str]) -> int:
    with database.read() as connection:
        return removed_through(connection, public_keys)


class _Walk:
    """One walk from the first seal on: `number`, `head` and `place` are those of the last good seal."""

    def __init__(self, public_keys: Collection[str], removed: int, known_head: str | None) -> None:
        self._public_keys = public_keys
        self._known_head = known_head
        self._heads_missing = known_head is not None
        self.removed = removed
        self.number = 0
        self.head = NO_HEAD
        self.place: Place = START
        self.rows = 0

    def find_breach(self, database: Database, progress: Callable[[int], None]) -> Breach | None:
        while True:
            with database.read() as connection:
                try:
                    seals = read_seals(connection, self.number, _SEALS_AT_ONCE)
                except _UNREADABLE:
                    text = f"a seal after seal {self.number} can't be read: it was changed"
                    return Breach(seal=self.number + 1, row=None, text=text)
                for seal in seals:
                    breach = self._judge(seal) or self._compare(connection, seal)
                    if breach is not None:
                        return breach
                    self._pass(seal)
                    progress(seal.row_count)
            if not seals:
                return self._judge_end()

    def _judge(self, seal: Seal) -> Breach | None:
        """Hold a seal against itself, the one before and the keys."""
        if seal.number != self.number + 1:
            return Breach(seal=self.number + 1, row=None, text=f"seal {self.number + 1} was removed")
        if not _is_itself(seal):
            return Breach(seal=seal.number, row=None, text=f"seal {seal.number} was changed")
        if seal.previous != self.head:
            text = f"seal {seal.number} does not follow the one before"
            return Breach(seal=seal.number, row=None, text=text)
        if seal.public_key not in self._public_keys:
            text = f"seal {seal.number} is signed with a key that isn't trusted: {seal.public_key}"
            return Breach(seal=seal.number, row=None, text=text)
        if not is_signed(seal.head, seal.signature, seal.public_key):
            return Breach(seal=seal.number, row=None, text=f"the signature of seal {seal.number} is wrong")
        return None

    def _compare(self, connection: Connection, seal: Seal) -> Breach | None:
        """Hold the rows between two seals against what was sealed."""
        is_removed = seal.number <= self.removed
        expected = [] if is_removed else seal.expected()
        # One row more than expected is enough to see that one was inserted.
        try:
            found = read_trail(connection, self.place, through=seal.place, limit=len(expected) + 1)
        except _UNREADABLE:
            return _find_unreadable(connection, seal, expected)
        for want, row in zip_longest(expected, found):
            if row is None or want != (row.place.id, half(row.digest)):
                return _blame(connection, seal, want, row, {row_id for row_id, _ in expected})
        if not is_removed and root_of([(row.place.id, row.digest) for row in found]) != seal.root:
            text = f"the rows of seal {seal.number} don't make its root"
            return Breach(seal=seal.number, row=None, text=text)
        return None

    def _pass(self, seal: Seal) -> None:
        self.number, self.head, self.place = seal.number, seal.head, seal.place
        self.rows += 0 if seal.number <= self.removed else seal.row_count
        self._heads_missing = self._heads_missing and seal.head != self._known_head

    def _judge_end(self) -> Breach | None:
        if not self._heads_missing:
            return None
        text = f"no seal has the head {self._known_head}: seals at the end were removed or made anew"
        return Breach(seal=self.number, row=None, text=text)


def _blame(
    connection: Connection, seal: Seal, want: _Leaf | None, row: TrailRow | None, sealed: Collection[UUID]
) -> Breach:
    """Say what became of the first row that differs."""
    if row is not None and row.place.id not in sealed:
        return _breach(seal, row.place.id, "was inserted or moved")
    if want is None:
        return Breach(seal=seal.number, row=None, text=f"the rows of seal {seal.number} were reordered")
    if row is not None and row.place.id == want[0]:
        return _breach(seal, want[0], "was changed")
    return _breach(seal, want[0], "was moved" if _is_there(connection, want[0]) else "was removed")


def _is_itself(seal: Seal) -> bool:
    try:
        return seal.head == seal.true_head()
    except _UNREADABLE:
        return False


def _find_unreadable(connection: Connection, seal: Seal, expected: Collection[_Leaf]) -> Breach:
    for row_id, _ in expected:
        try:
            connection.execute(select(audit_logs).where(audit_logs.c.id == row_id)).all()
        except _UNREADABLE:
            return _breach(seal, row_id, "was changed")
    return Breach(
        seal=seal.number, row=None, text=f"a row that can't be read was put under seal {seal.number}"
    )


def _breach(seal: Seal, row_id: UUID, what: str) -> Breach:
    return Breach(seal=seal.number, row=row_id, text=f"audit row {row_id} {what} (seal {seal.number})")


def _is_there(connection: Connection, row_id: UUID) -> bool:
    return bool(connection.execute(select(exists().where(audit_logs.c.id == row_id))).scalar())
