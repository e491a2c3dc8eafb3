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

from wallet_provisioning.store.audit_clock import find_ahead
from wallet_provisioning.store.audit_retention import find_false_statement, removed_through
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
from wallet_provisioning.store.trail import Place, TrailRow, find_unordered, read_trail

_SEALS_AT_ONCE = 20
_Leaf: TypeAlias = tuple[bytes, bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Breach:
    """What was found: in which seal, at which audit row (its stored id), in a sentence."""

    seal: int
    row: str | None
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
        self.place: Place | None = None
        self.rows = 0

    def find_breach(self, database: Database, progress: Callable[[int], None]) -> Breach | None:
        while True:
            with database.read() as connection:
                seals = read_seals(connection, self.number or None, _SEALS_AT_ONCE)
                for seal in seals:
                    breach = self._judge(seal) or self._compare(connection, seal)
                    if breach is not None:
                        return breach
                    self._pass(seal)
                    progress(seal.row_count)
                if not seals:
                    return self._judge_end(connection)

    def _judge(self, seal: Seal) -> Breach | None:
        """Hold a seal against itself, the one before and the keys."""
        if type(seal.number) is not int or seal.number != self.number + 1:
            return self._misplaced(seal)
        if not seal.is_itself():
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

    def _misplaced(self, seal: Seal) -> Breach:
        following = self.number + 1
        is_missing = type(seal.number) is int and seal.number > following
        text = f"seal {following} was removed" if is_missing else f"seal {seal.number!r} was inserted"
        return Breach(seal=following, row=None, text=text)

    def _compare(self, connection: Connection, seal: Seal) -> Breach | None:
        """Hold the rows between two seals against what was sealed."""
        is_removed = seal.number <= self.removed
        expected = [] if is_removed else seal.expected()
        # One row more than expected is enough to see that one was inserted.
        found = read_trail(connection, self.place, through=seal.place, limit=len(expected) + 1)
        for want, row in zip_longest(expected, found):
            if row is None or want != (row.key, half(row.digest)):
                return _blame(connection, seal, want, row, {key for key, _ in expected})
        if not is_removed and root_of(found) != seal.root:
            text = f"the rows of seal {seal.number} don't make its root"
            return Breach(seal=seal.number, row=None, text=text)
        return None

    def _pass(self, seal: Seal) -> None:
        self.number, self.head, self.place = seal.number, seal.head, seal.place
        self.rows += 0 if seal.number <= self.removed else seal.row_count
        self._heads_missing = self._heads_missing and seal.head != self._known_head

    def _judge_end(self, connection: Connection) -> Breach | None:
        """Look for what no seal shows: rows without a place, false statements, a chain cut short."""
        claims = {
            "has no place in the order: the database never gave its position": find_unordered(connection)
            or find_ahead(connection),
            "says that the retention removed rows, and isn't signed for this chain": find_false_statement(
                connection, self._public_keys
            ),
        }
        for what, row_id in claims.items():
            if row_id is not None:
                return Breach(seal=self.number, row=_text(row_id), text=f"audit row {_text(row_id)} {what}")
        if not self._heads_missing:
            return None
        text = f"no seal has the head {self._known_head}: seals at the end were removed or made anew"
        return Breach(seal=self.number, row=None, text=text)


def _blame(
    connection: Connection, seal: Seal, want: _Leaf | None, row: TrailRow | None, sealed: Collection[bytes]
) -> Breach:
    """Say what became of the first row that differs."""
    if row is not None and row.key not in sealed:
        return _breach(seal, row.place.id, "was inserted or moved")
    if want is None:
        return Breach(seal=seal.number, row=None, text=f"the rows of seal {seal.number} were reordered")
    if row is not None and row.key == want[0]:
        return _breach(seal, row.place.id, "was changed")
    wanted = str(UUID(bytes=want[0]))
    return _breach(seal, wanted, "was moved" if _is_there(connection, wanted) else "was removed")


def _breach(seal: Seal, row_id: object, what: str) -> Breach:
    name = _text(row_id)
    return Breach(seal=seal.number, row=name, text=f"audit row {name} {what} (seal {seal.number})")


def _text(row_id: object) -> str:
    return row_id if isinstance(row_id, str) else repr(row_id)


def _is_there(connection: Connection, row_id: str) -> bool:
    return bool(connection.execute(select(exists().where(audit_logs.c.id == row_id))).scalar())
