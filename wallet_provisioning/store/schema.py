"""Brings the schema up and says whether it is; the migrations ship with the package.

Any number of programs may migrate at once: they take turns, and all but the first find nothing to do.
A daemon of the version before works on beside a newer schema, unless a migration says that it can't:
then `schema_compatibility` names the oldest program that can, which older ones read.
"""

from collections.abc import Callable
from enum import StrEnum
from importlib.resources import files
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import URL, Connection, Engine, inspect, select, text

from wallet_provisioning.clock import SystemClock
from wallet_provisioning.store.audit_clock import is_at_home, put_forward, runs_behind
from wallet_provisioning.store.database import Database
from wallet_provisioning.store.engine import for_writing, make_engine
from wallet_provisioning.store.errors import SchemaTooNewError, SchemaTooOldError
from wallet_provisioning.store.faults import DRIVER_ERRORS, translate
from wallet_provisioning.store.folding import counts_run_behind, settle_counts
from wallet_provisioning.store.tables import schema_compatibility
from wallet_provisioning.store.urls import parse_url, sqlite_file

_MIGRATIONS = "wallet_provisioning.migrations"
_ADVISORY_LOCK = 0x77616C6C6574
_HEAD = "head"


class SchemaState(StrEnum):
    """How a database's schema stands to this program."""

    CURRENT = "current"
    OLDER = "older"
    NEWER = "newer"
    TOO_NEW = "too_new"
    ABSENT = "absent"


def migrate(url: str, *, revision: str = _HEAD) -> None:
    """Bring the schema up to a revision, in one transaction; `downgrade` is its reverse.

    Waits up to a minute for another program that migrates. Raises `StoreUnavailableError`.
    """
    _run(url, lambda config: command.upgrade(config, revision), and_then=_start_counters_anew)


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
    """Return where the program can work with the schema: its own, or a newer one that says so.

    Raises `SchemaTooOldError` where it is older or absent, `SchemaTooNewError` where it is too new.
    """
    state = _state(database)
    if state in {SchemaState.OLDER, SchemaState.ABSENT}:
        msg = f"the database's schema is {state}; run `wallet-provisioning migrate`"
        raise SchemaTooOldError(msg)
    if state is SchemaState.TOO_NEW:
        raise SchemaTooNewError(SchemaTooNewError.__doc__)
    with database.read() as connection:
        if not is_at_home(connection) and (runs_behind(connection) or counts_run_behind(connection)):
            msg = "the database was restored from a dump; run `wallet-provisioning migrate` once"
            raise SchemaTooOldError(msg)


def bring_up(database: Database) -> None:
    """Return where the program can work with the schema; an embedded file that is behind is migrated first.

    A later program may have migrated the file: its revision is unknown here, and there is nothing to do.
    Raises as `migrate` and `require_current` do.
    """
    behind = {SchemaState.ABSENT, SchemaState.OLDER}
    if database.dialect == "sqlite" and _state(database) in behind:
        migrate(database.url)
    require_current(database)


def _state(database: Database) -> SchemaState:
    with database.read() as connection:
        found = MigrationContext.configure(connection).get_current_revision()
        oldest = None if found is None else _oldest_program(connection)
    scripts = ScriptDirectory.from_config(_config())
    head = scripts.get_current_head()
    if found is None:
        return SchemaState.ABSENT
    if found == head:
        return SchemaState.CURRENT
    if found in {script.revision for script in scripts.walk_revisions()}:
        return SchemaState.OLDER
    # Revisions are numbered with leading zeros, so their order is that of their texts.
    return SchemaState.TOO_NEW if oldest is not None and oldest > str(head) else SchemaState.NEWER


def _oldest_program(connection: Connection) -> str | None:
    """Return the newest revision of the oldest program that may work with the schema, if it says so."""
    if not inspect(connection).has_table(schema_compatibility.name):
        return None
    return connection.execute(select(schema_compatibility.c.oldest_program)).scalar()


def _config(connection: Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(files(_MIGRATIONS)).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def _run(
    url: str, work: Callable[[Config], None], *, and_then: Callable[[Connection], None] | None = None
) -> None:
    engine = _engine(parse_url(url))
    try:
        with engine.connect() as plain, for_writing(plain).begin():
            _take_turn(plain)
            work(_config(plain))
            if and_then is not None:
                and_then(plain)
    except DRIVER_ERRORS as error:
        fault = translate(error)
        if fault is None:
            raise
        raise fault from error
    finally:
        engine.dispose()


def _start_counters_anew(connection: Connection) -> None:
    """Put right what a dump brought from a server whose transactions had other ids."""
    put_forward(connection)
    settle_counts(connection)


def _engine(url: URL) -> Engine:
    return make_engine(url, clock=SystemClock(), pool_size=1, application_name="wallet-migrations")


def _take_turn(connection: Connection) -> None:
    """Wait for other migrators; on SQLite the write transaction has done so already."""
    if connection.dialect.name == "postgresql":
        driver: Any = connection.connection.dbapi_connection
        driver.patience = None
        connection.execute(text("SET LOCAL statement_timeout = 0"))
        connection.execute(text("SET LOCAL lock_timeout = '60s'"))
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ADVISORY_LOCK})
        connection.execute(text("SET LOCAL lock_timeout = '5s'"))
