"""`DATABASE_URL` as the user writes it, and as SQLAlchemy needs it."""

from pathlib import Path
from typing import Literal, TypeAlias

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from wallet_provisioning.store.errors import InvalidDatabaseUrlError

Dialect: TypeAlias = Literal["sqlite", "postgresql"]

_POSTGRESQL = frozenset({"postgres", "postgresql", "postgresql+psycopg"})
_SQLITE = frozenset({"sqlite", "sqlite+pysqlite"})


def parse_url(url: str) -> URL:
    """Return the URL with the drivers that the store uses.

    Raises `InvalidDatabaseUrlError`, which never repeats the URL: it may hold a password.
    """
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        raise InvalidDatabaseUrlError(InvalidDatabaseUrlError.__doc__) from None
    if parsed.drivername in _POSTGRESQL:
        return parsed.set(drivername="postgresql+psycopg")
    if parsed.drivername not in _SQLITE:
        msg = f"{parsed.drivername} isn't supported: {InvalidDatabaseUrlError.__doc__}"
        raise InvalidDatabaseUrlError(msg)
    if parsed.database in {None, "", ":memory:"}:
        msg = "an in-memory database forgets every wallet; name a file: sqlite:///FILE"
        raise InvalidDatabaseUrlError(msg)
    return parsed.set(drivername="sqlite+pysqlite")


def dialect_of(url: URL) -> Dialect:
    """Return which of the two databases a parsed URL means."""
    return "sqlite" if url.drivername.startswith("sqlite") else "postgresql"


def sqlite_file(url: str) -> Path | None:
    """Return the file of an SQLite URL, None for PostgreSQL."""
    parsed = parse_url(url)
    if dialect_of(parsed) == "postgresql" or parsed.database is None:
        return None
    return Path(parsed.database)
