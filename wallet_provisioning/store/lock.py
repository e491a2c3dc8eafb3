"""One daemon per SQLite file: an exclusive lock on a file beside it.

The kernel holds the lock for the process, so it ends with it, however the process ends.
"""

import fcntl
import os
from pathlib import Path
from types import TracebackType
from typing import Self

from wallet_provisioning.store.errors import AlreadyRunningError, StoreUnusableError
from wallet_provisioning.store.urls import sqlite_file

_SUFFIX = ".lock"


class EmbeddedLock:
    """The lock of an SQLite database; for PostgreSQL it does nothing. Used by one thread."""

    def __init__(self, database_url: str) -> None:
        """Read the URL; nothing is opened yet."""
        file = sqlite_file(database_url)
        self._path = None if file is None else Path(f"{file}{_SUFFIX}")
        self._descriptor: int | None = None

    def acquire(self) -> None:
        """Take the lock without waiting. Raises `AlreadyRunningError`, which names the other process."""
        if self._path is None or self._descriptor is not None:
            return
        descriptor = self._open(self._path)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.read(descriptor, 20).decode(errors="replace").strip() or "unknown"
            os.close(descriptor)
            msg = f"process {holder} uses this database file; stop it, or use PostgreSQL for several daemons"
            raise AlreadyRunningError(msg) from error
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"{os.getpid()}\n".encode())
        self._descriptor = descriptor

    def release(self) -> None:
        """Give the lock up; the file stays, since deleting it would let two daemons hold two files."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def __enter__(self) -> Self:
        """Take the lock."""
        self.acquire()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Give it up."""
        del kind, error, trace
        self.release()

    @staticmethod
    def _open(path: Path) -> int:
        try:
            return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            msg = (
                f"the lock file {path} can't be opened ({error.strerror}); make its folder, "
                "let this user write to it, or name another file in DATABASE_URL"
            )
            raise StoreUnusableError(msg) from error
