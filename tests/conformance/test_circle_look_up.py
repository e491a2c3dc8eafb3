"""How orders are looked up: in how few calls, what of others is let alone, when nothing means nothing."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from tests.conformance.test_circle_client_against_the_sandbox import connected, ids, new_set, order
from tests.sandbox_support import Caller, sandbox
from wallet_provisioning.clock import ManualClock
from wallet_provisioning.http.circle.answers import CallFailed, Certainty, Fulfilled, KeyRefused, WalletOrder
from wallet_provisioning.http.circle.client import CircleClient
from wallet_provisioning.http.circle.lookup import PROVEN_AFTER
from wallet_provisioning.http.sandbox.options import Switches
from wallet_provisioning.jobs.errors import ErrorType
from wallet_provisioning.jobs.outcomes import Failed, Live

HOUR = timedelta(hours=1)
COUNT_LISTS = {"kind": "latency", "for_ms": 0, "operation": "list_wallets"}
REFUSE = {"kind": "refuse", "code": 156020, "operation": "create_wallets"}


def many(wallet_set: UUID, count: int, prefix: str = "r") -> WalletOrder:
    return order(wallet_set, *(f"{prefix}{number}" for number in range(count)))


async def fulfil(client: CircleClient, asked: WalletOrder, *, look_up_first: bool = False) -> object:
    return await client.fulfil(asked, chain="ETH", look_up_first=look_up_first)


async def lists(circle: Caller) -> int:
    return sum(fault["hits"] for fault in (await circle.get("/sandbox/faults")).body["faults"])


async def test_two_hundred_members_are_found_in_four_calls(tmp_path: Path) -> None:
    clock = ManualClock()
    async with sandbox(tmp_path, clock=clock) as circle, connected(circle, clock=clock) as client:
        wallet_set = await new_set(client)
        await fulfil(client, many(wallet_set, 200, "before"))
        clock.advance(HOUR)
        asked = many(wallet_set, 200)
        made = ids(await fulfil(client, asked))
        clock.advance(HOUR)
        await fulfil(client, many(wallet_set, 200, "after"))
        await circle.set_faults(COUNT_LISTS)
        found = await fulfil(client, replace(asked, age=HOUR), look_up_first=True)
        assert ids(found) == made
        assert await lists(circle) == 4
        assert isinstance(found, Fulfilled)
        assert all(isinstance(one, Live) and one.adopted for one in found.wallets.values())


async def test_two_hundred_members_that_nobody_made_are_missed_in_few_calls(tmp_path: Path) -> None:
    async with sandbox(tmp_path) as circle, connected(circle) as client:
        asked = replace(many(await new_set(client), 200), age=HOUR)
        await circle.set_faults(COUNT_LISTS)
        made = ids(await fulfil(client, asked, look_up_first=True))
        assert await lists(circle) == 2
        assert len(made) == len(
            (await circle.get("/sandbox/state")).body["environments"]["test"]["references"]
        )


async def test_members_that_a_crowd_hides_are_looked_up_by_their_references(tmp_path: Path) -> None:
    clock = ManualClock()
    async with sandbox(tmp_path, clock=clock) as circle, connected(circle, clock=clock) as client:
        wallet_set = await new_set(client)
        for crowd in "abc":
            await fulfil(client, many(wallet_set, 100, crowd))
        asked = many(wallet_set, 20)
        made = ids(await fulfil(client, asked))
        await circle.set_faults(COUNT_LISTS)
        assert ids(await fulfil(client, replace(asked, age=timedelta()), look_up_first=True)) == made
        assert await lists(circle) == 4 + 20


async def test_many_hits_of_one_reference_are_read_to_the_last_page(tmp_path: Path) -> None:
    clock = ManualClock()
    async with sandbox(tmp_path, clock=clock) as circle, connected(circle, clock=clock) as client:
        asked = order(await new_set(client), "a")
        made = ids(await fulfil(client, asked))
        for _ in range(60):
            clock.advance(timedelta(seconds=1))
            await fulfil(client, replace(asked, idempotency_key=uuid4()))
        found = await fulfil(client, replace(asked, age=HOUR), look_up_first=True)
        assert ids(found) == made
        assert isinstance(found, Fulfilled)
        assert len({each.duplicate for each in found.duplicates}) == 60
        assert {each.kept for each in found.duplicates} == set(made.values())


async def test_what_others_made_under_our_reference_is_not_adopted_nor_made_again(tmp_path: Path) -> None:
    async with sandbox(tmp_path) as circle, connected(circle) as client:
        ours, theirs = await new_set(client), await new_set(client)
        await circle.create_wallets(str(theirs), "a", accountType="SCA")
        await circle.create_wallets(str(ours), "a", accountType="SCA", blockchains=["BASE-SEPOLIA"])
        await circle.create_wallets(str(ours), "b", accountType="EOA")
        found = await fulfil(client, replace(order(ours, "a", "b"), age=HOUR), look_up_first=True)
        assert isinstance(found, Fulfilled)
        for reference, told in (("a", "another wallet"), ("b", "accountType")):
            wrong = found.wallets[reference]
            assert isinstance(wrong, Failed)
            assert wrong.error_type is ErrorType.VALIDATION
            assert told in wrong.message
        assert len(await circle.wallets(walletSetId=ours, blockchain="ETH-SEPOLIA")) == 1
        alone = await fulfil(client, replace(order(ours, "a"), age=HOUR), look_up_first=True)
        assert isinstance(alone, Fulfilled)
        assert isinstance(alone.wallets["a"], Live)
        assert not alone.wallets["a"].adopted


@pytest.mark.parametrize("count", [2, 20])
async def test_a_refused_key_is_proven_by_two_look_ups_some_time_apart(tmp_path: Path, count: int) -> None:
    clock = ManualClock()
    async with sandbox(tmp_path) as circle, connected(circle, clock=clock) as client:
        asked = many(await new_set(client), count)
        members = tuple(member.ref_id for member in asked.members)
        await circle.set_faults(REFUSE)
        moment = timedelta(milliseconds=1)
        for waited, left in ((timedelta(), PROVEN_AFTER), (PROVEN_AFTER - moment, moment)):
            clock.advance(waited)
            early = await fulfil(client, asked)
            assert isinstance(early, KeyRefused)
            assert (early.missing, early.unproven, early.look_again_in) == ((), members, left)
        clock.advance(moment)
        proven = await fulfil(client, asked)
        assert isinstance(proven, KeyRefused)
        assert (proven.missing, proven.unproven) == (members, ())


async def test_a_list_that_lags_is_believed_the_second_time(tmp_path: Path) -> None:
    clock = ManualClock()
    async with sandbox(tmp_path) as circle, connected(circle, clock=clock) as client:
        asked = order(await new_set(client), "a", "b")
        made = ids(await fulfil(client, asked))
        await circle.set_faults(REFUSE, {"kind": "lag", "for_ms": 3_600_000})
        early = await fulfil(client, asked)
        assert isinstance(early, KeyRefused)
        assert early.missing == ()
        clock.advance(early.look_again_in)
        await circle.set_faults(REFUSE)
        assert ids(await fulfil(client, asked)) == made


async def test_a_look_up_that_fails_leaves_the_order_ambiguous(tmp_path: Path) -> None:
    async with sandbox(tmp_path) as circle, connected(circle) as client:
        asked = many(await new_set(client), 60)
        await fulfil(client, asked)
        await circle.set_faults({"kind": "refuse", "code": 2, "operation": "list_wallets"})
        failed = await fulfil(client, replace(asked, age=HOUR), look_up_first=True)
        assert isinstance(failed, CallFailed)
        assert failed.certainty is Certainty.AMBIGUOUS


async def test_answers_that_list_backwards_and_leave_metadata_blank_are_read_alike(tmp_path: Path) -> None:
    switches = Switches(blank_metadata=True, reverses_wallets=True)
    async with sandbox(tmp_path, switches=switches) as circle, connected(circle) as client:
        wallet_set = await new_set(client)
        await circle.create_wallets(str(wallet_set), metadata=..., count=30)
        asked = many(wallet_set, 60)
        made = ids(await fulfil(client, asked))
        assert ids(await fulfil(client, replace(asked, age=HOUR), look_up_first=True)) == made


async def test_orders_at_once_are_doubted_each_for_itself(tmp_path: Path) -> None:
    clock = ManualClock()
    async with sandbox(tmp_path) as circle, connected(circle, clock=clock) as client:
        wallet_set = await new_set(client)
        first, second = order(wallet_set, "a"), order(wallet_set, "b")
        await circle.set_faults(REFUSE)
        await fulfil(client, first)
        clock.advance(PROVEN_AFTER)
        proven, early = await asyncio.gather(fulfil(client, first), fulfil(client, second))
        assert isinstance(proven, KeyRefused)
        assert isinstance(early, KeyRefused)
        assert (proven.missing, early.unproven) == (("a",), ("b",))
