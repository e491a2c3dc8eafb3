"""The numbers that order the audit, which the database gives.

On PostgreSQL a row's position is its transaction's id plus an offset. A dump that is restored into a new
server brings positions that its counter has not reached yet: new rows would come in among old ones. So
the offset is raised then, by `migrate`; a daemon refuses to start before.

`migrate` also notes which server counts. At home a row ahead of the counter was inserted by hand: it stops
nobody, and who verifies is told of it.
"""

from sqlalchemy import Connection, text

from wallet_provisioning.store.errors import StoreUnusableError

_MARGIN = 1000
_HIGHEST = 2**62


def runs_behind(connection: Connection) -> bool:
    """Return whether new rows would come in among old ones, which another server has numbered."""
    if connection.dialect.name == "sqlite" or is_at_home(connection):
        return False
    return bool(connection.execute(text(f"SELECT {_LAST} > {_NEXT}")).scalar())


def is_at_home(connection: Connection) -> bool:
    """Return whether this server is the one that was noted: its counter has never begun again."""
    if connection.dialect.name == "sqlite":
        return True
    if not _has(connection, "audit_server"):
        return False
    return bool(connection.execute(text("SELECT audit_server() = server_identity()")).scalar())


def find_ahead(connection: Connection) -> object:
    """Return the stored id of the first row whose position is yet to be given; None where there is none."""
    if connection.dialect.name == "sqlite" or not is_at_home(connection):
        return None
    query = f"SELECT id FROM audit_logs WHERE position >= {_NEXT} ORDER BY position, id LIMIT 1"  # noqa: S608 - text of our own
    return connection.execute(text(query)).scalar()


def put_forward(connection: Connection) -> None:
    """Raise the offset where the counter of transactions began again; on SQLite there is none.

    Raises `StoreUnusableError` where a row's position leaves no room above it.
    """
    if connection.dialect.name == "sqlite" or not _has(connection, "audit_offset"):
        return
    if runs_behind(connection):
        last, now = connection.execute(text(f"SELECT {_LAST}, {_COUNTER}")).one()
        offset = int(last) - int(now) + _MARGIN
        if offset > _HIGHEST:
            msg = (
                f"an audit row has the position {last}, which no server ever gives: it was inserted by "
                "hand; docs/audit.md says how to take it away"
            )
            raise StoreUnusableError(msg)
        _say(connection, "audit_offset", f"SELECT {offset}::bigint", "bigint")
    if _has(connection, "audit_server") and not is_at_home(connection):
        server = connection.execute(text("SELECT server_identity()")).scalar()
        if server is not None:
            _say(connection, "audit_server", f"SELECT ''{int(server)}''::text", "text")


def _has(connection: Connection, function: str) -> bool:
    return bool(connection.execute(text("SELECT to_regproc(:name) IS NOT NULL"), {"name": function}).scalar())


def _say(connection: Connection, function: str, body: str, kind: str) -> None:
    """Have a function say what was noted: data could be changed by whoever may write rows."""
    connection.execute(
        text(f"CREATE OR REPLACE FUNCTION {function}() RETURNS {kind} LANGUAGE sql IMMUTABLE AS '{body}'")
    )


# A reader has no transaction id of its own; the next one to be given is an upper bound of all given.
_COUNTER = "txid_snapshot_xmax(txid_current_snapshot())"
_NEXT = f"{_COUNTER} + audit_offset()"
_LAST = "coalesce((SELECT max(position) FROM audit_logs), 0)"
