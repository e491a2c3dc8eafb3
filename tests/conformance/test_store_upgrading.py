"""What the runbook says to run before `migrate` on a large database leads to the same schema."""

from pathlib import Path
from typing import Any

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine, text

from tests.servers import PostgresServer
from tests.support_store import accept, claim, finish
from wallet_provisioning.clock import SystemClock
from wallet_provisioning.store import reports, tables
from wallet_provisioning.store.database import Database
from wallet_provisioning.store.errors import StoreUnavailableError
from wallet_provisioning.store.folding import Folder
from wallet_provisioning.store.schema import SchemaState, migrate, schema_state
from wallet_provisioning.store.urls import parse_url

RUNBOOK = Path(__file__).parents[2] / "docs" / "runbook.md"
STORAGE = "SELECT relname, reloptions FROM pg_class WHERE reloptions IS NOT NULL ORDER BY 1"
INDEXES = "SELECT indexname, indexname::regclass::oid, indexdef FROM pg_indexes WHERE schemaname = 'public'"


def listed(revision: str) -> list[str]:
    """Return the statements that the runbook gives for a database at a revision."""
    block = RUNBOOK.read_text().split(f"From {revision}:")[1].split("```")[1]
    return [statement.strip() for statement in block.removeprefix("sql").split(";") if statement.strip()]


def rows(url: str, query: str) -> list[tuple[Any, ...]]:
    engine = create_engine(parse_url(url))
    with engine.connect() as connection:
        found = [tuple(row) for row in connection.execute(text(query))]
    engine.dispose()
    return found


def differences(url: str) -> list[Any]:
    engine = create_engine(parse_url(url))
    with engine.connect() as connection:
        found: list[Any] = compare_metadata(MigrationContext.configure(connection), tables.metadata)
    engine.dispose()
    return found


@pytest.mark.parametrize(("revision", "lists"), [("0004", ("0004", "0005")), ("0005", ("0005",))])
def test_indexes_that_the_runbook_has_built_beforehand_are_taken(
    postgres: PostgresServer, revision: str, lists: tuple[str, ...]
) -> None:
    url, plain = postgres.create_database(), postgres.create_database()
    migrate(plain)
    migrate(url, revision=revision)
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in (each for name in lists for each in listed(name)):
            connection.execute(statement.encode())
    made = {name: oid for name, oid, _ in rows(url, INDEXES)}
    migrate(url)

    assert schema_state(url) is SchemaState.CURRENT
    after = {name: (oid, definition) for name, oid, definition in rows(url, INDEXES)}
    wanted = {name: definition for name, _, definition in rows(plain, INDEXES)}
    assert {name: definition for name, (_, definition) in after.items()} == wanted
    built = {name for name in made if name in after}
    assert {"ix_wallets_not_live", "ix_audit_of_user", "ix_audit_of_job", "ix_jobs_error"} <= built
    assert {name: after[name][0] for name in built} == {name: made[name] for name in built}
    assert rows(url, STORAGE) == rows(plain, STORAGE)
    assert differences(url) == []


def test_beside_a_transaction_that_has_the_tables_in_use_nothing_changes(postgres: PostgresServer) -> None:
    url = postgres.create_database()
    migrate(url, revision="0005")
    before = rows(url, INDEXES)
    with psycopg.connect(url) as dump:
        dump.execute("SELECT count(*) FROM audit_logs")
        with pytest.raises(StoreUnavailableError):
            migrate(url)
        assert rows(url, INDEXES) == before
    migrate(url)
    assert schema_state(url) is SchemaState.CURRENT


# How the versions before count, and what they show.
COUNT_BEFORE = """
    INSERT INTO job_totals AS t (shard, succeeded, failed, retried, timed, duration_us, last_processed_at)
    VALUES (:shard, 1, 0, 0, 1, 1000, clock_timestamp())
    ON CONFLICT (shard) DO UPDATE
    SET succeeded = t.succeeded + excluded.succeeded, timed = t.timed + excluded.timed,
        duration_us = t.duration_us + excluded.duration_us,
        last_processed_at = greatest(t.last_processed_at, excluded.last_processed_at)
"""
SHOW_BEFORE = "SELECT sum(succeeded), sum(failed), sum(retried), sum(timed) FROM job_totals"


def test_a_daemon_of_the_version_before_counts_beside_this_one(
    postgres: PostgresServer, postgres_template: str
) -> None:
    url = postgres.create_database(postgres_template)
    database = Database(url, clock=SystemClock())
    for shard in (0, 15):
        accept(database)
        (job,) = claim(database)
        finish(database, job)
        with database.write("before", "count") as tx:
            tx.execute(text(COUNT_BEFORE), {"shard": shard})
        with database.write("bookkeeper", "fold") as tx:
            Folder().fold(tx, enough=1)
    with database.read() as connection:
        assert reports.totals(connection).succeeded == 4
    assert [int(each) for each in rows(url, SHOW_BEFORE)[0]] == [4, 0, 0, 4]
    database.close()
