"""The audit as a sequence of rows in the order that the database gave them, each with one exact text.

The text is JSON in UTF-8 with sorted keys and no blanks, times to the microsecond in UTC, ids with
hyphens, the row's position included: the same row gives the same bytes, whoever reads it.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, and_, func, or_, select

from wallet_provisioning.store.columns import iso
from wallet_provisioning.store.tables import audit_logs
from wallet_provisioning.store.urls import Dialect


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A place in the audit: that of a row. Before the first one it is `START`."""

    position: int
    id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class TrailRow:
    """A row: where it stands, when it was written, and its exact text."""

    place: Place
    created_at: datetime
    text: str

    @property
    def digest(self) -> bytes:
        """The row's SHA-256."""
        return hashlib.sha256(self.text.encode()).digest()


START = Place(position=-1, id=UUID(int=0))
_ORDER = (audit_logs.c.position, audit_logs.c.id)


def read_trail(
    connection: Connection,
    after: Place,
    *,
    through: Place | None = None,
    limit: int,
    conditions: Sequence[ColumnElement[bool]] = (),
) -> tuple[TrailRow, ...]:
    """Return up to `limit` rows after a place, in their order."""
    bounds = [is_after(after)] if through is None else [is_after(after), is_up_to(through)]
    query = select(audit_logs).where(*bounds, *conditions).order_by(*_ORDER).limit(limit)
    return tuple(_row(dict(row)) for row in connection.execute(query).mappings())


def is_after(place: Place) -> ColumnElement[bool]:
    """Return the condition that a row stands after a place; an index on positions serves it."""
    position, row_id = _ORDER
    return and_(position >= place.position, or_(position > place.position, row_id > place.id))


def is_up_to(place: Place) -> ColumnElement[bool]:
    """Return the condition that a row stands at a place or before it."""
    position, row_id = _ORDER
    return and_(position <= place.position, or_(position < place.position, row_id <= place.id))


def is_settled(dialect: Dialect) -> tuple[ColumnElement[bool], ...]:
    """Return the condition that no row can come in before a row any more: all that ran have ended."""
    return () if dialect == "sqlite" else (audit_logs.c.position < func.audit_settled(),)


def canonical(document: Mapping[str, Any]) -> str:
    """Return a document's exact text."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=_as_text)


def _row(row: Mapping[str, Any]) -> TrailRow:
    place = Place(position=row["position"], id=row["id"])
    return TrailRow(place=place, created_at=row["created_at"], text=canonical(row))


def _as_text(value: object) -> str:
    return iso(value) if isinstance(value, datetime) else str(value)
