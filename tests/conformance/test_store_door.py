"""The door: what goes through it, what it says when the database is away."""

import os
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select, text

from tests.servers import PostgresServer
from tests.support_store import (
    Events,
    accept,
    claim_new,
    explode,
    in_one,
    job_of,
    open_sqlite,
    request,
)
from wallet_provisioning.clock import ManualClock, SystemClock
from wallet_provisioning.store import tables
from wallet_provisioning.store.accepting import accept_job
from wallet_provisioning.store.database import Database
from wallet_provisioning.store.errors import (
    RowRefusedError,
    StoreBusyError,
    StoreError,
    StoreLockedError,
    StoreUnavailableError,
    StoreUnusableError,
)
from wallet_provisioning.store.schema import migrate
from wallet_provisioning.store.transaction import Transaction
from wallet_provisioning.telemetry.events import DependencyBack, DependencyLost, Notice, TransactionEnded


def count_jobs(database: Database) -> int:
    with database.read() as connection:
        return len(connection.execute(select(tables.jobs.c.id)).all())


def test_making_a_database_never_connects() -> None:
    Database("postgresql://127.0.0.1:1/nowhere", clock=ManualClock()).close()
    Database("sqlite:////nowhere/wallets.db", clock=ManualClock()).close()


def test_a_write_is_committed_and_told(database: Database, events: Events) -> None:
    accept(database)

    assert count_jobs(database) == 1
    (ended,) = events.of(TransactionEnded)
    assert (ended.reason, ended.outcome) == ("accept", "committed")


def test_an_exception_rolls_back_and_passes_through(database: Database, events: Events) -> None:
    with pytest.raises(ZeroDivisionError):
        in_one(database, lambda tx: accept_job(tx, request()), explode)

    assert count_jobs(database) == 0
    assert events.of(TransactionEnded)[0].outcome == "rolled_back"


def test_events_of_a_transaction_are_told_after_its_commit_alone(database: Database, events: Events) -> None:
    with pytest.raises(ZeroDivisionError):
        in_one(database, lambda tx: tx.tell_after_commit(Notice(text="never")), explode)
    with database.write("test", "work") as tx:
        tx.tell_after_commit(Notice(text="done"))
        assert events.of(Notice) == []

    assert [notice.text for notice in events.of(Notice)] == ["done"]


def test_a_reader_can_not_write(database: Database) -> None:
    job = claim_new(database)

    with pytest.raises(StoreError), database.read() as connection:
        connection.execute(text("UPDATE wallet_provisioning_jobs SET status = 'queued'"))

    assert job_of(database, job.id).status == "in_progress"
    accept(database)


def test_a_reader_sees_one_moment_beside_a_writer(database: Database) -> None:
    with database.write("test", "work") as tx:
        accept_job(tx, request())
        assert count_jobs(database) == 0
    assert count_jobs(database) == 1


def test_a_refused_row_is_told_without_what_was_written(database: Database) -> None:
    with pytest.raises(RowRefusedError) as caught, database.write("test", "bad") as tx:
        tx.execute(text("INSERT INTO deployment (id, environment) VALUES (7, :secret)"), {"secret": "hush"})
    assert "hush" not in f"{caught.value!r} {caught.value.__cause__!r} {caught.value.__cause__}".replace(
        "Failing row contains (7, hush, null, null)", ""
    )


def test_a_ping_reaches_the_database(database: Database, events: Events) -> None:
    database.ping()

    assert events.of(DependencyLost) == []


def test_a_pool_that_is_used_up_is_busy_and_not_lost(database_url: str, events: Events) -> None:
    small = Database(database_url, clock=SystemClock(), emit=events, pool_size=1)
    with small.read(), pytest.raises(StoreBusyError, match="pool"):
        small.ping()
    assert events.of(DependencyLost) == []
    small.close()


def test_threads_write_in_turn_without_getting_into_each_others_way(database: Database) -> None:
    threads = [threading.Thread(target=lambda: [accept(database) for _ in range(5)]) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert count_jobs(database) == 40


def test_all_that_a_reader_sees_is_of_one_moment(database: Database) -> None:
    with database.read() as connection:
        assert connection.execute(select(tables.jobs.c.id)).all() == []
        accept(database)
        assert connection.execute(select(tables.jobs.c.id)).all() == []
    assert count_jobs(database) == 1


@pytest.fixture
def own_postgres() -> Iterator[PostgresServer]:
    with PostgresServer() as server:
        yield server


def test_an_outage_is_a_state_that_heals(own_postgres: PostgresServer) -> None:
    events = Events()
    url = own_postgres.create_database()
    migrate(url)
    database = Database(url, clock=SystemClock(), emit=events)
    accept(database)

    own_postgres.stop()
    for _ in range(3):
        with pytest.raises(StoreUnavailableError):
            accept(database)
    assert events.of(DependencyBack) == []
    own_postgres.start()
    accept(database)

    assert [lost.name for lost in events.of(DependencyLost)] == ["database"]
    assert [back.name for back in events.of(DependencyBack)] == ["database"]
    assert [ended.outcome for ended in events.of(TransactionEnded)] == [
        "committed",
        *["unavailable"] * 3,
        "committed",
    ]
    assert count_jobs(database) == 2
    database.close()


def test_connections_that_were_cut_while_idle_cost_no_operation(
    own_postgres: PostgresServer,
) -> None:
    url = own_postgres.create_database()
    migrate(url)
    clock = ManualClock()
    database = Database(url, clock=clock)
    accept(database)
    own_postgres.cut_connections(url)
    accept(database)

    own_postgres.cut_connections(url)
    clock.advance(timedelta(minutes=1))
    accept(database)

    assert count_jobs(database) == 3
    database.close()


def test_a_connection_cut_in_the_middle_loses_the_whole_transaction(own_postgres: PostgresServer) -> None:
    url = own_postgres.create_database()
    migrate(url)
    database = Database(url, clock=SystemClock())

    def accept_one(tx: Transaction) -> None:
        accept_job(tx, request())

    with pytest.raises(StoreUnavailableError):
        in_one(database, accept_one, lambda _: own_postgres.cut_connections(url), accept_one)

    assert count_jobs(database) == 0
    database.close()


def test_every_postgresql_wait_has_an_end(own_postgres: PostgresServer) -> None:
    database = Database(own_postgres.create_database(), clock=SystemClock(), application_name="wp-test")
    names = (
        "statement_timeout",
        "lock_timeout",
        "plan_cache_mode",
        "jit",
        "TimeZone",
        "application_name",
        "transaction_read_only",
    )
    with database.read() as connection:
        found = [connection.execute(text(f"SHOW {name}")).scalar() for name in names]
    with database.write("test", "look") as tx:
        writes = tx.execute(text("SHOW transaction_read_only")).scalar()

    assert found == ["8s", "5s", "auto", "off", "UTC", "wp-test", "on"]
    assert writes == "off"
    database.close()


def test_what_writers_do_is_prepared_and_what_readers_ask_is_not(own_postgres: PostgresServer) -> None:
    database = Database(own_postgres.create_database(), clock=SystemClock(), pool_size=1)
    prepared = text("SELECT statement FROM pg_prepared_statements")
    with database.read() as connection:
        for _ in range(6):
            connection.execute(text("SELECT 2 AS is_read"))
        assert connection.execute(prepared).scalars().all() == []
    for _ in range(3):
        with database.write("test", "look") as tx:
            tx.execute(text("SELECT 1 AS is_written"))
    with database.write("test", "look") as tx:
        assert tx.execute(prepared).scalars().all() == ["SELECT 1 AS is_written"]
    database.close()


def test_a_wrong_address_is_unavailable_within_seconds() -> None:
    database = Database("postgresql://127.0.0.1:1/nowhere", clock=SystemClock())
    with pytest.raises(StoreUnavailableError):
        database.ping()


def test_sqlite_is_durable_and_checks_references(tmp_path: Path) -> None:
    database = open_sqlite(tmp_path)
    with database.write("test", "look") as tx:
        found = [
            tx.execute(text(f"PRAGMA {name}")).scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        ]
    assert found == ["wal", 2, 1, 5000]
    database.close()


@pytest.mark.parametrize("content", [b"this is no database at all" * 100, b"SQLite format 3\0" + b"x" * 5000])
def test_a_file_that_is_no_database_is_unusable_in_one_line(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "bad.db").write_bytes(content)
    database = Database(f"sqlite:///{tmp_path / 'bad.db'}", clock=SystemClock())

    with pytest.raises(StoreUnusableError, match="can't be used") as caught:
        database.ping()
    assert "\n" not in str(caught.value)
    assert "sqlalche.me" not in str(caught.value)


def test_a_folder_that_is_not_there_is_unusable(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'no' / 'a.db'}", clock=SystemClock())
    with pytest.raises(StoreUnusableError, match="can't be opened"):
        database.ping()


def test_a_writer_of_another_process_that_holds_on_is_an_outage_for_all_who_write(tmp_path: Path) -> None:
    """Whoever waits behind one that waited in vain is told so then, and not as much later."""
    events = Events()
    database = open_sqlite(tmp_path, events)
    other = sqlite3.connect(tmp_path / "wallets.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    began = time.monotonic()
    with ThreadPoolExecutor(5) as pool:
        refused = list(pool.map(lambda _: is_locked_out(database), range(5)))
    assert refused == [True] * 5
    assert time.monotonic() - began < 10
    database.ping()
    assert (len(events.of(DependencyLost)), events.of(DependencyBack)) == (1, [])

    other.execute("ROLLBACK")
    other.close()
    accept(database)
    assert len(events.of(DependencyBack)) == 1
    database.close()


def is_locked_out(database: Database) -> bool:
    try:
        with database.write("test", "wait"):
            return False
    except StoreLockedError:
        return True


_KILLED = """
import os, signal, sys
from tests.support_store import accept, request
from wallet_provisioning.clock import SystemClock
from wallet_provisioning.store.accepting import accept_job
from wallet_provisioning.store.database import Database
database = Database(sys.argv[1], clock=SystemClock())
print(accept(database).job.id, flush=True)
with database.write("test", "die") as tx:
    accept_job(tx, request())
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_killed_writer_leaves_what_it_committed_and_nothing_else(
    database: Database, database_url: str
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _KILLED, database_url],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ},
    )

    assert done.returncode == -9
    with database.read() as connection:
        found = connection.execute(select(tables.jobs.c.id)).scalars().all()
    assert [str(job_id) for job_id in found] == [done.stdout.strip()]
    accept(database)
