"""Notices that an SQLite file was deleted, or replaced by another, while it is in use.

Whoever has it open reads and writes on as if nothing had happened, and all of that is gone once it is
closed. So each transaction looks whether the names still lead to the files that were opened, which takes
some microseconds: the database itself, and the two beside it that hold what was committed last. The
database may come back under its name. Those beside it can't, since a connection that is opened meanwhile
makes new ones; so what they hold is brought into the database at once, and the program must start again.
"""

import contextlib
import os
import sqlite3
from pathlib import Path
from typing import Any, TypeAlias

from sqlalchemy import Connection
from sqlalchemy.pool import ConnectionPoolEntry

_BESIDE = ("-wal", "-shm")
_OPENED = "wallet_provisioning_opened"

Identity: TypeAlias = tuple[int, int]


class FileLostError(sqlite3.OperationalError):
    """The file that was opened is no longer there under its name; the message says what to do."""


class EmbeddedFile:
    """The file of one pool of connections. Used by any thread."""

    def __init__(self, path: Path) -> None:
        """Name the file; nothing is looked at yet."""
        self.path = path
        self._identity: Identity | None = None
        self._is_torn = False

    def before_connecting(self, *arguments: object) -> None:
        """Make a new file for this user alone; SQLite gives the files beside it the same rights.

        Where that fails SQLite says why. A file that was there before is never made anew: raises
        `FileLostError`.
        """
        del arguments
        if self._identity is not None:
            self._require_file()
            return
        with contextlib.suppress(OSError):
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))

    def connected(self, entry: ConnectionPoolEntry) -> None:
        """Remember what was opened; the connection has read once, so all three files are there."""
        if self._identity is None:
            self._identity = _identity_of(self.path)
        entry.info[_OPENED] = self._beside()

    def require(self, connection: Connection) -> None:
        """Return where the names still lead to what this connection opened; raises `FileLostError`."""
        self._require_file()
        if self._beside() != connection.info[_OPENED]:
            self._is_torn = True
            _bring_in(connection.connection.dbapi_connection)
            self._require_file()

    def _require_file(self) -> None:
        if _identity_of(self.path) != self._identity:
            msg = (
                f"the file {self.path} was deleted or replaced while it was in use; put it back, "
                "or stop the daemon and restore a backup"
            )
            raise FileLostError(msg)
        if self._is_torn:
            msg = (
                f"a file beside {self.path} (-wal or -shm) was deleted or replaced while it was in use; "
                "restart the daemon, and leave these files alone while it runs"
            )
            raise FileLostError(msg)

    def _beside(self) -> tuple[Identity | None, ...]:
        return tuple(_identity_of(f"{self.path}{suffix}") for suffix in _BESIDE)


def _bring_in(connection: Any) -> None:  # noqa: ANN401 - SQLAlchemy names no driver's type
    """Bring into the database what was committed to a file that has lost its name."""
    with contextlib.suppress(sqlite3.Error):
        connection.rollback()
        connection.execute("PRAGMA wal_checkpoint(FULL)")


def _identity_of(path: Path | str) -> Identity | None:
    """Return what makes a file the one that it is, whatever its name; None where there is none."""
    try:
        found = os.stat(path)  # noqa: PTH116 - a third of the time
    except OSError:
        return None
    return found.st_dev, found.st_ino
