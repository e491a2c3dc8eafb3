"""Stores a request and has its members' wallets point at it, on PostgreSQL: one statement for both."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, text

from wallet_provisioning.store.arrays import array_text, ids_text
from wallet_provisioning.store.tables import circle_requests
from wallet_provisioning.store.transaction import Transaction

_NAMES = tuple(column.name for column in circle_requests.c)
_REPLACED = ", ".join(f"{name} = excluded.{name}" for name in _NAMES if name not in {"id", "idempotency_key"})

# bind: store a request, in the place of a refused one with its key, and bind wallets to it in their order
_BIND = text(
    f"""
WITH stored AS (
    INSERT INTO circle_requests AS r ({", ".join(_NAMES)})
    VALUES ({", ".join(f":{name}" for name in _NAMES)})
    ON CONFLICT (idempotency_key) DO UPDATE SET {_REPLACED} WHERE r.state = 'refused'
    RETURNING id, blockchain, account_type, wallet_set_id, first_sent_at
),
bound AS (
    UPDATE managed_wallets AS w
    SET request_id = stored.id, position = listed.place - 1, ref_id = listed.ref_id,
        blockchain = stored.blockchain, account_type = stored.account_type,
        wallet_set_id = stored.wallet_set_id, updated_at = stored.first_sent_at
    FROM stored, unnest(CAST(:wallet_ids AS text[]), CAST(:ref_ids AS text[]))
        WITH ORDINALITY AS listed (wallet_id, ref_id, place)
    WHERE w.id = listed.wallet_id COLLATE "C"
)
SELECT id FROM stored
"""  # noqa: S608 - the names of our own columns
).bindparams(*[bindparam(column.name, type_=column.type) for column in circle_requests.c])


def store_and_bind(tx: Transaction, values: Mapping[str, Any], ref_ids: Mapping[str, str]) -> UUID | None:
    """Store a request for wallets, whose refIds are given by their ids; returns its id.

    None where its key belongs to a request that was not refused; then nothing is changed.
    """
    members = {"wallet_ids": ids_text(ref_ids), "ref_ids": array_text(list(ref_ids.values()))}
    written: str | None = tx.execute(_BIND, {**values, **members}).scalar()
    return None if written is None else UUID(written)
