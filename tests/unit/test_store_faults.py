import sqlite3

import psycopg
import pytest
from psycopg import errors
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
from wallet_provisioning.store.faults import translate


def sqlite_error(code: int, text: str = "words") -> sqlite3.Error:
    error = sqlite3.OperationalError(text)
    error.sqlite_errorcode = code
    return error


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (errors.LockNotAvailable("x"), StoreBusyError),
        (errors.QueryCanceled("x"), StoreBusyError),
        (errors.DeadlockDetected("x"), StoreBusyError),
        (errors.SerializationFailure("x"), StoreBusyError),
        (errors.DiskFull("x"), StoreUnusableError),
        (errors.ReadOnlySqlTransaction("x"), StoreUnusableError),
        (errors.UndefinedTable("x"), SchemaTooOldError),
        (errors.UndefinedColumn("x"), SchemaTooOldError),
        (errors.UniqueViolation("x"), RowRefusedError),
        (errors.NumericValueOutOfRange("x"), RowRefusedError),
        (errors.AdminShutdown("x"), StoreUnavailableError),
        (errors.TooManyConnections("x"), StoreUnavailableError),
        (errors.ConnectionFailure("x"), StoreUnavailableError),
        (psycopg.OperationalError("no route"), StoreUnavailableError),
        (psycopg.InterfaceError("closed"), StoreUnavailableError),
        (psycopg.DataError("NUL"), RowRefusedError),
        (sqlite_error(sqlite3.SQLITE_BUSY), StoreLockedError),
        (sqlite_error(sqlite3.SQLITE_BUSY_SNAPSHOT), StoreLockedError),
        (sqlite_error(sqlite3.SQLITE_FULL), StoreUnusableError),
        (sqlite_error(sqlite3.SQLITE_NOTADB), StoreUnusableError),
        (sqlite_error(sqlite3.SQLITE_READONLY), StoreUnusableError),
        (sqlite_error(sqlite3.SQLITE_CONSTRAINT_UNIQUE), RowRefusedError),
        (sqlite_error(sqlite3.SQLITE_ERROR, "no such table: x"), SchemaTooOldError),
        (PoolTimeoutError("x"), StoreBusyError),
    ],
)
def test_each_error_of_a_driver_has_a_word_of_the_store(error: Exception, expected: type[StoreError]) -> None:
    assert type(translate(error)) is expected


@pytest.mark.parametrize(
    "error",
    [
        errors.SyntaxError("x"),
        psycopg.ProgrammingError("x"),
        sqlite_error(sqlite3.SQLITE_ERROR, "near select"),
        sqlite3.ProgrammingError("closed"),
        SQLAlchemyError("x"),
        ValueError("x"),
    ],
)
def test_a_bug_stays_a_bug(error: Exception) -> None:
    assert translate(error) is None


def test_what_sqlalchemy_wraps_is_told_in_one_line_without_its_values() -> None:
    wrapped = DBAPIError("INSERT …", {"key": "hush"}, errors.UniqueViolation("duplicate\n  key"))

    fault = translate(wrapped)

    assert isinstance(fault, RowRefusedError)
    assert str(fault) == "duplicate key"


def test_what_may_pass_can_be_caught_at_once() -> None:
    assert issubclass(StoreBusyError, StoreUnavailableError)
    assert issubclass(StoreUnusableError, StoreUnavailableError)
    assert not issubclass(RowRefusedError, StoreUnavailableError)
