"""Deletes audit rows that are sealed and past their time, seal by seal from the oldest; the seals stay.

It is the one way for an audit row to go. The transaction that deletes them says so in an audit row, signed
with the key of the seals: without that statement missing rows are a breach. It tells the head of the last
seal whose rows went, so it serves this chain of seals and no other.
"""

from collections.abc import Collection, Iterator, Mapping
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, delete, select

from wallet_provisioning.store.audit import write_audit
from wallet_provisioning.store.columns import iso
from wallet_provisioning.store.guards import without_guards
from wallet_provisioning.store.seals import Seal, fetch_seals, select_seals
from wallet_provisioning.store.signing import Signer, is_signed
from wallet_provisioning.store.stored import (
    as_object,
    dialect_on,
    parse_document,
    read_stored,
    select_stored,
)
from wallet_provisioning.store.tables import audit_logs, audit_seals
from wallet_provisioning.store.trail import canonical, is_up_to
from wallet_provisioning.store.transaction import Transaction

AUDIT_RETENTION = "wallet-worker:audit_retention"
_DELETE_GUARDS = ("audit_logs_no_delete",)
_SAID = ("through_seal", "head", "cut_off")


def remove_sealed(tx: Transaction, signer: Signer, *, keep: timedelta) -> int:
    """Delete the rows of the oldest seal that has any and is older than `keep`; returns how many."""
    seal = _oldest_with_rows(tx.connection)
    limit = iso(tx.read_clock() - keep)
    if seal is None or seal.sealed_at >= limit:
        return 0
    said = {"through_seal": seal.number, "head": seal.head, "cut_off": limit}
    write_audit(
        tx,
        action=AUDIT_RETENTION,
        resource_type="audit",
        resource_id=str(seal.number),
        before={"rows": seal.row_count},
        after={**said, "public_key": signer.public_key, "signature": signer.sign(canonical(said))},
    )
    with without_guards(tx, _DELETE_GUARDS):
        return tx.execute(delete(audit_logs).where(is_up_to(seal.place))).rowcount


def removed_through(connection: Connection, public_keys: Collection[str]) -> int:
    """Return the number of the last seal whose rows were lawfully deleted, 0 where none were."""
    stated = _statements(connection, public_keys)
    return max((number for _, number in stated if number is not None), default=0)


def find_false_statement(connection: Connection, public_keys: Collection[str]) -> object:
    """Return the stored id of the first row that claims a removal and isn't truly signed for this chain."""
    stated = _statements(connection, public_keys)
    return next((row_id for row_id, number in stated if number is None), None)


def _statements(connection: Connection, public_keys: Collection[str]) -> Iterator[tuple[object, int | None]]:
    """Return the rows that state a removal, in their order, each with its seal, None where it is false."""
    dialect = dialect_on(connection)
    query = select_stored(audit_logs, dialect).where(audit_logs.c.action == AUDIT_RETENTION)
    for row in read_stored(connection, query.order_by(audit_logs.c.position, audit_logs.c.id)):
        try:
            after = as_object(as_object(parse_document(row["changes"], dialect)).get("after"))
        except ValueError:
            after = {}
        is_true = _is_signed(after, public_keys) and _is_of_this_chain(connection, after)
        yield row["id"], int(after["through_seal"]) if is_true else None


def _is_signed(after: Mapping[str, Any], public_keys: Collection[str]) -> bool:
    said = {name: after.get(name) for name in _SAID}
    key, signature = str(after.get("public_key")), str(after.get("signature"))
    return key in public_keys and is_signed(canonical(said), signature, key)


def _is_of_this_chain(connection: Connection, after: Mapping[str, Any]) -> bool:
    """Return whether the seal that is named has the head that is named."""
    query = select(audit_seals.c.head).where(audit_seals.c.number == after["through_seal"])
    return bool(connection.execute(query).scalar() == after["head"])


def _oldest_with_rows(connection: Connection) -> Seal | None:
    first = connection.execute(
        select(audit_logs.c.position, audit_logs.c.id)
        .order_by(audit_logs.c.position, audit_logs.c.id)
        .limit(1)
    ).one_or_none()
    if first is None:
        return None
    query = select_seals(connection).where(
        (audit_seals.c.last_position > first.position)
        | ((audit_seals.c.last_position == first.position) & (audit_seals.c.last_id >= first.id))
    )
    found = fetch_seals(connection, query.order_by(audit_seals.c.number).limit(1))
    return found[0] if found else None
