"""A PostgreSQL that answers nothing at all is away: whoever waits for it is told so in time."""

import os
import signal
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import text

from tests.servers import PostgresServer
from tests.support_store import Events, in_one
from wallet_provisioning.clock import SystemClock
from wallet_provisioning.store.database import Database
from wallet_provisioning.store.errors import StoreUnavailableError
from wallet_provisioning.store.patience import patient_for
from wallet_provisioning.store.transaction import Transaction
from wallet_provisioning.telemetry.events import DependencyBack, DependencyLost

# Actors count as hanging after this; a wait must end before.
HANGS_AFTER = 15.0
SOON = 0.2


@pytest.fixture
def events() -> Events:
    return Events()


@pytest.fixture
def lone(postgres: PostgresServer, events: Events) -> Iterator[Database]:
    """A database with a pool of one connection, whose server process a test may so find and stop."""
    database = Database(postgres.create_database(), clock=SystemClock(), emit=events, pool_size=1)
    yield database
    database.close()


def driver_of(database: Database) -> Any:
    with database.read() as connection:
        return connection.connection.dbapi_connection


def test_each_wait_ends_before_its_actor_counts_as_hanging(lone: Database) -> None:
    assert 8 < driver_of(lone).patience < HANGS_AFTER


def test_a_server_process_that_stands_still_is_an_outage_and_its_connection_is_given_up(
    lone: Database, events: Events
) -> None:
    driver = driver_of(lone)
    stopped = driver.info.backend_pid
    os.kill(stopped, signal.SIGSTOP)
    try:
        with patient_for(driver, SOON), pytest.raises(StoreUnavailableError, match="has not answered"):
            lone.ping()
        assert driver.closed
        assert [lost.name for lost in events.of(DependencyLost)] == ["database"]
        lone.ping()
        assert [back.name for back in events.of(DependencyBack)] == ["database"]
    finally:
        os.kill(stopped, signal.SIGCONT)


def test_a_write_that_waits_in_vain_is_rolled_back(lone: Database) -> None:
    with lone.write("test", "prepare") as tx:
        tx.execute(text("CREATE TABLE notes (note text)"))

    def write_and_wait(tx: Transaction) -> None:
        tx.execute(text("INSERT INTO notes VALUES ('lost')"))
        tx.execute(text("SELECT pg_sleep(2)"))

    with patient_for(driver_of(lone), SOON), pytest.raises(StoreUnavailableError, match="has not answered"):
        in_one(lone, write_and_wait)
    with lone.read() as connection:
        assert connection.execute(text("SELECT note FROM notes")).all() == []


def test_an_answer_that_comes_in_pieces_is_waited_for(lone: Database) -> None:
    with lone.read() as connection, patient_for(connection.connection.dbapi_connection, 5.0):  # type: ignore[arg-type]  # SQLAlchemy knows no driver's class
        rows = connection.execute(text("SELECT n, repeat('x', 1000) FROM generate_series(1, 20000) AS n"))
        assert len(rows.all()) == 20_000
