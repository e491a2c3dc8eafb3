"""Bringing the database up: locked, migrated or checked, stamped, and free of a dead daemon's holds."""

import asyncio
from contextlib import AbstractContextManager, nullcontext

from wallet_provisioning.clock import Clock
from wallet_provisioning.settings import Settings
from wallet_provisioning.store.claims import rescue_orphans
from wallet_provisioning.store.database import Database
from wallet_provisioning.store.errors import StoreUnavailableError
from wallet_provisioning.store.lock import EmbeddedLock
from wallet_provisioning.store.schema import migrate, require_current
from wallet_provisioning.store.stamp import stamp_environment
from wallet_provisioning.telemetry.events import Emit, Notice

_OTHER_THREADS = 16
_MOST_CONNECTIONS = 64
_RETRY = 1.0


def make_database(settings: Settings, clock: Clock, emit: Emit) -> Database:
    """Return the database with a connection for each thread that may want one, up to a bound."""
    threads = settings.max_concurrency + len(settings.served.names) + _OTHER_THREADS
    return Database(settings.database_url, clock=clock, emit=emit, pool_size=min(threads, _MOST_CONNECTIONS))


def lock_of(database: Database) -> AbstractContextManager[object]:
    """Return the lock that keeps a second daemon off an SQLite file; PostgreSQL needs none."""
    return EmbeddedLock(database.url) if database.dialect == "sqlite" else nullcontext()


async def prepare_database(
    database: Database, settings: Settings, emit: Emit, leaving: asyncio.Event
) -> bool:
    """Wait for the database and prepare it; False where a signal came first.

    Raises `SchemaTooOldError`, `WrongEnvironmentError` or `StoreUnusableError`.
    """
    is_told = False
    while not leaving.is_set():
        try:
            await asyncio.to_thread(_prepare, database, settings, emit)
        except StoreUnavailableError as error:
            if database.dialect == "sqlite":
                raise
            if not is_told:
                emit(Notice(text=f"waiting for the database: {error}", level="warning"))
                is_told = True
            await _pause(leaving)
        else:
            return True
    return False


def _prepare(database: Database, settings: Settings, emit: Emit) -> None:
    if database.dialect == "sqlite":
        migrate(database.url)
    require_current(database)
    with database.write("daemon", "stamp_environment") as tx:
        stamp_environment(tx, settings.environment.value, settings.circle_wallet_set_id)
    if database.dialect == "sqlite":
        _free_orphans(database, emit)


def _free_orphans(database: Database, emit: Emit) -> None:
    """Return what the former daemon of this file held: we hold the lock, so it is dead."""
    with database.write("daemon", "rescue_orphans") as tx:
        moved = rescue_orphans(tx)
    for each in moved:
        emit(each.event("daemon"))


async def _pause(leaving: asyncio.Event) -> None:
    try:
        async with asyncio.timeout(_RETRY):
            await leaving.wait()
    except TimeoutError:
        pass
