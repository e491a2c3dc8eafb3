"""The numbers that order the audit, which the database gives.

On PostgreSQL a row's position is its transaction's id plus an offset. A dump that is restored into a new
server brings positions that its counter has not reached yet: new rows would come in among old ones. So
the offset is raised then, by `migrate`; a daemon refuses to start before.
"""

from sqlalchemy import Connection, inspect, text

_MARGIN = 1000


def runs_behind(connection: Connection) -> bool:
    """Return whether new rows would come in among old ones."""
    if connection.dialect.name == "sqlite":
        return False
    return bool(connection.execute(text(f"SELECT {_LAST} > {_SNAPSHOT} + audit_offset()")).scalar())


def put_forward(connection: Connection) -> None:
    """Raise the offset where the counter of transactions began again; on SQLite there is none."""
    if connection.dialect.name == "sqlite" or not inspect(connection).has_table("audit_seals"):
        return
    if not runs_behind(connection):
        return
    last, now = connection.execute(text(f"SELECT {_LAST}, {_SNAPSHOT}")).one()
    offset = int(last) - int(now) + _MARGIN
    connection.execute(
        text(
            "CREATE OR REPLACE FUNCTION audit_offset() RETURNS bigint LANGUAGE sql IMMUTABLE "
            f"AS 'SELECT {offset}::bigint'"
        )
    )


# A reader has no transaction id of its own; the next one to be given is an upper bound of all given.
_SNAPSHOT = "txid_snapshot_xmax(txid_current_snapshot())"
_LAST = "coalesce((SELECT max(position) FROM audit_logs), 0)"
