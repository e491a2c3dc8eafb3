"""Deletes audit rows that are sealed and past their time, seal by seal from the oldest; the seals stay.

It is the one way for an audit row to go. The transaction that deletes them says so in an audit row, signed
with the key of the seals: without that statement missing rows are a breach.
"""

from collections.abc import Collection, Mapping
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, delete, select

from wallet_provisioning.store.audit import write_audit
from wallet_provisioning.store.columns import iso
from wallet_provisioning.store.guards import without_guards
from wallet_provisioning.store.seals import Seal
from wallet_provisioning.store.signing import Signer, is_signed
from wallet_provisioning.store.tables import audit_logs, audit_seals
from wallet_provisioning.store.trail import canonical, is_up_to
from wallet_provisioning.store.transaction import Transaction

AUDIT_RETENTION = "wallet-worker:audit_retention"
_DELETE_GUARDS = ("audit_logs_no_delete",)


def remove_sealed(tx: Transaction, signer: Signer, *, keep: timedelta) -> int:
    """Delete the rows of the oldest seal that has any and is older than `keep`; returns how many."""
    seal = _oldest_with_rows(tx.connection)
    limit = tx.read_clock() - keep
    if seal is None or seal.sealed_at >= limit:
        return 0
    said = {"through_seal": seal.number, "head": seal.head, "cut_off": iso(limit)}
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
    query = select(audit_logs.c.changes).where(audit_logs.c.action == AUDIT_RETENTION)
    newest = connection.execute(query.order_by(audit_logs.c.position.desc())).scalars()
    stated = (_stated(changes["after"], public_keys) for changes in newest)
    return next((number for number in stated if number is not None), 0)


def _stated(after: Mapping[str, Any] | None, public_keys: Collection[str]) -> int | None:
    """Return the seal of a statement that is truly signed."""
    if after is None:
        return None
    said = {name: after.get(name) for name in ("through_seal", "head", "cut_off")}
    key, signature = str(after.get("public_key")), str(after.get("signature"))
    if key not in public_keys or not is_signed(canonical(said), signature, key):
        return None
    return int(after["through_seal"])


def _oldest_with_rows(connection: Connection) -> Seal | None:
    first = connection.execute(
        select(audit_logs.c.position, audit_logs.c.id)
        .order_by(audit_logs.c.position, audit_logs.c.id)
        .limit(1)
    ).one_or_none()
    if first is None:
        return None
    query = select(audit_seals).where(
        (audit_seals.c.last_position > first.position)
        | ((audit_seals.c.last_position == first.position) & (audit_seals.c.last_id >= first.id))
    )
    row = connection.execute(query.order_by(audit_seals.c.number).limit(1)).mappings().one_or_none()
    return None if row is None else Seal(**row)
