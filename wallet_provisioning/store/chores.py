"""Chores: what one daemon does at a time, while the others leave it to that one."""

from enum import IntEnum

from sqlalchemy import text

from wallet_provisioning.store.transaction import Transaction


class Chore(IntEnum):
    """The advisory lock that each is done under: its name's letters."""

    SEAL = 0x7365616C
    SWEEP = 0x7377656570
    FOLD = 0x666F6C64


def is_ours(tx: Transaction, chore: Chore) -> bool:
    """Return whether this transaction may do a chore: nobody else does it until its end."""
    if tx.dialect == "sqlite":
        return True
    return bool(tx.execute(text("SELECT pg_try_advisory_xact_lock(:chore)"), {"chore": chore.value}).scalar())
