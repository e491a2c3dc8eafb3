"""An SQLite file that is deleted or replaced under the program: nothing more is acknowledged."""

import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import select

from tests.support_store import Events, accept, open_sqlite
from wallet_provisioning.clock import SystemClock
from wallet_provisioning.store import tables
from wallet_provisioning.store.database import Database
from wallet_provisioning.store.errors import StoreUnusableError
from wallet_provisioning.telemetry.events import DependencyBack, DependencyLost

FILES = ("wallets.db", "wallets.db-wal", "wallets.db-shm")


@pytest.fixture
def embedded(tmp_path: Path, events: Events) -> Iterator[Database]:
    database = open_sqlite(tmp_path, events)
    accept(database)
    yield database
    database.close()


def count_jobs(database: Database) -> int:
    with database.read() as connection:
        return len(connection.execute(select(tables.jobs.c.id)).all())


def delete(folder: Path) -> None:
    for name in FILES:
        (folder / name).unlink()


def replace(folder: Path) -> None:
    backup = folder / "backup.db"
    with sqlite3.connect(folder / "wallets.db") as source, sqlite3.connect(backup) as target:
        source.backup(target)
    source.close()
    target.close()
    backup.replace(folder / "wallets.db")


@pytest.mark.parametrize("strike", [delete, replace])
def test_a_file_that_was_taken_away_is_neither_written_nor_read(
    embedded: Database, events: Events, tmp_path: Path, strike: Callable[[Path], None]
) -> None:
    strike(tmp_path)
    was_there = (tmp_path / "wallets.db").exists()

    for _ in range(2):
        with pytest.raises(StoreUnusableError, match=r"wallets\.db was deleted or replaced .* put it back"):
            accept(embedded)
    with pytest.raises(StoreUnusableError, match="deleted or replaced"):
        embedded.ping()

    assert [lost.name for lost in events.of(DependencyLost)] == ["database"]
    assert events.of(DependencyBack) == []
    assert (tmp_path / "wallets.db").exists() is was_there


def test_a_file_that_comes_back_under_its_name_is_used_again(
    embedded: Database, events: Events, tmp_path: Path
) -> None:
    away = tmp_path / "away"
    away.mkdir()
    for name in FILES:
        (tmp_path / name).rename(away / name)
    with pytest.raises(StoreUnusableError):
        accept(embedded)
    for name in FILES:
        if (away / name).exists():
            (away / name).rename(tmp_path / name)

    accept(embedded)

    assert count_jobs(embedded) == 2
    assert len(events.of(DependencyBack)) == 1


@pytest.mark.parametrize("suffix", ["-wal", "-shm"])
def test_what_was_committed_before_a_file_beside_it_was_deleted_is_kept(
    embedded: Database, tmp_path: Path, suffix: str
) -> None:
    (tmp_path / f"wallets.db{suffix}").unlink()

    for _ in range(2):
        with pytest.raises(StoreUnusableError, match="restart the daemon"):
            accept(embedded)
    embedded.close()

    again = open_again(tmp_path)
    assert count_jobs(again) == 1
    accept(again)
    again.close()


def test_a_copy_of_the_file_beside_it_harms_nobody(embedded: Database, tmp_path: Path) -> None:
    shutil.copy(tmp_path / "wallets.db", tmp_path / "copy.db")
    os.link(tmp_path / "wallets.db", tmp_path / "link.db")

    accept(embedded)

    assert count_jobs(embedded) == 2


def test_another_program_that_ends_leaves_the_files_as_they_are(embedded: Database, tmp_path: Path) -> None:
    other = open_again(tmp_path)
    accept(other)
    other.close()

    accept(embedded)

    assert count_jobs(embedded) == 3


def open_again(folder: Path) -> Database:
    return Database(f"sqlite:///{folder / 'wallets.db'}", clock=SystemClock())
