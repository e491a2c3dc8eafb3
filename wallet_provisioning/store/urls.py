"""`DATABASE_URL` as the user writes it, and as SQLAlchemy needs it."""

from pathlib import Path
from typing import Literal, TypeAlias

import psycopg
from psycopg.conninfo import make_conninfo
from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from wallet_provisioning.store.errors import InvalidDatabaseUrlError

Dialect: TypeAlias = Literal["sqlite", "postgresql"]

_POSTGRESQL = frozenset({"postgres", "postgresql", "postgresql+psycopg"})
_SQLITE = frozenset({"sqlite", "sqlite+pysqlite"})
_SQLITE_OPTIONS = frozenset(
    {"cached_statements", "check_same_thread", "detect_types", "isolation_level", "timeout"}
)
_NOTHING_ELSE = "PostgreSQL and SQLite files are supported, and nothing else"
_MOST_PORTS = 65_535


def parse_url(url: str) -> URL:
    """Return the URL with the drivers that the store uses.

    Raises `InvalidDatabaseUrlError`, which never repeats the URL: it may hold a password.
    """
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        raise InvalidDatabaseUrlError(_NOTHING_ELSE) from None
    if parsed.drivername in _POSTGRESQL:
        _require_server(parsed)
        return parsed.set(drivername="postgresql+psycopg")
    if parsed.drivername in _SQLITE:
        _require_file(parsed)
        return parsed.set(drivername="sqlite+pysqlite")
    raise InvalidDatabaseUrlError(_NOTHING_ELSE)


def _require_server(url: URL) -> None:
    if url.port is not None and not 0 < url.port <= _MOST_PORTS:
        why = f"a port is from 1 to {_MOST_PORTS}"
        raise InvalidDatabaseUrlError(why)
    for option in url.query:
        try:
            make_conninfo(**{option: ""})
        except psycopg.ProgrammingError:
            why = f"PostgreSQL has no option {option}"
            raise InvalidDatabaseUrlError(why) from None


def _require_file(url: URL) -> None:
    if url.database in {None, "", ":memory:"}:
        why = "an in-memory database forgets every wallet; name a file"
        raise InvalidDatabaseUrlError(why)
    for option in url.query.keys() - _SQLITE_OPTIONS:
        why = f"SQLite has no option {option}"
        raise InvalidDatabaseUrlError(why)


def dialect_of(url: URL) -> Dialect:
    """Return which of the two databases a parsed URL means."""
    return "sqlite" if url.drivername.startswith("sqlite") else "postgresql"


def sqlite_file(url: str) -> Path | None:
    """Return the file of an SQLite URL, None for PostgreSQL."""
    parsed = parse_url(url)
    if dialect_of(parsed) == "postgresql" or parsed.database is None:
        return None
    return Path(parsed.database)
