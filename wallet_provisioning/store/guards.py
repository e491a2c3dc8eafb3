"""Taking SQLite's guards down for one lawful step, within its transaction, and putting them up again.

SQLite's triggers can't ask who writes or what the transaction has written. Its schema is transactional
and there is one writer, so nobody else ever sees the table unguarded. PostgreSQL's own triggers look for
the audit row of the step and need nothing.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from sqlalchemy import text

from wallet_provisioning.store.transaction import Transaction


@contextmanager
def without_guards(tx: Transaction, names: Sequence[str]) -> Iterator[None]:
    """Run a step without these triggers. On an exception the rollback puts them up again."""
    if tx.dialect == "postgresql":
        yield
        return
    bodies = [_body(tx, name) for name in names]
    for name in names:
        tx.execute(text(f"DROP TRIGGER {name}"))
    yield
    for body in bodies:
        tx.connection.exec_driver_sql(body)


def _body(tx: Transaction, name: str) -> str:
    query = text("SELECT sql FROM sqlite_master WHERE type = 'trigger' AND name = :name")
    return str(tx.execute(query, {"name": name}).scalar_one())
