"""One preparation of the wallet set for all chains, before the first creation."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select

from tests.support_reconcile import Shelf
from tests.support_store import (
    WALLET_SET,
    claim_new,
    live,
    open_requests,
    open_sqlite,
    record,
    request,
    result,
)
from wallet_provisioning.actors.walletset import NO_SET, Prepared, WalletSet, WalletSetOptions
from wallet_provisioning.http.circle.answers import CallFailed, Certainty, WalletSetMade
from wallet_provisioning.http.circle.errors import KEY_USED, WALLET_SET_NOT_FOUND
from wallet_provisioning.http.circle.listing import Order, WalletPage
from wallet_provisioning.jobs.errors import ErrorType
from wallet_provisioning.jobs.listed import ListedWallet
from wallet_provisioning.store.behind import read_hold
from wallet_provisioning.store.database import Database
from wallet_provisioning.store.stamp import read_stamp, stamp_environment
from wallet_provisioning.store.tables import wallet_sets


class FakeSets:
    """Makes one set a key; `refused` keys are answered with 156020, `unknown` sets with 404."""

    def __init__(self) -> None:
        self.made: dict[UUID, UUID] = {}
        self.calls: list[str] = []
        self.unknown: set[UUID] = set()
        self.refused = 0
        self.shelf = Shelf()
        self.page = 50

    async def create_wallet_set(self, *, chain: str, key: UUID, name: str) -> WalletSetMade | CallFailed:
        assert chain
        assert name
        self.calls.append("create")
        await asyncio.sleep(0)
        if self.refused:
            self.refused -= 1
            return failed(KEY_USED)
        made = self.made.setdefault(key, WALLET_SET if not self.made else uuid4())
        return WalletSetMade(wallet_set_id=made, is_new=True, circle_request_id=None)

    async def check_wallet_set(self, wallet_set_id: UUID) -> CallFailed | None:
        self.calls.append("check")
        return failed(WALLET_SET_NOT_FOUND) if wallet_set_id in self.unknown else None

    async def list_wallets(
        self, wallet_set_id: UUID, *, after: UUID | None = None, order: Order = "ASC"
    ) -> WalletPage | CallFailed:
        assert order == "DESC"
        self.calls.append(f"list {wallet_set_id}")
        newest = list(reversed(self.shelf.wallets))
        start = 0 if after is None else 1 + [each.circle_wallet_id for each in newest].index(after)
        page = newest[start : start + self.page]
        is_last = start + self.page >= len(newest)
        return WalletPage(wallets=tuple(page), next=None if is_last else page[-1].circle_wallet_id)


def failed(code: int) -> CallFailed:
    return CallFailed(error_type=ErrorType.CIRCLE_4XX, message="no", certainty=Certainty.REFUSED, code=code)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = open_sqlite(tmp_path)
    with opened.write("test", "stamp") as tx:
        stamp_environment(tx, "test", None)
    yield opened
    opened.close()


def set_of(
    database: Database, circle: FakeSets, *, named: UUID | None = None, may_be_made: bool = True
) -> WalletSet:
    options = WalletSetOptions(environment="test", name="tested", named=named, may_be_made=may_be_made)
    return WalletSet("daemon", database, options, circle)


def stamped(database: Database) -> UUID | None:
    with database.read() as connection:
        stamp = read_stamp(connection)
    assert stamp is not None
    return stamp.wallet_set_id


async def ready(wallet_set: WalletSet, circle: FakeSets) -> None:
    assert wallet_set.find() is None
    prepared = await wallet_set.prepare(circle, "ETH")
    assert isinstance(prepared, Prepared)
    wallet_set.take(prepared)


async def test_chains_that_ask_at_once_share_one_call(database: Database) -> None:
    circle = FakeSets()
    wallet_set = set_of(database, circle)
    assert wallet_set.find() is None

    answers = await asyncio.gather(*(wallet_set.prepare(circle, chain) for chain in ("ETH", "SOL", "APTOS")))
    for answer in answers:
        assert isinstance(answer, Prepared)
        wallet_set.take(answer)

    assert circle.calls == ["create", f"list {WALLET_SET}"]
    assert wallet_set.find() == stamped(database) == WALLET_SET


async def test_a_set_that_the_store_knows_costs_one_look_and_no_creation(database: Database) -> None:
    circle = FakeSets()
    await ready(set_of(database, circle), circle)
    circle.calls.clear()

    again = set_of(database, circle)
    await ready(again, circle)

    assert circle.calls == [f"list {WALLET_SET}"]


async def test_of_two_daemons_that_made_one_each_the_first_to_save_is_right(database: Database) -> None:
    circle = FakeSets()
    first, second = set_of(database, circle), set_of(database, circle)
    assert second.find() is None
    circle.refused = 1
    refused = await second.prepare(circle, "ETH")
    assert isinstance(refused, CallFailed)
    await ready(first, circle)
    late = await second.prepare(circle, "ETH")
    assert isinstance(late, Prepared)
    assert late.wallet_set_id != WALLET_SET

    second.take(late)
    assert second.find() is None
    again = await second.prepare(circle, "ETH")
    assert isinstance(again, Prepared)
    second.take(again)

    assert second.find() == first.find() == WALLET_SET


async def test_where_none_may_be_made_nothing_is_asked_and_the_operator_is_told(database: Database) -> None:
    circle = FakeSets()
    wallet_set = set_of(database, circle, may_be_made=False)
    assert wallet_set.find() is None

    answer = await wallet_set.prepare(circle, "ETH")

    assert isinstance(answer, CallFailed)
    assert (answer.is_configuration, answer.certainty) == (True, Certainty.NOT_SENT)
    assert wallet_set.trouble == NO_SET
    assert circle.calls == []


async def test_a_named_set_is_stamped_once_circle_is_known_to_have_it(database: Database) -> None:
    circle, named = FakeSets(), uuid4()
    circle.unknown.add(named)
    wallet_set = set_of(database, circle, named=named)
    answer = await wallet_set.prepare(circle, "ETH")
    assert isinstance(answer, CallFailed)
    assert answer.is_configuration
    assert stamped(database) is None
    assert "CIRCLE_WALLET_SET_ID" in (wallet_set.trouble or "")

    circle.unknown.clear()
    await ready(wallet_set, circle)

    assert wallet_set.trouble is None
    assert stamped(database) == named
    assert "create" not in circle.calls
    with database.read() as connection:
        assert connection.execute(select(wallet_sets)).all() == []


async def test_a_preparation_whose_end_is_not_heard_of_holds_nobody_up(database: Database) -> None:
    circle = FakeSets()
    wallet_set = set_of(database, circle)
    lost = asyncio.ensure_future(wallet_set.prepare(circle, "ETH"))
    await asyncio.sleep(0)

    wallet_set.give_up_call()
    await ready(wallet_set, circle)

    assert wallet_set.is_ready
    await lost


async def test_a_database_behind_circle_is_held_at_the_first_look(database: Database) -> None:
    circle = FakeSets()
    circle.shelf.add(uuid4())
    circle.shelf.add(uuid4(), ref_id="foreign")

    wallet_set = set_of(database, circle)
    await ready(wallet_set, circle)

    with database.read() as connection:
        assert "reconcile --apply" in (read_hold(connection) or "")


async def test_foreign_wallets_alone_hold_nothing(database: Database) -> None:
    circle = FakeSets()
    circle.shelf.add(uuid4(), ref_id="", name="")

    await ready(set_of(database, circle), circle)

    with database.read() as connection:
        assert read_hold(connection) is None


def wallet_here(database: Database, circle: FakeSets) -> ListedWallet:
    """Return a wallet that is live here and at Circle."""
    job = claim_new(database, request(chains=("ETH",)))
    wallet = circle.shelf.add(job.user_id)
    record(database, result(job, live(circle_wallet_id=wallet.circle_wallet_id)))
    return wallet


def held(database: Database) -> bool:
    with database.read() as connection:
        return read_hold(connection) is not None


@pytest.mark.parametrize("others", [3, 60, 200])
async def test_others_newer_wallets_hide_none_that_a_backup_lacks(database: Database, others: int) -> None:
    circle = FakeSets()
    circle.page = 2
    wallet_here(database, circle)
    circle.shelf.add(uuid4())
    for _ in range(others):
        circle.shelf.add(uuid4(), ref_id="", name="")

    wallet_set = set_of(database, circle)
    assert wallet_set.find() is None
    while not wallet_set.is_ready:
        prepared = await wallet_set.prepare(circle, "ETH")
        assert isinstance(prepared, Prepared)
        wallet_set.take(prepared)
    assert held(database)


async def test_wallets_that_a_stored_request_accounts_for_hide_none_either(database: Database) -> None:
    circle = FakeSets()
    circle.page = 2
    wallet_here(database, circle)
    circle.shelf.add(uuid4())
    jobs = [claim_new(database, request(chains=("ETH",))) for _ in range(3)]
    open_requests(database, *jobs)
    for job in jobs:
        circle.shelf.add(job.user_id)

    wallet_set = set_of(database, circle)
    await ready(wallet_set, circle)
    assert not wallet_set.is_ready
    await ready(wallet_set, circle)
    assert held(database)


async def test_the_look_ends_behind_the_first_wallet_that_is_recorded_here(database: Database) -> None:
    circle = FakeSets()
    circle.page = 2
    for _ in range(10):
        wallet_here(database, circle)

    await ready(set_of(database, circle), circle)

    assert not held(database)
    assert len([call for call in circle.calls if call.startswith("list")]) == 1


async def test_wallets_of_one_second_are_looked_at_together(database: Database) -> None:
    """Which of them is the newer can't be told: the look goes on to an older one."""
    circle = FakeSets()
    circle.page = 2
    moment = wallet_here(database, circle).created_at + timedelta(seconds=60)
    circle.shelf.add(uuid4(), created_at=moment)
    known = claim_new(database, request(chains=("ETH",)))
    wallets = [
        circle.shelf.add(known.user_id, created_at=moment),
        circle.shelf.add(uuid4(), ref_id="", name=""),
    ]
    record(database, result(known, live(circle_wallet_id=wallets[0].circle_wallet_id)))
    circle.shelf.wallets[-1] = replace(wallets[1], created_at=moment)

    wallet_set = set_of(database, circle)
    await ready(wallet_set, circle)
    assert not wallet_set.is_ready
    await ready(wallet_set, circle)
    assert held(database)


async def test_chains_that_take_the_same_look_go_further_together(database: Database) -> None:
    circle = FakeSets()
    circle.page = 2
    for _ in range(5):
        circle.shelf.add(uuid4(), ref_id="", name="")
    wallet_set = set_of(database, circle)
    assert wallet_set.find() is None
    first = await wallet_set.prepare(circle, "ETH")
    second = await wallet_set.prepare(circle, "SOL")
    assert isinstance(first, Prepared)
    assert second is first
    wallet_set.take(first)
    further = await wallet_set.prepare(circle, "ETH")
    wallet_set.take(first)
    assert await wallet_set.prepare(circle, "SOL") is further
    assert isinstance(further, Prepared)
    wallet_set.take(further)
    assert wallet_set.is_ready
