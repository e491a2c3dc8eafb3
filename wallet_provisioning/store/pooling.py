"""PostgreSQL behind a pooler such as PgBouncer in transaction mode.

There a session is nobody's own: the next transaction may run on another server connection. So nothing
may be set but for one transaction, nothing can be prepared, and LISTEN is never heard. A pooler is found
out by its greeting: the process id that it gives to a client is not that of the server's process. In
session mode it looks the same, and what is done for transaction mode is right there too.
"""

import psycopg

# Kept in the notes of a pooled connection, which SQLAlchemy shows as `Connection.info`.
POOLED = "wallet_provisioning_pooled"
_WHO_SERVES = "SELECT pg_backend_pid()"


def is_pooled(connection: psycopg.Connection) -> bool:
    """Return whether a pooler stands between this connection and the server."""
    row = connection.execute(_WHO_SERVES).fetchone()
    return row is not None and row[0] != connection.info.backend_pid


async def is_pooled_async(connection: psycopg.AsyncConnection) -> bool:
    """Do the same on an event loop."""
    cursor = await connection.execute(_WHO_SERVES)
    row = await cursor.fetchone()
    return row is not None and row[0] != connection.info.backend_pid
