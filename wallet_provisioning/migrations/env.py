"""Alembic's entry: runs the migrations on the connection that `store.schema` has opened.

That connection's transaction is its own affair, so that a migration is done whole or not at all on
both databases. At the end it writes down which program is the oldest that may work with the schema: a
program that is older than the schema can't know the migrations, but it can read that.
"""

from alembic import context
from sqlalchemy import Connection, inspect, text


def run() -> None:
    """Run what Alembic was asked for; raises `RuntimeError` when it is started in another way."""
    connection = context.config.attributes.get("connection")
    if not isinstance(connection, Connection):
        msg = "run `wallet-provisioning migrate`; it opens the connection that migrations need"
        raise RuntimeError(msg)  # noqa: TRY004 - nobody passed a wrong type, the way in was wrong
    context.configure(connection=connection, transactional_ddl=True)
    context.run_migrations()
    _note_oldest_program(connection)


def _note_oldest_program(connection: Connection) -> None:
    """Write the latest `oldest_program` that the revisions in force name."""
    if not inspect(connection).has_table("schema_compatibility"):
        return
    current = context.get_context().get_current_revision()
    if current is None or current not in {script.revision for script in context.script.walk_revisions()}:
        return
    named = [
        getattr(script.module, "oldest_program", None)
        for script in context.script.iterate_revisions(current, "base")
    ]
    oldest = max((name for name in named if name is not None), default=current)
    connection.execute(text("DELETE FROM schema_compatibility"))
    connection.execute(text("INSERT INTO schema_compatibility VALUES (1, :oldest)"), {"oldest": oldest})


run()
