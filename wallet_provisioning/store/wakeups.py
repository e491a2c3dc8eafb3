"""How a daemon learns that there may be work: a hint, never the work itself.

PostgreSQL carries a NOTIFY with the commit. SQLite has no such thing; there the counter of commits by
other connections is looked at twenty times a second. A lost hint costs one poll of the scheduler.

Every daemon hears itself every few seconds, so silence is suspicious: then the server is asked for a sign
of life. One that stands still keeps its connections, and nobody would ever tell that they are dead.
"""

import asyncio
import sqlite3
from datetime import timedelta
from pathlib import Path

import psycopg
from sqlalchemy import func, select

from wallet_provisioning.store.engine import listener_arguments
from wallet_provisioning.store.errors import StoreUnavailableError
from wallet_provisioning.store.patience import GREETING, PatientAsyncConnection, patient_for
from wallet_provisioning.store.pooling import is_pooled_async
from wallet_provisioning.store.sessions import endless
from wallet_provisioning.store.transaction import Transaction
from wallet_provisioning.store.urls import Dialect, parse_url

CHANNEL = "wallet_jobs"
# What an announcement says: nothing where there is a job to claim, that one was returned to its old place in
# the queue, that the standing orders changed, or the id of a daemon that wants to hear itself.
WORK = ""
RETURNED = "returned"
CONTROLS = "controls"
_LOOK_EVERY = 0.02
DEAF_LOOK_EVERY = 2.0
_SILENCE = timedelta(seconds=15)
_ANNOUNCE = select(func.pg_notify(CHANNEL, WORK))


def announce(tx: Transaction) -> None:
    """Tell the daemons, once the transaction is committed, that a job can be claimed."""
    if tx.dialect == "postgresql":
        tx.execute(_ANNOUNCE)


def notify(tx: Transaction, payload: str) -> None:
    """Tell the daemons something else than that there is work, once the transaction is committed."""
    if tx.dialect == "postgresql":
        tx.execute(select(func.pg_notify(CHANNEL, payload)))


class Wakeups:
    """Waits for announcements, on one asyncio loop. Whoever waits at the same time waits for the same one.

    The first `next` and each one after a loss connects, and returns at once: something may have been
    missed in between.
    """

    def __init__(self, database_url: str, dialect: Dialect, *, silence: timedelta = _SILENCE) -> None:
        """Remember where to listen; nothing is opened yet. After a `silence` the server is asked."""
        self._source: _Notifications | _Commits
        if dialect == "postgresql":
            self._source = _Notifications(database_url, silence)
        else:
            self._source = _Commits(database_url)
        self._waiting: asyncio.Task[frozenset[str] | None] | None = None

    async def next(self) -> frozenset[str] | None:
        """Return all that was announced meanwhile, None where it may have been anything.

        Raises `StoreUnavailableError`; call again to reconnect.
        """
        if self._waiting is None or self._waiting.done():
            self._waiting = asyncio.create_task(self._next())
        return await asyncio.shield(self._waiting)

    async def _next(self) -> frozenset[str] | None:
        try:
            if not self._source.is_open:
                await self._source.open()
                return None
            return await self._source.wait()
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
    """LISTEN on a PostgreSQL connection of its own; behind a pooler, which swallows it, a look every 2 s."""

    def __init__(self, url: str, silence: timedelta) -> None:
        self._url = parse_url(url)
        self._silence = silence.total_seconds()
        self._connection: PatientAsyncConnection | None = None
        self._is_deaf = False

    @property
    def is_open(self) -> bool:
        return self._is_deaf or self._connection is not None

    async def open(self) -> None:
        arguments = listener_arguments(self._url)
        self._connection = await PatientAsyncConnection.connect(**arguments, autocommit=True)
        with patient_for(self._connection, GREETING):
            self._is_deaf = await is_pooled_async(self._connection)
            if not self._is_deaf:
                await self._connection.execute(f"LISTEN {CHANNEL}; {endless(self._connection)}".encode())
        if self._is_deaf:
            await self.close()

    async def wait(self) -> frozenset[str] | None:
        if self._connection is None:
            await asyncio.sleep(DEAF_LOOK_EVERY)
            return None
        while True:
            # All that has come is read at once.
            with patient_for(self._connection, None):
                notifies = self._connection.notifies(timeout=self._silence, stop_after=1)
                heard = frozenset({each.payload async for each in notifies})
            if heard:
                return heard
            with patient_for(self._connection, GREETING):
                await self._connection.execute("SELECT 1")

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
