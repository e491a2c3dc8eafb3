"""What is set for a PostgreSQL session, whatever its server, database or role has as a default.

A setting is for the session where that is ours alone. Behind a pooler (see `pooling`) it is for one
transaction, but for those few that a pooler carries along with its client. How transactions are isolated
stands in each BEGIN (see `engine`), and for a statement without one in the session. Whether the server
takes writes at all is its own affair: a database that is read-only by default was made so on purpose, or
by a full disk.
"""

import select

import psycopg
from sqlalchemy.pool import ConnectionPoolEntry

from wallet_provisioning.store.patience import (
    GREETING,
    PatientAsyncConnection,
    PatientConnection,
    patient_for,
)
from wallet_provisioning.store.pooling import POOLED, is_pooled

POOLED_TRANSACTION = "SET LOCAL statement_timeout = '8s'; SET LOCAL lock_timeout = '5s'; SET LOCAL jit = off"
# What dates look like, and which letters: a pooler carries these along, and nothing else that is set.
_POOLED_SESSION = "SET timezone = 'UTC'; SET client_encoding = 'UTF8'; SET datestyle = 'ISO, MDY'"
_SESSION = (
    "SET statement_timeout = '8s'; SET lock_timeout = '5s'; SET plan_cache_mode = auto; SET jit = off; "
    f"SET default_transaction_isolation = 'read committed'; SET intervalstyle = postgres; {_POOLED_SESSION}"
)
_NEVER_IDLE = "SET idle_session_timeout = 0"
_KNOWS_IDLE = 140_000  # the first version that ends idle sessions
_ENCODING = "UTF8"


class WrongEncodingError(psycopg.OperationalError):
    """The database can't hold every letter; the message says what to do."""


def set_up_session(connection: PatientConnection, entry: ConnectionPoolEntry) -> None:
    """Set a new connection of the pool up; raises as the driver does."""
    connection.autocommit = True
    with patient_for(connection, GREETING):
        if is_pooled(connection):
            entry.info[POOLED] = True
            connection.prepare_threshold = None
            connection.execute(_POOLED_SESSION)
        else:
            connection.execute(f"{_SESSION}; {endless(connection)}".encode())
    connection.autocommit = False


def require_letters(connection: PatientConnection) -> None:
    """Return where the database holds every letter; raises `WrongEncodingError`. Costs no round trip."""
    encoding = connection.info.parameter_status("server_encoding")
    if encoding not in {None, _ENCODING}:
        msg = f"its encoding is {encoding}; name a database in DATABASE_URL that was created with {_ENCODING}"
        raise WrongEncodingError(msg)


def endless(connection: PatientConnection | PatientAsyncConnection) -> str:
    """Return the statement that keeps the server from ending a session which lies idle, "" for an old one."""
    return _NEVER_IDLE if connection.info.server_version >= _KNOWS_IDLE else ""


def has_news(connection: PatientConnection) -> bool:
    """Return whether something came for a connection that asked nothing, most likely its end."""
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    return bool(poll.poll(0))
