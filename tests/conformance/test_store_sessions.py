"""What a server, a database or a role has as a default changes nothing for the store."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import psycopg
import pytest
from sqlalchemy import text

from tests.servers import PostgresServer
from tests.support_store import Events, accept, claim_new, finish, request
from wallet_provisioning.clock import ManualClock, SystemClock
from wallet_provisioning.store import reports, schema
from wallet_provisioning.store.database import Database
from wallet_provisioning.store.errors import StoreUnusableError
from wallet_provisioning.telemetry.events import DependencyLost

Opened = Callable[..., Database]


@pytest.fixture
def url(postgres: PostgresServer, postgres_template: str) -> Iterator[str]:
    created = postgres.create_database(postgres_template)
    yield created
    postgres.drop_database(created)


@pytest.fixture
def with_defaults(postgres: PostgresServer, url: str, events: Events) -> Iterator[Opened]:
    opened: list[Database] = []

    def open_with(**defaults: str) -> Database:
        for name, value in defaults.items():
            postgres.execute(f"ALTER DATABASE {postgres.name_of(url)} SET {name} = '{value}'")
        opened.append(Database(url, clock=SystemClock(), emit=events))
        return opened[0]

    yield open_with
    for database in opened:
        database.close()


@pytest.mark.parametrize("level", ["serializable", "repeatable read"])
def test_transactions_are_isolated_as_ever(with_defaults: Opened, level: str) -> None:
    database = with_defaults(default_transaction_isolation=level)
    ask = text("SELECT current_setting('transaction_isolation')")
    found = []
    for _ in range(2):
        with database.write("test", "look") as tx:
            found.append(tx.execute(ask).scalar())
        with database.write_once("test", "look") as tx:
            found.append(tx.execute(ask).scalar())
        with database.read() as connection:
            found.append(connection.execute(ask).scalar())

    assert found == ["read committed", "read committed", "repeatable read"] * 2


def test_many_requests_at_once_are_refused_by_no_server(with_defaults: Opened) -> None:
    database = with_defaults(default_transaction_isolation="serializable")
    users = [uuid4() for _ in range(10)]
    with ThreadPoolExecutor(8) as pool:
        accepted = list(pool.map(lambda number: accept(database, request(users[number % 10])), range(80)))

    assert len({each.job.id for each in accepted}) == 10


def test_dates_are_read_whatever_they_look_like_by_default(with_defaults: Opened) -> None:
    database = with_defaults(
        DateStyle="German, DMY", IntervalStyle="sql_standard", TimeZone="Pacific/Kiritimati"
    )
    job = claim_new(database)
    finish(database, job)

    with database.read() as connection:
        (found,) = reports.list_jobs(connection, reports.JobFilter()).items
    assert found.completed_at is not None
    assert found.completed_at.utcoffset() is not None


def test_a_session_that_lies_idle_is_not_ended_by_the_server(with_defaults: Opened) -> None:
    database = with_defaults(idle_session_timeout="3s")
    with database.read() as connection:
        assert connection.execute(text("SHOW idle_session_timeout")).scalar() == "0"


def test_a_connection_whose_end_was_told_is_replaced_before_it_is_used(
    postgres: PostgresServer, url: str, events: Events
) -> None:
    database = Database(url, clock=ManualClock(), emit=events)
    accept(database)
    for _ in range(3):
        postgres.cut_connections(url)
        accept(database)
    database.ping()

    assert events.of(DependencyLost) == []
    database.close()


def test_a_database_that_is_read_only_by_default_takes_no_job_at_all(
    with_defaults: Opened, events: Events
) -> None:
    database = with_defaults(default_transaction_read_only="on")
    for _ in range(3):
        database.ping()
        with pytest.raises(StoreUnusableError, match="read-only"):
            accept(database)
        with pytest.raises(StoreUnusableError, match="read-only"), database.write("test", "look") as tx:
            tx.execute(text("DELETE FROM request_keys"))

    assert [lost.name for lost in events.of(DependencyLost)] == ["database"]


@pytest.mark.parametrize("encoding", ["SQL_ASCII", "LATIN1"])
def test_a_database_that_can_not_hold_every_letter_is_refused(
    postgres: PostgresServer, encoding: str
) -> None:
    name = f"letters_{encoding.lower()}"
    postgres.execute(f"CREATE DATABASE {name} ENCODING '{encoding}' LOCALE 'C' TEMPLATE template0")
    database = Database(postgres.url(name), clock=SystemClock())

    for attempt in (database.ping, lambda: schema.migrate(postgres.url(name))):
        with pytest.raises(StoreUnusableError, match=f"its encoding is {encoding}") as caught:
            attempt()
        assert "\n" not in str(caught.value)
    database.close()


@pytest.fixture
def stranger(postgres: PostgresServer, url: str) -> Iterator[str]:
    """The URL for a role that may connect, and nothing else."""
    role = f"stranger_{postgres.name_of(url)}"
    postgres.execute(f"CREATE ROLE {role} LOGIN")
    yield url.replace("//postgres:@", f"//{role}@")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"DROP OWNED BY {role}".encode())
    postgres.execute(f"DROP ROLE {role}")


def test_a_role_without_rights_is_refused_in_one_line(stranger: str) -> None:
    database = Database(stranger, clock=SystemClock())
    attempts = (
        lambda: accept(database),
        lambda: schema.require_current(database),
        lambda: schema.migrate(stranger),
        lambda: schema.schema_state(stranger),
    )
    for attempt in attempts:
        with pytest.raises(StoreUnusableError, match=r"permission denied .*; grant") as caught:
            attempt()
        assert "\n" not in str(caught.value)
    database.close()


def test_a_role_that_may_only_read_is_told_so(stranger: str, url: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        role = stranger.split("//")[1].split("@", maxsplit=1)[0]
        connection.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}".encode())
    database = Database(stranger, clock=SystemClock())
    database.ping()
    schema.require_current(database)

    with pytest.raises(StoreUnusableError, match=r"permission denied .*; grant"):
        accept(database)
    database.close()


def test_a_search_path_that_leads_nowhere_is_told_to_who_migrates(postgres: PostgresServer) -> None:
    empty = postgres.create_database()
    postgres.execute(f"ALTER DATABASE {postgres.name_of(empty)} SET search_path = 'nowhere'")

    with pytest.raises(StoreUnusableError, match="search_path"):
        schema.migrate(empty)
