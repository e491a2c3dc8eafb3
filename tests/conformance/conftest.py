"""The same tests on both databases: `database` is a migrated one of its own for each test."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers import PostgresServer
from tests.support_store import Events
from wallet_provisioning.clock import SystemClock
from wallet_provisioning.store.database import Database
from wallet_provisioning.store.schema import migrate


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    with PostgresServer() as server:
        yield server


@pytest.fixture(scope="session")
def postgres_template(postgres: PostgresServer) -> str:
    url = postgres.create_database()
    migrate(url)
    return postgres.name_of(url)


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("template") / "wallets.db"
    migrate(f"sqlite:///{file}")
    return file


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        template: Path = request.getfixturevalue("sqlite_template")
        shutil.copy(template, tmp_path / "wallets.db")
        yield f"sqlite:///{tmp_path / 'wallets.db'}"
        return
    server: PostgresServer = request.getfixturevalue("postgres")
    url = server.create_database(request.getfixturevalue("postgres_template"))
    yield url
    server.drop_database(url)


@pytest.fixture
def events() -> Events:
    return Events()


@pytest.fixture
def database(database_url: str, events: Events) -> Iterator[Database]:
    opened = Database(database_url, clock=SystemClock(), emit=events)
    yield opened
    opened.close()
