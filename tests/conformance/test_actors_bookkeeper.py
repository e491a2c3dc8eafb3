"""The bookkeeper adds up what commits counted, beside the jobs, and lives through an outage."""

from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from random import Random

import pytest
from sqlalchemy import text

from tests.servers import PostgresServer
from tests.support_store import claim_new, finish
from tests.support_supervision import Trial
from wallet_provisioning.actors.bookkeeper import BookkeeperActor
from wallet_provisioning.actors.housekeeping import NO_HOUSEKEEPING, housekeepers
from wallet_provisioning.clock import SystemClock
from wallet_provisioning.store import reports
from wallet_provisioning.store.database import Database
from wallet_provisioning.supervision.actor import recipe
from wallet_provisioning.supervision.child import Child
from wallet_provisioning.supervision.incidents import ChildEnded
from wallet_provisioning.supervision.testing import Signals
from wallet_provisioning.telemetry.events import Event, TransactionEnded, unheard

OFTEN = timedelta(milliseconds=1)


@pytest.fixture
def heard() -> Signals[Event]:
    return Signals()


@pytest.fixture
def database(postgres: PostgresServer, postgres_template: str, heard: Signals[Event]) -> Iterator[Database]:
    url = postgres.create_database(postgres_template)
    with closing(Database(url, clock=SystemClock(), emit=heard.note)) as opened:
        yield opened
    postgres.drop_database(url)


def test_on_postgresql_every_daemon_adds_up_what_has_waited(
    database: Database, heard: Signals[Event]
) -> None:
    finish(database, claim_new(database))
    with database.write("test", "age") as tx:
        tx.execute(text("UPDATE job_counts SET counted_at = counted_at - interval '1 minute'"))
    with Trial() as trial:
        trial.start(*housekeepers(NO_HOUSEKEEPING, database, Random(1), unheard, ()))
        heard.wait_for(lambda event: _folded(event) == "committed")
        assert trial.root.view("bookkeeper").incarnation == 1

    with database.read() as connection:
        assert connection.execute(text("SELECT sum(succeeded) FROM job_totals")).scalar_one() == 1
        assert reports.totals(connection).succeeded == 1


def test_an_outage_postpones_the_next_step(heard: Signals[Event]) -> None:
    away = "postgresql+psycopg://nobody@127.0.0.1:1/away"
    with closing(Database(away, clock=SystemClock(), emit=heard.note)) as database, Trial() as trial:
        trial.start(Child(id="bookkeeper", recipe=recipe(BookkeeperActor, database=database, every=OFTEN)))
        heard.wait_for(lambda event: _folded(event) == "unavailable", count=2)
        assert not [incident for incident in trial.heard.all() if isinstance(incident, ChildEnded)]


def _folded(event: Event) -> str | None:
    """Return how a step of the bookkeeper ended."""
    return event.outcome if isinstance(event, TransactionEnded) and event.reason == "fold_counts" else None
