import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Engine, MetaData, create_engine, inspect, text

from tests.servers import PostgresServer
from wallet_provisioning.clock import SystemClock
from wallet_provisioning.store import tables
from wallet_provisioning.store.database import Database
from wallet_provisioning.store.errors import SchemaTooOldError
from wallet_provisioning.store.schema import (
    SchemaState,
    downgrade,
    migrate,
    require_current,
    schema_state,
)
from wallet_provisioning.store.urls import parse_url


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'fresh.db'}"
    server: PostgresServer = request.getfixturevalue("postgres")
    return server.create_database()


@pytest.fixture
def fresh(empty_url: str) -> Database:
    return Database(empty_url, clock=SystemClock())


def test_a_fresh_database_has_no_schema_and_looking_makes_none(empty_url: str, tmp_path: Path) -> None:
    assert schema_state(empty_url) is SchemaState.ABSENT
    assert list(tmp_path.iterdir()) == []


def test_migrating_brings_the_schema_up_and_again_does_nothing(empty_url: str, fresh: Database) -> None:
    migrate(empty_url)
    migrate(empty_url)

    assert schema_state(empty_url) is SchemaState.CURRENT
    require_current(fresh)
    fresh.close()


def test_what_is_migrated_is_what_the_tables_say(empty_url: str) -> None:
    migrate(empty_url)
    engine = create_engine(parse_url(empty_url))
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        differences = compare_metadata(context, tables.metadata)
    assert differences == []
    assert described(engine) == described_metadata(engine, empty_url)
    engine.dispose()


def described(engine: Engine) -> dict[str, Any]:
    """Return what autogenerate doesn't compare: checks, partial indexes, keys, nullability."""
    found = inspect(engine)
    return {
        name: {
            "checks": sorted(
                (str(check["name"]), check["sqltext"]) for check in found.get_check_constraints(name)
            ),
            "indexes": sorted(
                (
                    str(index["name"]),
                    tuple(index["column_names"]),
                    index["unique"],
                    sorted((key, str(value)) for key, value in index.get("dialect_options", {}).items()),
                )
                for index in found.get_indexes(name)
            ),
            "keys": found.get_pk_constraint(name)["constrained_columns"],
            "uniques": sorted(str(one["name"]) for one in found.get_unique_constraints(name)),
            "references": [
                (one["constrained_columns"], one["referred_table"], one.get("options"))
                for one in found.get_foreign_keys(name)
            ],
            "columns": [
                (column["name"], str(column["type"]), column["nullable"])
                for column in found.get_columns(name)
            ],
        }
        for name in sorted(found.get_table_names())
        if name != "alembic_version"
    }


def described_metadata(engine: Engine, url: str) -> dict[str, Any]:
    """Make the tables from the metadata beside the migrated ones and describe them."""
    downgrade(url, "base")
    copy = MetaData()
    for table in tables.metadata.sorted_tables:
        table.to_metadata(copy)
    copy.create_all(engine)
    return described(engine)


def test_a_downgrade_leaves_nothing_behind_and_can_be_undone(empty_url: str) -> None:
    migrate(empty_url)
    downgrade(empty_url, "base")

    assert schema_state(empty_url) is SchemaState.ABSENT
    migrate(empty_url)
    assert schema_state(empty_url) is SchemaState.CURRENT


def test_a_schema_of_a_later_program_is_newer_and_accepted(empty_url: str, fresh: Database) -> None:
    migrate(empty_url)
    with fresh.write("test", "later") as tx:
        tx.execute(text("UPDATE alembic_version SET version_num = '9999'"))

    assert schema_state(empty_url) is SchemaState.NEWER
    require_current(fresh)
    fresh.close()


def test_an_absent_schema_is_refused_with_what_to_do(fresh: Database) -> None:
    with pytest.raises(SchemaTooOldError, match="wallet-provisioning migrate"):
        require_current(fresh)
    with (
        pytest.raises(SchemaTooOldError, match="wallet-provisioning migrate"),
        fresh.read() as connection,
    ):
        connection.execute(text("SELECT * FROM managed_wallets"))
    fresh.close()


_MIGRATOR = """
import sys
from wallet_provisioning.store.schema import migrate
print("ready", flush=True)
sys.stdin.readline()
migrate(sys.argv[1])
"""


def test_programs_that_migrate_at_once_take_turns(empty_url: str) -> None:
    migrators = [
        subprocess.Popen(
            [sys.executable, "-c", _MIGRATOR, empty_url],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    for migrator in migrators:
        assert migrator.stdout is not None
        assert migrator.stdout.readline() == "ready\n"
    for migrator in migrators:
        assert migrator.stdin is not None
        migrator.stdin.write("go\n")
        migrator.stdin.flush()
    for migrator in migrators:
        migrator.communicate()

    assert [migrator.returncode for migrator in migrators] == [0, 0, 0, 0]
    assert schema_state(empty_url) is SchemaState.CURRENT
