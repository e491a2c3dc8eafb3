"""Alembic's entry: runs the migrations on the connection that `store.schema` has opened.

That connection's transaction is its own affair, so that a migration is done whole or not at all on
both databases.
"""

from alembic import context
from sqlalchemy import Connection


def run() -> None:
    """Run what Alembic was asked for; raises `RuntimeError` when it is started in another way."""
    connection = context.config.attributes.get("connection")
    if not isinstance(connection, Connection):
        msg = "run `wallet-provisioning migrate`; it opens the connection that migrations need"
        raise RuntimeError(msg)  # noqa: TRY004 - nobody passed a wrong type, the way in was wrong
    context.configure(connection=connection, transactional_ddl=True)
    context.run_migrations()


run()
