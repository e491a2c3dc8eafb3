import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Engine, MetaData, create_engine, inspect, text

from tests.conformance.test_store_tampering import ELSEWHERE
from tests.servers import PostgresServer
from tests.support_store import accept, apply, claim, finish, open_requests, request, request_id
from wallet_provisioning.clock import SystemClock
from wallet_provisioning.jobs.moves import hand_back
from wallet_provisioning.store import tables
from wallet_provisioning.store.audit import write_audit
from wallet_provisioning.store.database import Database
from wallet_provisioning.store.errors import RowRefusedError, SchemaTooNewError, SchemaTooOldError
from wallet_provisioning.store.folding import Folder
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


def test_busy_tables_are_vacuumed_early(postgres: PostgresServer) -> None:
    empty_url = postgres.create_database()
    names = ("wallet_provisioning_jobs", "managed_wallets", "circle_requests", "job_totals")
    query = text("SELECT relname, reloptions FROM pg_class WHERE reloptions IS NOT NULL AND relkind = 'r'")

    def options() -> dict[str, set[str]]:
        engine = create_engine(parse_url(empty_url))
        with engine.connect() as connection:
            found = {row.relname: set(row.reloptions) for row in connection.execute(query)}
        engine.dispose()
        return {name: found.get(name, set()) for name in names}

    migrate(empty_url)
    found = options()
    assert {"autovacuum_vacuum_scale_factor=0", "autovacuum_vacuum_threshold=200"} <= found.pop("job_totals")
    assert all("autovacuum_vacuum_scale_factor=0.02" in each for each in found.values())
    assert all("autovacuum_analyze_scale_factor=0.02" in each for each in found.values())
    downgrade(empty_url, "0004")
    assert not any("autovacuum" in option for each in options().values() for option in each)


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


def test_a_schema_that_an_older_program_cannot_work_with_is_refused(empty_url: str, fresh: Database) -> None:
    migrate(empty_url)
    with fresh.write("test", "later") as tx:
        tx.execute(text("UPDATE alembic_version SET version_num = '9999'"))
        tx.execute(text("UPDATE schema_compatibility SET oldest_program = '9998'"))

    assert schema_state(empty_url) is SchemaState.TOO_NEW
    with pytest.raises(SchemaTooNewError, match="update the program"):
        require_current(fresh)
    with fresh.write("test", "later") as tx:
        tx.execute(text("UPDATE schema_compatibility SET oldest_program = '0002'"))
    assert schema_state(empty_url) is SchemaState.NEWER
    fresh.close()


def test_the_schema_says_which_program_is_the_oldest_that_can_work_with_it(
    empty_url: str, fresh: Database
) -> None:
    migrate(empty_url)
    with fresh.read() as connection:
        oldest = connection.execute(text("SELECT oldest_program FROM schema_compatibility")).scalar_one()
    assert oldest == "0003"
    fresh.close()


def test_rows_survive_every_way_up_and_down(empty_url: str, fresh: Database) -> None:
    """What a program of the first version left is there after an upgrade, and after a way back."""
    migrate(empty_url)
    _leave_rows(fresh)
    before = _rows(fresh)

    downgrade(empty_url, "0001")
    assert schema_state(empty_url) is SchemaState.OLDER
    assert _rows(fresh) == before
    migrate(empty_url)
    assert _rows(fresh) == before
    accept(fresh)
    assert claim(fresh) != ()
    fresh.close()


def _leave_rows(database: Database) -> None:
    accept(database, request(keys=[request_id("a")]))
    (job,) = claim(database)
    open_requests(database, job)
    finish(database, job)
    with database.write("bookkeeper", "fold") as tx:
        Folder().fold(tx, enough=1)
    accept(database)
    (held,) = claim(database)
    apply(database, hand_back(held))


_FIRST_TABLES = (
    "wallet_provisioning_jobs",
    "request_keys",
    "circle_requests",
    "managed_wallets",
    "audit_logs",
    "job_totals",
)


def _rows(database: Database) -> dict[str, list[dict[str, Any]]]:
    """Return what the tables of the first revision hold, in its columns."""
    found = {}
    with database.read() as connection:
        for name in _FIRST_TABLES:
            rows = connection.execute(text(f"SELECT * FROM {name} ORDER BY 1")).mappings()  # noqa: S608 - ours
            found[name] = [{key: row[key] for key in row if key != "position"} for row in rows]
    return found


def test_an_audit_that_comes_from_a_dump_is_put_in_order_by_migrate(empty_url: str, fresh: Database) -> None:
    """A new server counts its transactions anew: without help, new rows would come in among old ones."""
    migrate(empty_url)
    if fresh.dialect == "sqlite":
        return
    with fresh.write("test", "dump") as tx:
        write_audit(tx, action="admin:old", resource_type="none", resource_id=None)
        tx.execute(text("SET LOCAL session_replication_role = replica"))
        tx.execute(text("UPDATE audit_logs SET position = position + 1000000"))
        tx.execute(text(ELSEWHERE))
    with pytest.raises(SchemaTooOldError, match="restored from a dump; run `wallet-provisioning migrate`"):
        require_current(fresh)

    migrate(empty_url)
    require_current(fresh)
    with fresh.write("test", "new") as tx:
        write_audit(tx, action="admin:new", resource_type="none", resource_id=None)
    with fresh.read() as connection:
        actions = connection.execute(text("SELECT action FROM audit_logs ORDER BY position")).scalars()
        assert list(actions) == ["admin:old", "admin:new"]
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
        for _ in range(5)
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

    assert [migrator.returncode for migrator in migrators] == [0, 0, 0, 0, 0]
    assert schema_state(empty_url) is SchemaState.CURRENT


def test_an_index_that_was_made_beforehand_is_taken_and_a_broken_one_made_anew(
    postgres: PostgresServer,
) -> None:
    """On a large database it is made before, without a lock; such a run that is cut off leaves one behind."""
    url = postgres.create_database()
    migrate(url, revision="0005")
    engine = create_engine(parse_url(url))
    state = text(
        "SELECT indexrelid, indisvalid FROM pg_index WHERE indexrelid::regclass::text = 'ix_audit_of_user'"
    )
    with engine.begin() as connection:
        connection.execute(text("CREATE INDEX ix_audit_of_user ON audit_logs (user_id)"))
        made = connection.execute(state).one()
    migrate(url)
    with engine.begin() as connection:
        assert connection.execute(state).one() == made
    downgrade(url, "0005")
    with engine.begin() as connection:
        connection.execute(text("CREATE INDEX ix_audit_of_user ON audit_logs (user_id)"))
        broken = connection.execute(state).one()
        connection.execute(
            text("UPDATE pg_index SET indisvalid = false WHERE indexrelid = :id"), {"id": broken.indexrelid}
        )
    migrate(url)
    with engine.begin() as connection:
        found = connection.execute(state).one()
    engine.dispose()
    assert found.indisvalid
    assert found.indexrelid != broken.indexrelid


def test_wallets_have_room_beside_them_for_what_they_become(postgres: PostgresServer) -> None:
    url = postgres.create_database()
    query = text("SELECT coalesce(reloptions, '{}') FROM pg_class WHERE relname = 'managed_wallets'")
    engine = create_engine(parse_url(url))
    migrate(url)
    with engine.begin() as connection:
        assert "fillfactor=40" in connection.execute(query).scalar_one()
    downgrade(url, "0005")
    with engine.begin() as connection:
        assert "fillfactor=40" not in connection.execute(query).scalar_one()
    engine.dispose()


def test_sqlite_numbers_what_comes_without_a_number_and_refuses_a_wrong_one(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'wallets.db'}"
    migrate(url)
    database = Database(url, clock=SystemClock())
    accept(database)
    add = (
        "INSERT INTO audit_logs (id, actor, action, resource_type, changes, status, created_at, position) "
        "VALUES (:id, 'hand', 'x', 'none', '{}', 'success', '2026-01-01T00:00:00.000000Z', :position)"
    )
    for position in (1, 7):
        with (
            pytest.raises(RowRefusedError, match="numbered by the database"),
            database.write("test", "wrong") as tx,
        ):
            tx.execute(text(add), {"id": f"wrong {position}", "position": position})
    with database.write("test", "hand") as tx:
        tx.execute(text(add), {"id": "a hand's", "position": 0})
    accept(database)
    with database.read() as connection:
        found = connection.execute(text("SELECT position FROM audit_logs ORDER BY position")).scalars().all()
    database.close()
    assert found == [1, 2, 3]
