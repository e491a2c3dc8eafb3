"""The state file: lines that are only ever added, and are on the disk before an answer tells of them.

A line that a kill tore off is dropped at the next start: no answer can have told of it. Whoever reads
what was written but is not yet on the disk waits for the same flush, and lines that arrive while one
runs share the next (group commit).
"""

import asyncio
import fcntl
import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from wallet_provisioning.http.sandbox.errors import StateCorruptError, StateTakenError, StateUnusableError

RecordT = TypeVar("RecordT")
_OWNER_ONLY = 0o600


class Ledger:
    """An open, locked state file. Belongs to one event loop; the writing is done in a thread."""

    def __init__(self, path: Path) -> None:
        """Assign only; `open` touches the file."""
        self._path = path
        self._file = -1
        self._waiting: list[bytes] = []
        self._added = 0
        self._settled = 0
        self._flush: asyncio.Task[None] | None = None
        self._broken: StateUnusableError | None = None

    def open(self, decode: Callable[[bytes], RecordT]) -> list[RecordT]:
        """Lock the file, making it if need be, and return its records.

        Raises `StateTakenError`, `StateUnusableError`, or `StateCorruptError` for a whole line that
        `decode` refuses by `ValueError`.
        """
        try:
            self._lock()
            return self._load(decode)
        except OSError as error:
            self.close()
            raise StateUnusableError(path=self._path, why=error.strerror) from error
        except (StateCorruptError, StateTakenError):
            self.close()
            raise

    def add(self, line: bytes) -> None:
        """Queue a line; raises `StateUnusableError` after a write has failed."""
        if self._broken is not None:
            raise self._broken
        self._waiting.append(line)
        self._added += 1

    async def settle(self) -> None:
        """Return when all lines queued so far are on the disk; raises `StateUnusableError` if not."""
        target = self._added
        while self._settled < target or self._broken is not None:
            if self._broken is not None:
                raise self._broken
            if self._flush is None:
                self._flush = asyncio.create_task(self._write_group())
            await asyncio.shield(self._flush)

    def close(self) -> None:
        """Give the file and its lock up. Settle first."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    async def _write_group(self) -> None:
        group, self._waiting = self._waiting, []
        try:
            await asyncio.to_thread(self._write, b"".join(line + b"\n" for line in group))
            self._settled += len(group)
        except OSError as error:
            self._broken = StateUnusableError(path=self._path, why=error.strerror)
        finally:
            self._flush = None

    def _write(self, data: bytes) -> None:
        while data:
            data = data[os.write(self._file, data) :]
        os.fsync(self._file)

    def _lock(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._file = os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CREAT, _OWNER_ONLY)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StateTakenError(path=self._path) from None
        os.fchmod(self._file, _OWNER_ONLY)
        self._keep_name()

    def _keep_name(self) -> None:
        """Make a new file's name as durable as its lines."""
        folder = os.open(self._path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def _load(self, decode: Callable[[bytes], RecordT]) -> list[RecordT]:
        data = self._path.read_bytes()
        *lines, torn = data.split(b"\n")
        records: list[RecordT] = []
        for number, line in enumerate(lines, start=1):
            try:
                records.append(decode(line))
            except ValueError as error:
                raise StateCorruptError(path=self._path, line=number) from error
        if torn:
            os.ftruncate(self._file, len(data) - len(torn))
            os.fsync(self._file)
        return records


class Memory:
    """A ledger without a file: nothing outlives the process."""

    def open(self, _: Callable[[bytes], RecordT]) -> list[RecordT]:
        """Return no records."""
        return []

    def add(self, line: bytes) -> None:
        """Forget the line."""

    async def settle(self) -> None:
        """Return at once."""

    def close(self) -> None:
        """Do nothing."""
