"""The audit as a sequence of rows in the order that the database gave them, each with one exact text.

The text is JSON in UTF-8 with sorted keys and no blanks, times to the microsecond in UTC, ids with
hyphens, the row's position included: the same row gives the same bytes, whoever reads it.

It is made of what is stored, so a value that says the same in another way makes another text. A row with a
value that the program doesn't write has a text too, which tells it as `unreadable`: nobody can stop the
sealer or those who verify by a row that can't be read.
"""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, func, literal, or_, true

from wallet_provisioning.store.stored import (
    as_written,
    dialect_on,
    parse_document,
    read_stored,
    select_stored,
)
from wallet_provisioning.store.tables import audit_logs
from wallet_provisioning.store.urls import Dialect

ID_BYTES = 16
_ID = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_HIGHEST = 2**63 - 1
_COUNTED = {"position", "epoch"}
_NULLABLE = {column.name for column in audit_logs.columns if column.nullable}


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A place in the audit: that of a row, as it is stored."""

    position: int
    id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TrailRow:
    """A row: where it stands, its exact text with its SHA-256, and the bytes that stand for its id."""

    place: Place
    text: str
    digest: bytes
    key: bytes


def read_trail(
    connection: Connection,
    after: Place | None,
    *,
    through: Place | None = None,
    limit: int,
    conditions: Sequence[ColumnElement[bool]] = (),
) -> tuple[TrailRow, ...]:
    """Return up to `limit` rows after a place, or from the first one on, in their order."""
    dialect = dialect_on(connection)
    bounds = [] if through is None else [is_up_to(through)]
    order = (audit_logs.c.position, audit_logs.c.id)
    query = select_stored(audit_logs, dialect).where(is_after(after), *bounds, *conditions)
    return tuple(_row(row, dialect) for row in read_stored(connection, query.order_by(*order).limit(limit)))


def is_after(place: Place | None) -> ColumnElement[bool]:
    """Return the condition that a row stands after a place; an index on positions serves it."""
    if place is None:
        return true()
    position, row_id = audit_logs.c.position, audit_logs.c.id
    return and_(position >= place.position, or_(position > place.position, row_id > literal(place.id)))


def is_up_to(place: Place) -> ColumnElement[bool]:
    """Return the condition that a row stands at a place or before it."""
    position, row_id = audit_logs.c.position, audit_logs.c.id
    return and_(position <= place.position, or_(position < place.position, row_id <= literal(place.id)))


def find_unordered(connection: Connection) -> object:
    """Return the stored id of a row that stands at no place; None where all have one."""
    position = audit_logs.c.position
    # In SQLite any text is more than any number.
    nowhere = [position.is_(None), audit_logs.c.id.is_(None), position > _HIGHEST]
    for condition in nowhere if dialect_on(connection) == "sqlite" else nowhere[:2]:
        query = select_stored(audit_logs, dialect_on(connection)).where(condition).limit(1)
        for row in read_stored(connection, query):
            return row["id"] or repr(row)
    return None


def is_settled(dialect: Dialect) -> tuple[ColumnElement[bool], ...]:
    """Return the condition that no row can come in before a row any more: all that ran have ended."""
    return () if dialect == "sqlite" else (audit_logs.c.position < func.audit_settled(),)


def canonical(document: Mapping[str, Any]) -> str:
    """Return a document's exact text."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str)


def key_of(stored_id: object) -> bytes:
    """Return the sixteen bytes that stand for an id in a seal."""
    if isinstance(stored_id, str) and _ID.fullmatch(stored_id):
        return bytes.fromhex(stored_id.replace("-", ""))
    return hashlib.sha256(repr(stored_id).encode()).digest()[:ID_BYTES]


def _row(stored: Mapping[str, Any], dialect: Dialect) -> TrailRow:
    said, unreadable = dict(stored), []
    for name, value in stored.items():
        try:
            said[name] = _read(name, value, dialect)
        except ValueError:
            said[name] = repr(value)
            unreadable.append(name)
    # No row that the program wrote has this key, so such a text is never that of another row.
    text = canonical({**said, "unreadable": unreadable} if unreadable else said)
    place = Place(position=stored["position"], id=stored["id"])
    digest = hashlib.sha256(text.encode()).digest()
    return TrailRow(place=place, text=text, digest=digest, key=key_of(place.id))


def _read(name: str, value: object, dialect: Dialect) -> object:
    """Return what the row's text says of a value; raises `ValueError` where the program never wrote it."""
    if name == "changes":
        return parse_document(value, dialect)
    if type(value) is not (int if name in _COUNTED else str) and not (value is None and name in _NULLABLE):
        msg = f"no {name}"
        raise ValueError(msg)
    # SQLite holds times as the very text that is told.
    return as_written(str(value)) if name == "created_at" and dialect == "postgresql" else value
