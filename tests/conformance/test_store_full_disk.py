"""A disk that is full can still be read: only what was written ends that state."""

from pathlib import Path

import pytest

from tests.support_store import Events, accept, open_sqlite
from wallet_provisioning.store.database import Database
from wallet_provisioning.store.errors import StoreUnusableError
from wallet_provisioning.telemetry.events import DependencyBack, DependencyLost


def fill(database: Database) -> None:
    """Let the file grow no more, as a full disk does."""
    with database.read() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
    _limit(database, int(pages))


def _limit(database: Database, pages: int) -> None:
    with database.read() as connection:
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")


def accept_until_full(database: Database) -> None:
    for _ in range(500):
        accept(database)


def test_a_full_disk_is_one_state_until_something_was_written(tmp_path: Path) -> None:
    events = Events()
    database = open_sqlite(tmp_path, events)
    accept(database)
    fill(database)

    with pytest.raises(StoreUnusableError, match="its disk is full; free some space"):
        accept_until_full(database)
    database.ping()
    with database.write("rescuer", "nothing to do"):
        pass
    assert events.of(DependencyBack) == []

    _limit(database, 1_000_000)
    accept(database)
    assert (len(events.of(DependencyLost)), len(events.of(DependencyBack))) == (1, 1)
