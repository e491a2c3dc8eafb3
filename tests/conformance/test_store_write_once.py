"""A write of one statement: as whole, as durable and as guarded as any other, in one round trip."""

import threading
from collections.abc import Iterator

import pytest
from sqlalchemy import text

from tests.pgbouncer import PGBOUNCER, PgBouncer
from tests.servers import PostgresServer
from tests.support_store import Events, accept, claim_new, explode, in_one, job_of
from wallet_provisioning.clock import SystemClock
from wallet_provisioning.store.database import Database
from wallet_provisioning.store.errors import RowRefusedError, StoreBusyError, StoreUnavailableError
from wallet_provisioning.store.schema import migrate
from wallet_provisioning.telemetry.events import Notice, TransactionEnded

_STAMP = "INSERT INTO deployment (id, environment, created_at) VALUES "
_ROW = "(1, 'test', '2026-01-01T00:00:00.000000Z')"
STAMP = text(_STAMP + _ROW)
STAMPED = text("SELECT environment FROM deployment")


@pytest.fixture
def narrow(postgres: PostgresServer) -> Iterator[Database]:
    """A database with a pool of one connection, so that each operation gets the same."""
    url = postgres.create_database()
    migrate(url)
    database = Database(url, clock=SystemClock(), pool_size=1)
    yield database
    database.close()


def stamps(database: Database) -> list[str]:
    with database.read() as connection:
        return list(connection.execute(STAMPED).scalars())


def test_it_is_committed_and_told_as_any_other(database: Database, events: Events) -> None:
    with database.write_once("test", "stamp") as tx:
        tx.execute(STAMP)
        tx.tell_after_commit(Notice(text="done"))
        assert events.of(Notice) == []

    assert stamps(database) == ["test"]
    assert [(ended.reason, ended.outcome) for ended in events.of(TransactionEnded)] == [
        ("stamp", "committed")
    ]
    assert [notice.text for notice in events.of(Notice)] == ["done"]


def test_others_see_it_as_soon_as_it_has_returned(narrow: Database) -> None:
    beside = Database(narrow.url, clock=SystemClock())
    with narrow.write_once("test", "stamp") as tx:
        tx.execute(STAMP)
        assert stamps(beside) == ["test"]
    beside.close()


def test_neither_begin_nor_commit_is_sent(narrow: Database) -> None:
    """The server shows what each connection was sent last."""
    other = "datname = current_database() AND pid <> pg_backend_pid()"
    watch = text(f"SELECT query, state FROM pg_stat_activity WHERE {other}")  # noqa: S608 - our own words
    beside = Database(narrow.url, clock=SystemClock())
    with narrow.write_once("test", "stamp") as tx:
        tx.execute(STAMP)
    with beside.read() as connection:
        assert connection.execute(watch).all() == [(STAMP.text, "idle")]
    beside.close()


def test_a_second_statement_is_refused(narrow: Database) -> None:
    with narrow.write_once("test", "stamp") as tx:
        tx.execute(STAMP)
        with pytest.raises(RuntimeError, match="stamp is a write of one statement"):
            tx.execute(STAMPED)
        with pytest.raises(RuntimeError, match="one statement"):
            _ = tx.connection

    assert stamps(narrow) == ["test"]


def test_no_statement_at_all_is_none_too_few(database: Database, events: Events) -> None:
    with database.write_once("test", "nothing"):
        pass

    assert events.of(TransactionEnded)[0].outcome == "committed"


def test_a_statement_that_fails_leaves_nothing_and_its_error_is_translated(
    database: Database, events: Events
) -> None:
    with pytest.raises(RowRefusedError), database.write_once("test", "stamp") as tx:
        tx.execute(text(f"{_STAMP}{_ROW}, {_ROW}"))

    assert stamps(database) == []
    assert events.of(TransactionEnded)[0].outcome == "rolled_back"
    accept(database)


def test_what_is_checked_at_the_commit_is_checked(database: Database) -> None:
    """A key's reference to its job is; on PostgreSQL that comes after the statement's own answer."""
    stray = text(
        "INSERT INTO request_keys (kind, value, job_id, created_at)"
        " VALUES ('request_id', 'a', '0190aaaa-0000-7000-8000-000000000001', '2026-01-01T00:00:00.000000Z')"
    )
    with pytest.raises(RowRefusedError), database.write_once("test", "stray") as tx:
        tx.execute(stray)

    with database.read() as connection:
        assert connection.execute(text("SELECT value FROM request_keys")).all() == []


def test_a_move_without_its_audit_row_is_refused_here_too(database: Database) -> None:
    job = claim_new(database)
    with pytest.raises(RowRefusedError, match="audit"), database.write_once("test", "smuggle") as tx:
        tx.execute(text("UPDATE wallet_provisioning_jobs SET status = 'completed'"))

    assert job_of(database, job.id).status == "in_progress"


def test_limits_and_all_else_stay_with_the_connection(narrow: Database) -> None:
    names = ("statement_timeout", "lock_timeout", "jit", "TimeZone", "transaction_read_only")
    show = text("SELECT " + ", ".join(f"current_setting('{name}')" for name in names))
    with narrow.write_once("test", "look") as tx:
        assert tuple(tx.execute(show).one()) == ("8s", "5s", "off", "UTC", "off")
    with narrow.read() as connection:
        assert tuple(connection.execute(show).one()) == ("8s", "5s", "off", "UTC", "on")
        assert connection.execute(text("SHOW transaction_isolation")).scalar() == "repeatable read"


def test_a_transaction_after_it_is_one_again(narrow: Database) -> None:
    with narrow.write_once("test", "look") as tx:
        tx.execute(STAMPED)
    with pytest.raises(ZeroDivisionError):
        in_one(narrow, lambda tx: tx.execute(STAMP), explode)
    assert stamps(narrow) == []
    with narrow.write_once("test", "stamp") as tx:
        tx.execute(STAMP)
    assert stamps(narrow) == ["test"]


def test_it_is_prepared_as_all_that_writers_do(narrow: Database) -> None:
    for _ in range(3):
        with narrow.write_once("test", "look") as tx:
            tx.execute(text("SELECT 1 AS is_written"))
    with narrow.write_once("test", "look") as tx:
        prepared = tx.execute(text("SELECT statement FROM pg_prepared_statements")).scalars().all()
    assert prepared == ["SELECT 1 AS is_written"]


def test_a_lock_is_waited_for_and_its_wait_ends(narrow: Database) -> None:
    beside = Database(narrow.url, clock=SystemClock())
    with narrow.write("test", "stamp") as tx:
        tx.execute(STAMP)
    with beside.write("test", "hold") as holder:
        holder.execute(text("SELECT id FROM deployment FOR UPDATE"))
        impatient = text("SELECT id FROM deployment FOR UPDATE NOWAIT")
        with pytest.raises(StoreBusyError), narrow.write_once("test", "wait") as tx:
            tx.execute(impatient)
    beside.close()


def test_a_connection_that_is_cut_is_an_outage_and_the_next_one_works(
    narrow: Database, postgres: PostgresServer
) -> None:
    with narrow.write_once("test", "look") as tx:
        tx.execute(STAMPED)

    def stamp_when_cut() -> None:
        with narrow.write_once("test", "stamp") as tx:
            postgres.cut_connections(narrow.url)
            tx.execute(STAMP)

    with pytest.raises(StoreUnavailableError):
        stamp_when_cut()
    with narrow.write_once("test", "stamp") as tx:
        tx.execute(STAMP)
    assert stamps(narrow) == ["test"]


def test_threads_that_take_turns_at_both_kinds_get_what_they_asked_for(database: Database) -> None:
    """The pool is smaller than the threads, so connections change hands between the kinds."""
    small = Database(database.url, clock=SystemClock(), pool_size=2)
    failures: list[BaseException] = []

    def take_turns() -> None:
        try:
            for _ in range(10):
                with small.write_once("test", "look") as once:
                    once.execute(STAMPED)
                with small.write("test", "look") as tx:
                    tx.execute(STAMPED)
                    tx.execute(STAMPED)
                with small.read() as connection:
                    connection.execute(STAMPED)
        except BaseException as error:  # noqa: BLE001 - the test's own thread tells of it
            failures.append(error)

    threads = [threading.Thread(target=take_turns) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    small.close()
    assert failures == []


@pytest.mark.skipif(PGBOUNCER is None, reason="left out: pgbouncer is not installed")
def test_behind_a_pooler_it_has_its_limits_too(postgres: PostgresServer) -> None:
    url = postgres.create_database()
    migrate(url)
    with PgBouncer(postgres) as pooler:
        database = Database(pooler.url(url), clock=SystemClock())
        assert database.has_pooler()
        with database.write_once("test", "look") as tx:
            assert tx.execute(text("SHOW statement_timeout")).scalar() == "8s"
        with database.write_once("test", "stamp") as tx:
            tx.execute(STAMP)
            with pytest.raises(RuntimeError, match="one statement"):
                tx.execute(STAMPED)
        assert stamps(database) == ["test"]
        database.close()
