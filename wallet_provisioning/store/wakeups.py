"""How a daemon learns that there may be work: a hint, never the work itself.

PostgreSQL carries a NOTIFY with the commit. SQLite has no such thing; there the counter of commits by
other connections is looked at twenty times a second. A lost hint costs one poll of the scheduler.
"""

import asyncio
import sqlite3
from pathlib import Path

import psycopg
from sqlalchemy import func, select

from wallet_provisioning.store.engine import listener_arguments
from wallet_provisioning.store.errors import StoreUnavailableError
from wallet_provisioning.store.transaction import Transaction
from wallet_provisioning.store.urls import Dialect, parse_url

CHANNEL = "wallet_jobs"
_LOOK_EVERY = 0.05
_ANNOUNCE = select(func.pg_notify(CHANNEL, ""))


def announce(tx: Transaction) -> None:
    """Tell the daemons, once the transaction is committed, that a job can be claimed."""
    if tx.dialect == "postgresql":
        tx.execute(_ANNOUNCE)


class Wakeups:
    """Waits for announcements, on one asyncio loop. Whoever waits at the same time waits for the same one.

    The first `next` and each one after a loss connects, and returns at once: something may have been
    missed in between.
    """

    def __init__(self, database_url: str, dialect: Dialect) -> None:
        """Remember where to listen; nothing is opened yet."""
        self._source = _Notifications(database_url) if dialect == "postgresql" else _Commits(database_url)
        self._waiting: asyncio.Task[None] | None = None

    async def next(self) -> None:
        """Return when there may be work. Raises `StoreUnavailableError`; call again to reconnect."""
        if self._waiting is None or self._waiting.done():
            self._waiting = asyncio.create_task(self._next())
        await asyncio.shield(self._waiting)

    async def _next(self) -> None:
        try:
            if not self._source.is_open:
                await self._source.open()
                return
            await self._source.wait()
        except (psycopg.Error, sqlite3.Error, OSError) as error:
            await self._source.close()
            msg = f"no longer listening for jobs: {' '.join(str(error).split())}"
            raise StoreUnavailableError(msg) from error

    async def aclose(self) -> None:
        """End the wait and close the connection, if there is one."""
        if self._waiting is not None:
            self._waiting.cancel()
            await asyncio.wait([self._waiting])
        await self._source.close()


class _Notifications:
    """LISTEN on a PostgreSQL connection of its own."""

    def __init__(self, url: str) -> None:
        self._url = parse_url(url)
        self._connection: psycopg.AsyncConnection | None = None

    @property
    def is_open(self) -> bool:
        return self._connection is not None

    async def open(self) -> None:
        arguments = listener_arguments(self._url)
        self._connection = await psycopg.AsyncConnection.connect(**arguments, autocommit=True)
        await self._connection.execute(f"LISTEN {CHANNEL}")

    async def wait(self) -> None:
        if self._connection is not None:
            async for _ in self._connection.notifies(stop_after=1):
                pass

    async def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()


class _Commits:
    """SQLite's `data_version`, which changes with each commit of another connection."""

    def __init__(self, url: str) -> None:
        self._file = Path(str(parse_url(url).database)).absolute().as_uri()
        self._connection: sqlite3.Connection | None = None
        self._version = 0

    @property
    def is_open(self) -> bool:
        return self._connection is not None

    async def open(self) -> None:
        self._connection = sqlite3.connect(f"{self._file}?mode=ro", uri=True, isolation_level=None)
        self._version = self._look(self._connection)

    async def wait(self) -> None:
        while self._connection is not None:
            version = self._look(self._connection)
            if version != self._version:
                self._version = version
                return
            await asyncio.sleep(_LOOK_EVERY)

    async def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    @staticmethod
    def _look(connection: sqlite3.Connection) -> int:
        return int(connection.execute("PRAGMA data_version").fetchone()[0])
