"""Brings the schema up and says whether it is; the migrations ship with the package.

Any number of programs may migrate at once: they take turns, and all but the first find nothing to do.
"""

from collections.abc import Callable
from enum import StrEnum
from importlib.resources import files

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import URL, Connection, Engine, text

from wallet_provisioning.clock import SystemClock
from wallet_provisioning.store.database import Database
from wallet_provisioning.store.engine import for_writing, make_engine
from wallet_provisioning.store.errors import SchemaTooOldError
from wallet_provisioning.store.faults import DRIVER_ERRORS, translate
from wallet_provisioning.store.urls import parse_url, sqlite_file

_MIGRATIONS = "wallet_provisioning.migrations"
_ADVISORY_LOCK = 0x77616C6C6574
_HEAD = "head"


class SchemaState(StrEnum):
    """How a database's schema stands to this program."""

    CURRENT = "current"
    OLDER = "older"
    NEWER = "newer"
    ABSENT = "absent"


def migrate(url: str, *, revision: str = _HEAD) -> None:
    """Bring the schema up to a revision, in one transaction; `downgrade` is its reverse.

    Waits up to a minute for another program that migrates. Raises `StoreUnavailableError`.
    """
    _run(url, lambda config: command.upgrade(config, revision))


def downgrade(url: str, revision: str) -> None:
    """Take the schema back to an earlier revision, `base` for none. Data of later ones is lost."""
    _run(url, lambda config: command.downgrade(config, revision))


def schema_state(url: str) -> SchemaState:
    """Say how the schema stands to this program; creates nothing. Raises `StoreUnavailableError`."""
    file = sqlite_file(url)
    if file is not None and not file.exists():
        return SchemaState.ABSENT
    database = Database(url, clock=SystemClock(), pool_size=1)
    try:
        return _state(database)
    finally:
        database.close()


def require_current(database: Database) -> None:
    """Raise `SchemaTooOldError` where the schema is older than the program or absent; newer is fine."""
    state = _state(database)
    if state in {SchemaState.OLDER, SchemaState.ABSENT}:
        msg = f"the database's schema is {state}; run `wallet-provisioning migrate`"
        raise SchemaTooOldError(msg)


def _state(database: Database) -> SchemaState:
    with database.read() as connection:
        found = MigrationContext.configure(connection).get_current_revision()
    scripts = ScriptDirectory.from_config(_config())
    if found is None:
        return SchemaState.ABSENT
    if found == scripts.get_current_head():
        return SchemaState.CURRENT
    known = {script.revision for script in scripts.walk_revisions()}
    return SchemaState.OLDER if found in known else SchemaState.NEWER


def _config(connection: Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(files(_MIGRATIONS)).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def _run(url: str, work: Callable[[Config], None]) -> None:
    engine = _engine(parse_url(url))
    try:
        with engine.connect() as plain, for_writing(plain).begin():
            _take_turn(plain)
            work(_config(plain))
    except DRIVER_ERRORS as error:
        fault = translate(error)
        if fault is None:
            raise
        raise fault from error
    finally:
        engine.dispose()


def _engine(url: URL) -> Engine:
    return make_engine(url, clock=SystemClock(), pool_size=1, application_name="wallet-migrations")


def _take_turn(connection: Connection) -> None:
    """Wait for other migrators; on SQLite the write transaction has done so already."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SET LOCAL statement_timeout = 0"))
        connection.execute(text("SET LOCAL lock_timeout = '60s'"))
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ADVISORY_LOCK})
        connection.execute(text("SET LOCAL lock_timeout = '5s'"))
