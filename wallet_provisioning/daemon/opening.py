"""Bringing the database up: locked, migrated or checked, stamped, and free of a dead daemon's holds."""

from contextlib import AbstractContextManager, nullcontext

from wallet_provisioning.clock import Clock
from wallet_provisioning.settings import Settings
from wallet_provisioning.store.claims import rescue_orphans
from wallet_provisioning.store.database import Database
from wallet_provisioning.store.lock import EmbeddedLock
from wallet_provisioning.store.schema import bring_up
from wallet_provisioning.store.stamp import require_wallet_set, stamp_environment
from wallet_provisioning.telemetry.events import Emit, Notice

_OTHER_THREADS = 16
_MOST_CONNECTIONS = 64
_DEAF = (
    "DATABASE_URL leads to a pooler, which swallows NOTIFY: what other processes accept is looked for "
    "every 2s; set DATABASE_LISTEN_URL to the server itself to hear of it at once"
)


def make_database(settings: Settings, clock: Clock, emit: Emit) -> Database:
    """Return the database with a connection for each thread that may want one, up to a bound."""
    threads = settings.max_concurrency + len(settings.served.names) + _OTHER_THREADS
    return Database(settings.database_url, clock=clock, emit=emit, pool_size=min(threads, _MOST_CONNECTIONS))


def lock_of(database: Database) -> AbstractContextManager[object]:
    """Return the lock that keeps a second daemon off an SQLite file; PostgreSQL needs none."""
    return EmbeddedLock(database.url) if database.dialect == "sqlite" else nullcontext()


def prepare_database(database: Database, settings: Settings, emit: Emit) -> None:
    """Bring the database up for this daemon; blocks, so call it in a thread.

    Raises `StoreUnavailableError`, `SchemaTooOldError`, `SchemaTooNewError` or `WrongEnvironmentError`.
    """
    bring_up(database)
    with database.write("daemon", "stamp_environment") as tx:
        stamp_environment(tx, settings.environment.value, None)
        require_wallet_set(tx, settings.circle_wallet_set_id)
    if database.dialect == "sqlite":
        _free_orphans(database, emit)
    elif settings.given_listen_url is None and database.has_pooler():
        emit(Notice(text=_DEAF))


def _free_orphans(database: Database, emit: Emit) -> None:
    """Return what the former daemon of this file held: we hold the lock, so it is dead."""
    with database.write("daemon", "rescue_orphans") as tx:
        moved = rescue_orphans(tx)
    for each in moved:
        emit(each.event("daemon"))
