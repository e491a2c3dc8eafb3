from uuid import uuid4

import pytest

from wallet_provisioning.store import stamp, wallets
from wallet_provisioning.store.database import Database
from wallet_provisioning.store.errors import NotFoundError, WrongEnvironmentError

FIRST, SECOND = uuid4(), uuid4()


def test_the_first_start_stamps_the_database_and_others_agree(database: Database) -> None:
    with database.write("daemon", "start") as tx:
        first = stamp.stamp_environment(tx, "sandbox", None)
    with database.write("daemon", "start") as tx:
        again = stamp.stamp_environment(tx, "sandbox", None)

    assert (first.environment, first.wallet_set_id) == ("sandbox", None)
    assert again == first
    with database.read() as connection:
        assert stamp.read_stamp(connection) == first


def test_another_environment_is_refused(database: Database) -> None:
    with database.write("daemon", "start") as tx:
        stamp.stamp_environment(tx, "sandbox", None)

    with (
        pytest.raises(WrongEnvironmentError, match="sandbox environment"),
        database.write("daemon", "start") as tx,
    ):
        stamp.stamp_environment(tx, "live", None)


def test_a_wallet_set_is_filled_in_once_and_never_changed(database: Database) -> None:
    with database.write("daemon", "start") as tx:
        stamp.stamp_environment(tx, "test", None)
        assert stamp.stamp_environment(tx, "test", FIRST).wallet_set_id == FIRST
        assert stamp.stamp_environment(tx, "test", None).wallet_set_id == FIRST
    with (
        pytest.raises(WrongEnvironmentError, match=str(FIRST)),
        database.write("daemon", "start") as tx,
    ):
        stamp.stamp_environment(tx, "test", SECOND)


def test_the_first_writer_of_a_wallet_set_wins(database: Database) -> None:
    with database.write("daemon", "start") as tx:
        stamp.stamp_environment(tx, "test", None)
    with database.read() as connection:
        assert wallets.wallet_set_id(connection) is None

    for mine in (FIRST, SECOND, FIRST):
        with database.write("daemon", "wallet set") as tx:
            assert wallets.save_wallet_set(tx, circle_wallet_set_id=mine, name="customers") == FIRST

    with database.read() as connection:
        assert wallets.wallet_set_id(connection) == FIRST


def test_a_configured_wallet_set_beats_one_that_was_made(database: Database) -> None:
    with database.write("daemon", "start") as tx:
        stamp.stamp_environment(tx, "test", FIRST)
        assert wallets.save_wallet_set(tx, circle_wallet_set_id=SECOND, name="made") == FIRST


def test_a_wallet_set_needs_a_stamp(database: Database) -> None:
    with pytest.raises(NotFoundError, match="stamp"), database.write("daemon", "wallet set") as tx:
        wallets.save_wallet_set(tx, circle_wallet_set_id=FIRST, name="customers")


def test_a_database_without_a_stamp_says_so(database: Database) -> None:
    with database.read() as connection:
        assert stamp.read_stamp(connection) is None
        assert wallets.wallet_set_id(connection) is None
