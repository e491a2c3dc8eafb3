from pathlib import Path

import pytest

from wallet_provisioning.clock import ManualClock
from wallet_provisioning.store.database import Database
from wallet_provisioning.store.engine import listener_arguments, postgresql_arguments
from wallet_provisioning.store.errors import InvalidDatabaseUrlError
from wallet_provisioning.store.urls import dialect_of, parse_url, sqlite_file


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
def test_every_name_of_postgresql_means_psycopg_3(scheme: str) -> None:
    url = parse_url(f"{scheme}://u:p@h:1/d?sslmode=require")

    assert url.drivername == "postgresql+psycopg"
    assert (url.host, url.port, url.database, url.query["sslmode"]) == ("h", 1, "d", "require")
    assert dialect_of(url) == "postgresql"


def test_an_sqlite_url_names_a_file() -> None:
    assert dialect_of(parse_url("sqlite:///a.db")) == "sqlite"
    assert sqlite_file("sqlite:///a.db") == Path("a.db")
    assert sqlite_file("sqlite:////b/a.db") == Path("/b/a.db")
    assert sqlite_file("postgresql://h/d") is None


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:", "sqlite:///"])
def test_a_database_in_memory_is_refused(url: str) -> None:
    with pytest.raises(InvalidDatabaseUrlError, match="name a file"):
        parse_url(url)


@pytest.mark.parametrize(
    "url", ["", "nonsense", "mysql://u:hush@h/d", "postgresql+asyncpg://u:hush@h/d", "http://u:hush@h"]
)
def test_any_other_url_is_refused_without_repeating_its_password(url: str) -> None:
    with pytest.raises(InvalidDatabaseUrlError, match="sqlite:///FILE") as caught:
        Database(url, clock=ManualClock())
    assert "hush" not in str(caught.value)


def test_what_the_url_sets_itself_stays() -> None:
    url = parse_url("postgresql://h/d?connect_timeout=9&application_name=mine")

    arguments = postgresql_arguments(url, "ours")

    assert not {"connect_timeout", "application_name"} & set(arguments)
    assert arguments["keepalives"] == "1"


def test_a_listener_connects_as_the_pool_does() -> None:
    arguments = listener_arguments(parse_url("postgresql://u:p@h:5/d?sslmode=require"))

    assert arguments["host"] == "h"
    assert arguments["user"] == "u"
    assert arguments["port"] == 5
    assert arguments["dbname"] == "d"
    assert arguments["sslmode"] == "require"
    assert arguments["connect_timeout"] == "3"
