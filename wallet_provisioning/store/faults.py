"""Turns what the drivers raise into the store's own errors, once and for all operations.

PostgreSQL's five-letter codes and SQLite's result codes say what happened. Texts are read for one thing
only: SQLite has no code for a table that is missing.
"""

import sqlite3

import psycopg
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from wallet_provisioning.store.errors import (
    RowRefusedError,
    SchemaTooOldError,
    StoreBusyError,
    StoreError,
    StoreLockedError,
    StoreUnavailableError,
    StoreUnusableError,
)
from wallet_provisioning.store.same_file import FileLostError
from wallet_provisioning.store.sessions import WrongEncodingError

DRIVER_ERRORS = (SQLAlchemyError, sqlite3.Error, psycopg.Error)

# lock_not_available, query_canceled, serialization_failure, deadlock_detected, object_in_use
_BUSY = frozenset({"55P03", "57014", "40001", "40P01", "55006"})
# disk_full, read_only_sql_transaction, io_error, data_corrupted, index_corrupted
_UNUSABLE = frozenset({"53100", "25006", "58030", "XX001", "XX002"})
# insufficient_privilege, invalid_schema_name: a state, since somebody can give them while we wait
_DENIED = frozenset({"42501", "3F000"})
# undefined_table, undefined_column
_OLD_SCHEMA = frozenset({"42P01", "42703"})
# data_exception, integrity_constraint_violation, program_limit_exceeded
_LET_IN = (
    "grant the role of DATABASE_URL its rights, to whoever migrates those to create, and see that its "
    "search_path names a schema that is there"
)
_REFUSED_CLASSES = frozenset({"22", "23", "54"})
# connection_exception, insufficient_resources, operator_intervention
_LOST_CLASSES = frozenset({"08", "53", "57"})
# idle_in_transaction_session_timeout, transaction_timeout
_LOST = frozenset({"25P03", "25P04"})

_SQLITE_BUSY = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL})
_SQLITE_UNUSABLE = {
    sqlite3.SQLITE_FULL: "its disk is full; free some space",
    sqlite3.SQLITE_READONLY: "it is read-only; let this user write to the file and its folder",
    sqlite3.SQLITE_CORRUPT: "the file is damaged; stop the daemon and restore a backup",
    sqlite3.SQLITE_NOTADB: "the file is no SQLite database; name another file in DATABASE_URL",
    sqlite3.SQLITE_CANTOPEN: "the file can't be opened; check that its folder is there and writable",
    sqlite3.SQLITE_PERM: "access to the file is denied; let this user read and write it",
    sqlite3.SQLITE_IOERR: "reading or writing the file failed; check the disk and the space on it",
}
_SQLITE_REFUSED = frozenset({sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_MISMATCH, sqlite3.SQLITE_TOOBIG})
_PRIMARY_CODE = 0xFF


def translate(error: BaseException) -> StoreError | None:
    """Return the store's word for a driver's error, None for what is a bug and stays as it is."""
    match error:
        case PoolTimeoutError():
            return StoreBusyError("all connections of the pool are in use; the pool is too small")
        case DBAPIError():
            return None if error.orig is None else translate(error.orig)
        case FileLostError() | WrongEncodingError():
            return StoreUnusableError(f"the database can't be used: {error}")
        case sqlite3.Error():
            return _from_sqlite(error)
        case psycopg.Error():
            return _from_postgresql(error)
        case _:
            return None


def _from_postgresql(error: psycopg.Error) -> StoreError | None:
    text = _one_line(error)
    code = error.sqlstate
    if code is None:
        return _from_libpq(error, text)
    if code in _BUSY:
        return StoreBusyError(text)
    if code in _UNUSABLE | _DENIED:
        advice = f"; {_LET_IN}" if code in _DENIED else ""
        return StoreUnusableError(f"the database can't be used: {text}{advice}")
    if code in _OLD_SCHEMA:
        return SchemaTooOldError(f"{text}; run `wallet-provisioning migrate`")
    if code[:2] in _REFUSED_CLASSES:
        return RowRefusedError(text)
    return StoreUnavailableError(text) if code[:2] in _LOST_CLASSES or code in _LOST else None


def _from_libpq(error: psycopg.Error, text: str) -> StoreError | None:
    """Errors without a code come from the client's side: no connection, or a value that can't be sent."""
    match error:
        case psycopg.DataError():
            return RowRefusedError(text)
        case psycopg.OperationalError() | psycopg.InterfaceError():
            return StoreUnavailableError(text)
        case _:
            return None


def _from_sqlite(error: sqlite3.Error) -> StoreError | None:
    code = getattr(error, "sqlite_errorcode", None)
    if code is None:
        return None
    primary = code & _PRIMARY_CODE
    if primary in _SQLITE_BUSY:
        return StoreLockedError("another program holds the database file locked; close that program")
    if primary in _SQLITE_UNUSABLE:
        return StoreUnusableError(f"the database can't be used: {_SQLITE_UNUSABLE[primary]}")
    if primary in _SQLITE_REFUSED:
        return RowRefusedError(_one_line(error))
    if "no such table" in str(error) or "no such column" in str(error):
        return SchemaTooOldError(f"{_one_line(error)}; run `wallet-provisioning migrate`")
    return None


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
