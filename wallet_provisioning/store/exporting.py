"""The audit as lines of JSON, for those who keep a copy elsewhere."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement

from wallet_provisioning.store.database import Database
from wallet_provisioning.store.seals import last_seal
from wallet_provisioning.store.tables import audit_logs
from wallet_provisioning.store.trail import Place, canonical, read_trail

_AT_ONCE = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportFilter:
    """Which rows; None leaves a bound out. `until` is excluded."""

    user_id: UUID | None = None
    since: datetime | None = None
    until: datetime | None = None


def export_audit(database: Database, wanted: ExportFilter) -> Iterator[str]:
    """Return the rows' exact texts in their order, and at last the newest signed head.

    Read in many short transactions, so that it may take long.
    """
    conditions = tuple(_conditions(wanted))
    place: Place | None = None
    count = 0
    while True:
        with database.read() as connection:
            rows = read_trail(connection, place, limit=_AT_ONCE, conditions=conditions)
        yield from (row.text for row in rows)
        count += len(rows)
        if len(rows) < _AT_ONCE:
            break
        place = rows[-1].place
    yield canonical({"rows": count, "seal": _seal(database)})


def _conditions(wanted: ExportFilter) -> Iterator[ColumnElement[bool]]:
    if wanted.user_id is not None:
        yield audit_logs.c.user_id == wanted.user_id
    if wanted.since is not None:
        yield audit_logs.c.created_at >= wanted.since
    if wanted.until is not None:
        yield audit_logs.c.created_at < wanted.until


def _seal(database: Database) -> dict[str, object] | None:
    with database.read() as connection:
        seal = last_seal(connection)
    if seal is None:
        return None
    return {
        "number": seal.number,
        "sealed_at": seal.sealed_at,
        "head": seal.head,
        "signature": seal.signature,
        "public_key": seal.public_key,
    }
