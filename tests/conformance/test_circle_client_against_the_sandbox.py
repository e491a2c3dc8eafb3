"""The client against the built-in sandbox, which was written without it, under every reading of Circle."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from tests.sandbox_support import SECRET, TEST_KEY, Caller, sandbox
from wallet_provisioning.clock import Clock, ManualClock, SystemClock
from wallet_provisioning.http.circle.account import Account, Timeouts
from wallet_provisioning.http.circle.answers import (
    CallFailed,
    Certainty,
    Fulfilled,
    KeyRefused,
    OrderMember,
    WalletOrder,
    WalletSetMade,
)
from wallet_provisioning.http.circle.budget import Budget, BudgetOptions
from wallet_provisioning.http.circle.client import CircleClient
from wallet_provisioning.http.sandbox.options import Switches
from wallet_provisioning.http.sandbox.waits import RetryAfter
from wallet_provisioning.jobs.chains import AccountType, Environment, resolve
from wallet_provisioning.jobs.errors import ErrorType
from wallet_provisioning.jobs.outcomes import Live
from wallet_provisioning.telemetry.events import CircleCalled, Emit, Event, unheard

PATIENT, HASTY = timedelta(seconds=30), timedelta(seconds=1)
WIDE = BudgetOptions(wallets=1000, posts=1000, gets=1000)
READINGS = [
    Switches(),
    Switches(ciphertext_first=False),
    Switches(shows_set_name=True, blank_metadata=True, reverses_wallets=True),
    Switches(http_status={156020: 400, 156004: 400}),
]


@asynccontextmanager
async def connected(
    circle: Caller,
    budget: BudgetOptions = WIDE,
    secret: str = SECRET,
    *,
    clock: Clock | None = None,
    emit: Emit = unheard,
    read: timedelta = PATIENT,
) -> AsyncIterator[CircleClient]:
    clock = clock or SystemClock()
    account = Account(
        base_url=circle.base_url,
        api_key=TEST_KEY,
        entity_secret=secret,
        timeouts=Timeouts(read=read),
    )
    client = CircleClient(account, clock=clock, budget=Budget(budget, clock=clock), emit=emit)
    try:
        yield client
    finally:
        await client.aclose()


async def new_set(client: CircleClient) -> UUID:
    made = await client.create_wallet_set(chain="ETH", key=uuid4(), name="customers")
    assert isinstance(made, WalletSetMade)
    return made.wallet_set_id


def order(wallet_set: UUID, *ref_ids: str, chain: str = "ETH") -> WalletOrder:
    known = resolve(chain, Environment.TEST)
    return WalletOrder(
        idempotency_key=uuid4(),
        wallet_set_id=wallet_set,
        blockchain=known.blockchain,
        account_type=known.account_type,
        members=tuple(OrderMember(ref_id=ref_id, name=f"wallet {ref_id}") for ref_id in ref_ids),
    )


def ids(result: object) -> dict[str, UUID]:
    assert isinstance(result, Fulfilled), result
    found = {ref: one.circle_wallet_id for ref, one in result.wallets.items() if isinstance(one, Live)}
    assert len(found) == len(result.wallets), result.wallets
    return found


@pytest.mark.parametrize("switches", READINGS)
async def test_orders_are_fulfilled_and_replayed_under_every_reading(
    tmp_path: Path, switches: Switches
) -> None:
    async with sandbox(tmp_path, switches=switches) as circle, connected(circle) as client:
        asked = order(await new_set(client), *(f"r{number}" for number in range(200)))
        made = ids(await client.fulfil(asked, chain="ETH", look_up_first=False))
        assert ids(await client.fulfil(asked, chain="ETH", look_up_first=False)) == made
        few = replace(asked, members=asked.members[:3])
        found = ids(await client.fulfil(few, chain="ETH", look_up_first=True))
        assert found.items() <= made.items()


@pytest.mark.parametrize("chain", ["ETH", "SOL", "APTOS", "NEAR", "EVM", "MATIC", "BASE", "ARC"])
async def test_every_familys_addresses_are_taken(tmp_path: Path, chain: str) -> None:
    async with sandbox(tmp_path) as circle, connected(circle) as client:
        asked = order(await new_set(client), *(f"r{number}" for number in range(50)), chain=chain)
        assert len(ids(await client.fulfil(asked, chain=chain, look_up_first=False))) == 50


@pytest.mark.parametrize("switches", READINGS)
async def test_a_key_used_for_another_order_leads_to_the_look_up(tmp_path: Path, switches: Switches) -> None:
    clock = ManualClock()
    async with sandbox(tmp_path, switches=switches) as circle, connected(circle, clock=clock) as client:
        first = order(await new_set(client), "a")
        made = ids(await client.fulfil(first, chain="ETH", look_up_first=False))
        second = replace(first, members=(*first.members, OrderMember(ref_id="b", name="b")))
        for missing, unproven in (((), ("b",)), (("b",), ())):
            refused = await client.fulfil(second, chain="ETH", look_up_first=False)
            assert isinstance(refused, KeyRefused)
            assert {ref: live.circle_wallet_id for ref, live in refused.found.items()} == made
            assert (refused.missing, refused.unproven) == (missing, unproven)
            clock.advance(refused.look_again_in)


async def test_where_a_used_key_gets_the_original_answer_no_foreign_wallet_is_taken(tmp_path: Path) -> None:
    switches = Switches(other_body_gets_original=True)
    async with sandbox(tmp_path, switches=switches) as circle, connected(circle) as client:
        first = order(await new_set(client), "a")
        await client.fulfil(first, chain="ETH", look_up_first=False)
        other = replace(first, members=(OrderMember(ref_id="b", name="b"),))
        result = await client.fulfil(other, chain="ETH", look_up_first=False)
        assert isinstance(result, Fulfilled)
        assert not isinstance(result.wallets["b"], Live)


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "cut", "when": "before"},
        {"kind": "cut", "when": "after"},
        {"kind": "status", "when": "before", "status": 500},
        {"kind": "status", "when": "after", "status": 503},
        {"kind": "latency", "when": "after", "for_ms": 3_600_000},
        {"kind": "hold", "when": "after", "gate": "a"},
        {"kind": "truncate", "keep": 0.5},
        {"kind": "truncate", "keep": 0},
        {"kind": "slow_body", "for_ms": 4000, "pieces": 2},
        {"kind": "malformed", "form": "torn"},
        {"kind": "malformed", "form": "page"},
        {"kind": "malformed", "form": "empty"},
        {"kind": "malformed", "form": "list"},
    ],
)
@pytest.mark.parametrize("look_up_first", [False, True])
async def test_after_an_ambiguous_end_there_is_one_wallet(
    tmp_path: Path, fault: dict[str, object], *, look_up_first: bool
) -> None:
    async with sandbox(tmp_path) as circle, connected(circle) as client:
        asked = order(await new_set(client), "a", "b")
        await circle.set_faults({**fault, "operation": "create_wallets", "times": 1})
        is_slow = error_type_of(fault) is ErrorType.TIMEOUT
        async with connected(circle, read=HASTY if is_slow else PATIENT) as first:
            failed = await first.fulfil(asked, chain="ETH", look_up_first=False)
        assert isinstance(failed, CallFailed)
        assert (failed.certainty, failed.error_type) == (Certainty.AMBIGUOUS, error_type_of(fault))
        made = ids(await client.fulfil(asked, chain="ETH", look_up_first=look_up_first))
        assert {wallet["refId"]: UUID(wallet["id"]) for wallet in await circle.wallets()} == made


def error_type_of(fault: dict[str, object]) -> ErrorType:
    match fault["kind"]:
        case "status":
            return ErrorType.CIRCLE_5XX
        case "latency" | "hold" | "slow_body":
            return ErrorType.TIMEOUT
        case "malformed" if fault["form"] == "list":
            return ErrorType.VALIDATION
        case _:
            return ErrorType.NETWORK


@pytest.mark.parametrize("kind", ["uniform_latency", "lognormal_latency", "pareto_latency"])
async def test_a_slow_answer_is_still_an_answer(tmp_path: Path, kind: str) -> None:
    spread: dict[str, dict[str, object]] = {
        "uniform_latency": {"to_ms": 40},
        "lognormal_latency": {"median_ms": 10, "at_most_ms": 40},
        "pareto_latency": {"at_least_ms": 5, "at_most_ms": 40},
    }
    async with sandbox(tmp_path) as circle, connected(circle) as client:
        asked = order(await new_set(client), "a")
        await circle.set_faults({"kind": kind, "when": "after", **spread[kind]})
        made = ids(await client.fulfil(asked, chain="ETH", look_up_first=False))
        assert ids(await client.fulfil(asked, chain="ETH", look_up_first=False)) == made


async def test_a_ciphertext_that_was_reused_is_replaced_and_makes_one_wallet(tmp_path: Path) -> None:
    async with sandbox(tmp_path) as circle, connected(circle) as client:
        asked = order(await new_set(client), "a")
        await circle.set_faults({"kind": "refuse", "code": 156004, "times": 2, "operation": "create_wallets"})
        made = ids(await client.fulfil(asked, chain="ETH", look_up_first=False))
        assert [UUID(wallet["id"]) for wallet in await circle.wallets()] == list(made.values())


@pytest.mark.parametrize(
    ("kind", "look_up_first"), [("expire_keys", False), ("expire_keys", True), ("forget_keys", True)]
)
async def test_an_expired_or_forgotten_key_makes_no_second_wallet(
    tmp_path: Path, kind: str, *, look_up_first: bool
) -> None:
    async with sandbox(tmp_path) as circle, connected(circle) as client:
        asked = order(await new_set(client), "a", "b")
        made = ids(await client.fulfil(asked, chain="ETH", look_up_first=False))
        await circle.set_faults({"kind": kind})
        assert ids(await client.fulfil(asked, chain="ETH", look_up_first=look_up_first)) == made
        assert len(await circle.wallets()) == 2


async def test_an_expired_key_makes_no_second_wallet_where_it_is_looked_up_first(tmp_path: Path) -> None:
    clock = ManualClock()
    switches = Switches(key_life=timedelta(minutes=10))
    async with sandbox(tmp_path, clock=clock, switches=switches) as circle, connected(circle) as client:
        asked = order(await new_set(client), "a")
        made = ids(await client.fulfil(asked, chain="ETH", look_up_first=False))
        clock.advance(timedelta(hours=1))
        assert ids(await client.fulfil(asked, chain="ETH", look_up_first=True)) == made
        assert len(await circle.wallets()) == 1


async def test_a_rate_limit_without_a_delay_is_waited_out(tmp_path: Path) -> None:
    switches = Switches(retry_after=RetryAfter.NONE)
    async with sandbox(tmp_path, switches=switches) as circle, connected(circle) as client:
        asked = order(await new_set(client), "a")
        await circle.set_faults({"kind": "rate_limit", "retry_after_ms": 5000, "times": 1})
        ids(await client.fulfil(asked, chain="ETH", look_up_first=False))


@pytest.mark.parametrize("retry_after", [RetryAfter.SECONDS, RetryAfter.DATE])
async def test_a_rate_limit_may_come_with_a_delay(tmp_path: Path, retry_after: RetryAfter) -> None:
    switches = Switches(retry_after=retry_after)
    async with sandbox(tmp_path, switches=switches) as circle, connected(circle) as client:
        asked = order(await new_set(client), "a")
        await circle.set_faults({"kind": "rate_limit", "retry_after_ms": 5000, "times": 1})
        failed = await client.fulfil(asked, chain="ETH", look_up_first=False)
        assert isinstance(failed, CallFailed)
        assert failed.error_type is ErrorType.CIRCLE_RATE_LIMIT
        assert failed.retry_after is not None
        assert failed.retry_after > timedelta(seconds=3)


async def test_within_the_budget_circles_limits_are_never_met(tmp_path: Path) -> None:
    events: list[Event] = []
    async with (
        sandbox(tmp_path, rate_limits=True) as circle,
        connected(circle, BudgetOptions(), emit=events.append) as client,
    ):
        wallet_set = await new_set(client)
        makes = [
            client.fulfil(order(wallet_set, f"r{number}", chain=chain), chain=chain, look_up_first=False)
            for chain in ("ETH", "SOL", "APTOS")
            for number in range(12)
        ]
        checks = [client.check_wallet_set(wallet_set) for _ in range(60)]
        for result in await asyncio.gather(*makes, *checks):
            assert result is None or ids(result)
    outcomes = {event.outcome for event in events if isinstance(event, CircleCalled)}
    assert outcomes == {"success"}


async def test_another_entity_secret_is_an_error_of_the_configuration(tmp_path: Path) -> None:
    async with (
        sandbox(tmp_path, entity_secret=SECRET) as circle,
        connected(circle, secret="00" * 32) as client,
    ):
        failed = await client.create_wallet_set(chain="ETH", key=uuid4(), name="customers")
        assert isinstance(failed, CallFailed)
        assert (failed.code, failed.is_configuration) == (156013, True)


async def test_checks_pass_at_the_sandbox(tmp_path: Path) -> None:
    async with sandbox(tmp_path) as circle, connected(circle) as client:
        assert await client.ping() is None
        assert await client.check_access() is None
        assert await client.check_wallet_set(await new_set(client)) is None
        unknown = await client.check_wallet_set(uuid4())
        assert isinstance(unknown, CallFailed)
        assert unknown.code == 156005


async def test_a_mainnet_is_refused_to_a_test_key_as_an_error_of_the_configuration(tmp_path: Path) -> None:
    async with sandbox(tmp_path) as circle, connected(circle) as client:
        mainnet = replace(order(await new_set(client), "a"), blockchain="ETH", account_type=AccountType.SCA)
        failed = await client.fulfil(mainnet, chain="ETH", look_up_first=False)
        assert isinstance(failed, CallFailed)
        assert (failed.code, failed.is_configuration, failed.certainty) == (156006, True, Certainty.REFUSED)
