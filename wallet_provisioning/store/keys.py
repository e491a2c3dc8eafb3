"""The keys under which requests are repeated: each leads to its first job, for ever."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal
from uuid import UUID

from sqlalchemy import ColumnElement, Executable, bindparam, select, update
from sqlalchemy.dialects import postgresql, sqlite

from wallet_provisioning.store.sets import one_of_pairs
from wallet_provisioning.store.tables import request_keys
from wallet_provisioning.store.texts import require_storable
from wallet_provisioning.store.transaction import Transaction, moment_of
from wallet_provisioning.store.urls import Dialect


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestKey:
    """What a caller repeats a request under. Raises `UnstorableTextError` for 0 or over 500 characters."""

    kind: Literal["request_id", "idempotency_key", "provider_ref"]
    value: str

    def __post_init__(self) -> None:
        """Refuse a value that the database would have to change."""
        require_storable(self.kind, self.value)


def claim_keys(tx: Transaction, keys: Sequence[RequestKey], job_id: UUID) -> UUID | None:
    """Point the keys at a job to come; return the first job where a key is known already.

    Then all keys point at that job. Waits for a transaction that writes one of them at this moment.
    """
    new = sum(_is_new(tx, key, job_id) for key in in_order(keys))
    if new == len(set(keys)):
        return None
    found = _find(tx, keys)
    first = next(found[key] for key in keys if found[key] != job_id)
    if new:
        point_keys(tx, keys, job_id, first)
    return first


def point_keys(tx: Transaction, keys: Sequence[RequestKey], planned: UUID, actual: UUID) -> None:
    """Point the keys that this transaction wrote at the job that their request turned out to belong to."""
    if not keys or planned == actual:
        return
    statement = update(request_keys).where(_among(tx, keys), request_keys.c.job_id == planned)
    tx.execute(statement.values(job_id=actual))


def find_first_job(tx: Transaction, key: RequestKey) -> UUID | None:
    """Return the job that a key led to first."""
    return _find(tx, [key]).get(key)


def in_order(keys: Sequence[RequestKey]) -> list[RequestKey]:
    """Every transaction writes its keys in one order, so two never wait for each other."""
    return sorted(set(keys), key=lambda key: (key.kind, key.value))


def _is_new(tx: Transaction, key: RequestKey, job_id: UUID) -> bool:
    values = {"of_kind": key.kind, "of_value": key.value, "of_job": job_id}
    return tx.execute(_write(tx.dialect), {**values, **tx.moment}).first() is not None


@cache
def _write(dialect: Dialect) -> Executable:
    insert = postgresql.insert if dialect == "postgresql" else sqlite.insert
    statement = insert(request_keys).values(
        kind=bindparam("of_kind"),
        value=bindparam("of_value"),
        job_id=bindparam("of_job"),
        created_at=moment_of(dialect),
    )
    return statement.on_conflict_do_nothing().returning(request_keys.c.value)


def _find(tx: Transaction, keys: Sequence[RequestKey]) -> dict[RequestKey, UUID]:
    columns = (request_keys.c.kind, request_keys.c.value, request_keys.c.job_id)
    rows = tx.execute(select(*columns).where(_among(tx, keys)))
    return {RequestKey(kind=row.kind, value=row.value): row.job_id for row in rows}


def _among(tx: Transaction, keys: Sequence[RequestKey]) -> ColumnElement[bool]:
    columns = (request_keys.c.kind, request_keys.c.value)
    return one_of_pairs(tx.dialect, columns, [key.kind for key in keys], [key.value for key in keys])
