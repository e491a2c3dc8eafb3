"""How a connection is opened and set up. Nothing here connects by itself.

PostgreSQL: every wait has an end, and a connection that lay idle is tried before it is used, so that a
restarted server costs no operation. What writers do is prepared, and the server keeps its plans: for the
few rows of a small pool, planning costs it a third of all its work. A kept plan fits the tables as they
were, and those of a new database grow fast, so plans are dropped every few seconds. What readers ask is
planned for the values at hand, since those decide which partial index serves. Behind a pooler (see
`pooling`) the limits are set anew in each transaction, which costs it a round trip, and nothing is
prepared. A write of one statement is sent without BEGIN and COMMIT, which would be two round trips more.
SQLite: the driver's own transactions are turned off, since they begin too late.
"""

import fcntl
import os
import sqlite3
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.pool import ConnectionPoolEntry, PoolProxiedConnection

from wallet_provisioning.clock import Clock
from wallet_provisioning.store.errors import StoreUnusableError
from wallet_provisioning.store.patience import FIRST_WORD, GREETING, PatientConnection, patient_for
from wallet_provisioning.store.pooling import POOLED
from wallet_provisioning.store.same_file import EmbeddedFile
from wallet_provisioning.store.sessions import (
    POOLED_TRANSACTION,
    WrongEncodingError,
    has_news,
    require_letters,
    set_up_session,
)
from wallet_provisioning.store.texts import dump_document
from wallet_provisioning.store.urls import dialect_of

WAIT_FOR_CONNECTION = timedelta(seconds=5)
WAIT_FOR_LOCK = timedelta(seconds=5)
_WRITES = "wallet_provisioning_writes"
_ONCE = "wallet_provisioning_once"
_TRIED = "wallet_provisioning_tried"
_OLDEST_SQLITE = (3, 35)
_TRY_AFTER = timedelta(seconds=10)
_PREPARE_AFTER = 2  # executions

_POSTGRESQL_ARGUMENTS = {
    "connect_timeout": "3",
    "keepalives": "1",
    "keepalives_idle": "5",
    "keepalives_interval": "2",
    "keepalives_count": "3",
    "tcp_user_timeout": "10000",
}
_SQLITE_SESSION = (
    f"PRAGMA busy_timeout = {int(WAIT_FOR_LOCK.total_seconds() * 1000)}",
    "PRAGMA foreign_keys = ON",
    "PRAGMA synchronous = FULL",
    # The default of 2 MB makes a group commit read its own pages back from the file.
    "PRAGMA cache_size = -65536",
    "PRAGMA wal_autocheckpoint = 8000",
)


def make_engine(url: URL, *, clock: Clock, pool_size: int, application_name: str) -> Engine:
    """Return an engine that has not connected yet. Values never show in its error texts."""
    is_sqlite = dialect_of(url) == "sqlite"
    engine = create_engine(
        url,
        isolation_level=None if is_sqlite else "READ COMMITTED",
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=WAIT_FOR_CONNECTION.total_seconds(),
        pool_use_lifo=True,
        hide_parameters=True,
        json_serializer=dump_document,
        connect_args=_sqlite_arguments() if is_sqlite else postgresql_arguments(url, application_name),
    )
    if is_sqlite:
        file = EmbeddedFile(Path(str(url.database)))
        event.listen(engine, "do_connect", file.before_connecting)
        event.listen(engine, "connect", partial(_set_up_sqlite, file))
        event.listen(engine, "begin", partial(_begin_sqlite, file))
    else:
        event.listen(engine, "do_connect", _connect_patiently)
        event.listen(engine, "connect", set_up_session)
        event.listen(engine, "begin", _begin_postgresql)
        _try_connections(engine, clock)
    return engine


def for_writing(connection: Connection) -> Connection:
    """Mark a connection, before its transaction begins, as one that will write."""
    return connection.execution_options(**{_WRITES: True})


def for_one_statement(connection: Connection) -> Connection:
    """Mark a connection, before its transaction begins, as one that will write by a single statement.

    PostgreSQL takes such a statement as a transaction of its own. Behind a pooler it gets one as ever, since
    its limits must be set in it.
    """
    return connection.execution_options(**{_WRITES: True, _ONCE: True})


def for_reading(connection: Connection) -> Connection:
    """Mark a connection, before its transaction begins, as one that must not write."""
    if connection.dialect.name == "sqlite":
        return connection
    return connection.execution_options(postgresql_readonly=True, isolation_level="REPEATABLE READ")


def postgresql_arguments(url: URL, application_name: str) -> dict[str, str]:
    """Return libpq's settings, less those that the URL sets itself."""
    arguments = {**_POSTGRESQL_ARGUMENTS, "application_name": application_name}
    return {name: value for name, value in arguments.items() if name not in url.query}


def listener_arguments(url: URL) -> dict[str, Any]:
    """Return what psycopg needs for a connection outside any pool."""
    dialect = url.get_dialect()()
    _, settings = dialect.create_connect_args(url)
    return {**settings, **postgresql_arguments(url, "wallet-listener")}


def _sqlite_arguments() -> dict[str, Any]:
    if sqlite3.sqlite_version_info < _OLDEST_SQLITE:
        msg = f"SQLite {sqlite3.sqlite_version} is too old; 3.35 is needed"
        raise StoreUnusableError(msg)
    return {"check_same_thread": False, "timeout": WAIT_FOR_LOCK.total_seconds()}


def _set_up_sqlite(file: EmbeddedFile, connection: sqlite3.Connection, entry: ConnectionPoolEntry) -> None:
    connection.isolation_level = None
    for pragma in _SQLITE_SESSION:
        connection.execute(pragma)
    if connection.execute("PRAGMA journal_mode").fetchone() != ("wal",):
        _switch_to_wal(file.path.parent, connection)
    connection.execute("PRAGMA schema_version")  # opens the files beside it too
    file.connected(entry)


def _switch_to_wal(folder: Path, connection: sqlite3.Connection) -> None:
    """Switch a new file over, one program at a time: SQLite itself doesn't wait for another one here.

    The lock is the folder's. Opening the file a second time would give up SQLite's own locks on it.
    """
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        connection.execute("PRAGMA journal_mode = WAL")
    finally:
        os.close(descriptor)


def _begin_sqlite(file: EmbeddedFile, connection: Connection) -> None:
    writes = connection.get_execution_options().get(_WRITES, False)
    connection.exec_driver_sql(f"PRAGMA query_only = {0 if writes else 1}")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
    file.require(connection)


def _connect_patiently(
    dialect: object, entry: object, arguments: tuple[Any, ...], named: dict[str, Any]
) -> PatientConnection:
    del dialect, entry
    connection = PatientConnection.connect(*arguments, **named)
    try:
        require_letters(connection)
    except WrongEncodingError:
        connection.close()
        raise
    return connection


def _begin_postgresql(connection: Connection) -> None:
    driver: Any = connection.connection.dbapi_connection
    options = connection.get_execution_options()
    writes = options.get(_WRITES, False)
    if writes and driver.read_only is not None:
        driver.read_only = None  # as the server has it, after a reader
    if POOLED in connection.info:
        with patient_for(driver, FIRST_WORD):
            connection.exec_driver_sql(POOLED_TRANSACTION)
        return
    driver.prepare_threshold = _PREPARE_AFTER if writes else None
    # The driver sends BEGIN and COMMIT itself, unless this is set, which costs no round trip.
    once = options.get(_ONCE, False)
    if driver.autocommit is not once:
        driver.autocommit = once


def _try_connections(engine: Engine, clock: Clock) -> None:
    """Try a pooled connection before it is used, now and then and where something came for it meanwhile.

    The pool replaces one that is dead. Most ends are told: by a server or a pooler that ends idle sessions,
    by one that went away, by a keep-alive that found none. To look for that costs no round trip.

    What tries it drops the plans that it keeps: those were made for smaller tables.
    """

    def try_again(
        connection: PatientConnection, entry: ConnectionPoolEntry, proxy: PoolProxiedConnection
    ) -> None:
        del proxy
        now = clock.monotonic()
        if now - entry.info.setdefault(_TRIED, now) < _TRY_AFTER and not has_news(connection):
            return
        try:
            with patient_for(connection, GREETING):
                connection.execute("DISCARD PLANS")
                connection.rollback()
        except psycopg.Error as error:
            raise DisconnectionError from error
        entry.info[_TRIED] = now

    event.listen(engine, "checkout", try_again)
