"""Opening the store for one command."""

from collections.abc import Iterator
from contextlib import contextmanager

from wallet_provisioning.clock import SystemClock
from wallet_provisioning.settings import Variables
from wallet_provisioning.store.database import Database
from wallet_provisioning.store.schema import bring_up


@contextmanager
def open_store(settings: Variables) -> Iterator[Database]:
    """Open the database with a schema that can be used, and close it at the end.

    The embedded SQLite file is brought up to date, as the daemon does; PostgreSQL is only checked.
    Raises `SchemaTooOldError`, `SchemaTooNewError` and `StoreUnavailableError`.
    """
    database = connect(settings)
    try:
        bring_up(database)
        yield database
    finally:
        database.close()


def connect(settings: Variables) -> Database:
    """Return the database for a command that needs one connection at a time. Nothing is opened yet."""
    return Database(
        settings.database_url, clock=SystemClock(), pool_size=1, application_name="wallet-provisioning-cli"
    )
