"""The client against a strict Circle over real sockets: what it does about everything that can go wrong."""

import asyncio
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from aiohttp import web

from tests.support_circle import (
    API_KEY,
    CREATE,
    CREATE_SET,
    ENTITY_SECRET,
    FIND,
    PUBLIC_KEY,
    WALLET_SET,
    Act,
    Json,
    Proceed,
    StrictCircle,
    alter,
    cut,
    cut_after_commit,
    hang,
    refuse,
    refuse_after_commit,
    say,
    truncate,
)
from wallet_provisioning.clock import SystemClock
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
from wallet_provisioning.http.circle.budget import Budget, BudgetOptions, Kind, NoTurn, Turn
from wallet_provisioning.http.circle.calls import Allowance, Parts
from wallet_provisioning.http.circle.client import CircleClient
from wallet_provisioning.http.circle.lookup import PROVEN_AFTER
from wallet_provisioning.jobs.errors import ErrorType
from wallet_provisioning.jobs.outcomes import Failed, Live
from wallet_provisioning.telemetry.events import CircleCalled, CircleRetried, Event

EMPTY = say(b'{"data":{"wallets":[]}}')
SHORT = timedelta(seconds=0.2)
WIDE = BudgetOptions(wallets=1000, posts=1000, gets=1000)
QUICK = Timeouts(connect=timedelta(seconds=2), read=timedelta(seconds=0.2), write=timedelta(seconds=2))


@dataclass
class Bench:
    """A client at a strict Circle, and what it told."""

    circle: StrictCircle
    client: CircleClient = field(init=False)
    events: list[Event] = field(default_factory=list)
    pauses: list[float] = field(default_factory=list)

    def calls(self) -> list[CircleCalled]:
        return [event for event in self.events if isinstance(event, CircleCalled)]

    async def create(self, *ref_ids: str, key: UUID | None = None) -> Fulfilled | KeyRefused | CallFailed:
        return await self.fulfil(order(*ref_ids, key=key))

    async def fulfil(
        self, asked: WalletOrder, *, look_up_first: bool = False
    ) -> Fulfilled | KeyRefused | CallFailed:
        return await self.client.fulfil(asked, chain="ETH", look_up_first=look_up_first)


def order(*ref_ids: str, key: UUID | None = None) -> WalletOrder:
    return WalletOrder(
        idempotency_key=key or uuid4(),
        wallet_set_id=WALLET_SET,
        blockchain="ETH-SEPOLIA",
        account_type="SCA",
        members=tuple(OrderMember(ref_id=ref_id, name=f"name of {ref_id}") for ref_id in ref_ids),
    )


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    async with StrictCircle() as circle, asyncio.timeout(20):
        bench = make_bench(circle)
        yield bench
        await bench.client.aclose()


def make_bench(
    circle: StrictCircle,
    *,
    base_url: str = "",
    api_key: str = API_KEY,
    budget: Allowance | None = None,
    turn: timedelta = QUICK.turn,
) -> Bench:
    bench = Bench(circle=circle)
    clock = SystemClock()

    async def pause(seconds: float) -> None:
        bench.pauses.append(seconds)

    bench.client = CircleClient(
        Account(
            base_url=base_url or circle.base_url,
            api_key=api_key,
            entity_secret=ENTITY_SECRET,
            timeouts=replace(QUICK, turn=turn),
        ),
        clock=clock,
        budget=budget or Budget(WIDE, clock=clock),
        emit=bench.events.append,
        parts=Parts(sleep=pause),
    )
    return bench


def lives(result: object) -> dict[str, Live]:
    assert isinstance(result, Fulfilled), result
    found = {ref_id: one for ref_id, one in result.wallets.items() if isinstance(one, Live)}
    assert len(found) == len(result.wallets), result.wallets
    return found


def failure(result: object) -> CallFailed:
    assert isinstance(result, CallFailed), result
    return result


async def test_an_order_becomes_wallets(bench: Bench) -> None:
    result = await bench.create("a", "b")
    made = lives(result)
    ids = {wallet["refId"]: UUID(wallet["id"]) for wallet in bench.circle.wallets}
    assert {ref_id: live.circle_wallet_id for ref_id, live in made.items()} == ids
    assert not made["a"].adopted
    assert isinstance(result, Fulfilled)
    assert result.circle_request_id == made["a"].circle_request_id == "circle-2"


async def test_two_hundred_wallets_come_of_one_call(bench: Bench) -> None:
    made = lives(await bench.create(*(f"r{number}" for number in range(200))))
    assert len({live.circle_wallet_id for live in made.values()}) == 200
    assert len(bench.circle.requests(CREATE)) == 1


async def test_a_replay_is_the_same_wallet(bench: Bench) -> None:
    asked = order("a")
    assert (
        lives(await bench.fulfil(asked))["a"].circle_wallet_id
        == lives(await bench.fulfil(asked))["a"].circle_wallet_id
    )
    assert [call.http_status for call in bench.calls()][1:] == [201, 200]


async def test_each_request_has_an_id_of_its_own_and_the_answers_is_kept(bench: Bench) -> None:
    await bench.create("a")
    await bench.create("b")
    sent = [UUID(seen.headers["X-Request-Id"]) for seen in bench.circle.seen]
    assert len(set(sent)) == 3
    assert [call.request_id for call in bench.calls()] == ["circle-1", "circle-2", "circle-3"]


async def test_every_call_is_told_with_what_it_was_and_how_it_ended(bench: Bench) -> None:
    bench.circle.next(CREATE, refuse(400, 155507))
    await bench.create("a", "b", "c")
    key, create = bench.calls()
    assert (key.operation, key.outcome, key.http_status) == ("get_public_key", "success", 200)
    assert (create.operation, create.outcome, create.code) == ("create_wallet", "circle_4xx", 155507)
    assert (create.chain, create.wallets, create.http_status) == ("ETH", 3, 400)
    assert create.duration > timedelta()
    assert create.message == "HTTP 400, code 155507: by order of the test"


async def test_a_reused_ciphertext_is_replaced_at_once_under_the_same_key(bench: Bench) -> None:
    bench.circle.next(CREATE, *[refuse(409, 156004)] * 3)
    lives(await bench.create("a"))
    bodies = [seen.body or {} for seen in bench.circle.requests(CREATE)]
    assert len(bodies) == 4
    assert len({body["entitySecretCiphertext"] for body in bodies}) == 4
    assert len({body["idempotencyKey"] for body in bodies}) == 1
    assert bench.pauses == []


async def test_a_ciphertext_that_stays_reused_is_a_refusal(bench: Bench) -> None:
    bench.circle.next(CREATE, *[refuse(409, 156004)] * 9)
    failed = failure(await bench.create("a"))
    assert (failed.code, failed.certainty) == (156004, Certainty.REFUSED)
    assert len(bench.circle.requests(CREATE)) == 4


async def test_circles_unknown_error_is_tried_once_more_and_stays_ambiguous(bench: Bench) -> None:
    bench.circle.next(CREATE, refuse(400, -1), refuse(400, 2))
    failed = failure(await bench.create("a"))
    assert (failed.code, failed.certainty) == (2, Certainty.AMBIGUOUS)
    bench.circle.next(CREATE, refuse(400, -1))
    lives(await bench.create("b"))


async def test_a_server_error_is_not_tried_again_whatever_its_code(bench: Bench) -> None:
    bench.circle.next(CREATE, refuse(500, -1))
    assert failure(await bench.create("a")).error_type is ErrorType.CIRCLE_5XX
    assert len(bench.circle.requests(CREATE)) == 1


async def test_a_rotated_public_key_is_fetched_again(bench: Bench) -> None:
    lives(await bench.create("a"))
    bench.circle.rotate()
    lives(await bench.create("b"))
    assert len(bench.circle.requests(PUBLIC_KEY)) == 2
    lives(await bench.create("c"))
    assert len(bench.circle.requests(PUBLIC_KEY)) == 2


@pytest.mark.parametrize("code", [156013, 156019])
async def test_a_secret_that_is_refused_under_the_same_public_key_is_wrong(bench: Bench, code: int) -> None:
    bench.circle.next(CREATE, *[refuse(400, code)] * 5)
    failed = failure(await bench.create("a"))
    assert failed.is_configuration
    assert len(bench.circle.requests(CREATE)) == 1
    assert len(bench.circle.requests(PUBLIC_KEY)) == 2


async def test_without_a_public_key_nothing_is_sent(bench: Bench) -> None:
    bench.circle.next(PUBLIC_KEY, cut, refuse(503), say(b'{"data":{"publicKey":"?"}}'))
    for error_type in [ErrorType.NETWORK, ErrorType.CIRCLE_5XX, ErrorType.VALIDATION]:
        failed = failure(await bench.create("a"))
        assert (failed.error_type, failed.certainty) == (error_type, Certainty.NOT_SENT)
    assert bench.circle.requests(CREATE) == []


async def test_a_wrong_api_key_is_an_error_of_the_configuration(bench: Bench) -> None:
    stranger = make_bench(bench.circle, api_key="TEST_API_KEY:some:one-else")
    failed = failure(await stranger.create("a"))
    assert (failed.error_type, failed.is_configuration) == (ErrorType.CIRCLE_4XX, True)
    await stranger.client.aclose()


@pytest.mark.parametrize(
    ("act", "error_type"),
    [
        (cut, ErrorType.NETWORK),
        (cut_after_commit, ErrorType.NETWORK),
        (truncate, ErrorType.NETWORK),
        (say(b'{"data": {"wal'), ErrorType.NETWORK),
        (say(b"<html>welcome</html>"), ErrorType.NETWORK),
        (say(b"", 204), ErrorType.NETWORK),
        (say(b"", 302), ErrorType.NETWORK),
        (hang, ErrorType.TIMEOUT),
        (refuse(500), ErrorType.CIRCLE_5XX),
        (refuse_after_commit(502), ErrorType.CIRCLE_5XX),
        (alter(lambda data: data.pop("wallets")), ErrorType.VALIDATION),
    ],
)
async def test_an_uncertain_end_is_ambiguous_and_the_same_order_heals_it(
    bench: Bench, act: Act, error_type: ErrorType
) -> None:
    bench.circle.next(CREATE, act)
    asked = order("a", "b")
    failed = failure(await bench.fulfil(asked))
    assert (failed.error_type, failed.certainty) == (error_type, Certainty.AMBIGUOUS)
    assert failed.circle_request_id
    lives(await bench.fulfil(asked))
    assert len(bench.circle.wallets) == 2


async def test_a_refused_connection_was_surely_not_used(bench: Bench) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        away = make_bench(bench.circle, base_url=f"http://127.0.0.1:{taken.getsockname()[1]}")
        failed = failure(await away.client.ping())
        assert (failed.error_type, failed.certainty) == (ErrorType.NETWORK, Certainty.NOT_SENT)
        assert "no connection to Circle" in failed.message
        await away.client.aclose()


async def test_an_unknown_host_and_a_failed_handshake_were_surely_not_used(bench: Bench) -> None:
    for base_url in ["http://circle.invalid", bench.circle.base_url.replace("http:", "https:")]:
        away = make_bench(bench.circle, base_url=base_url)
        failed = failure(await away.client.ping())
        assert (failed.error_type, failed.certainty) == (ErrorType.NETWORK, Certainty.NOT_SENT)
        await away.client.aclose()


async def test_a_rate_limit_with_a_long_delay_is_a_refusal_and_stops_all_calls(bench: Bench) -> None:
    bench.circle.next(CREATE, refuse(429, 5, Retry_After="7"))
    failed = failure(await bench.create("a"))
    assert (failed.error_type, failed.certainty) == (ErrorType.CIRCLE_RATE_LIMIT, Certainty.REFUSED)
    assert failed.retry_after == timedelta(seconds=7)
    for other in (await bench.create("b"), await bench.client.check_wallet_set(WALLET_SET)):
        unsent = failure(other)
        assert (unsent.error_type, unsent.certainty) == (ErrorType.CIRCLE_RATE_LIMIT, Certainty.NOT_SENT)
        assert unsent.retry_after is not None
        assert timedelta(seconds=3) < unsent.retry_after <= timedelta(seconds=7)
    assert len(bench.circle.requests(CREATE)) == 1


async def test_a_short_rate_limit_is_waited_out_under_a_fresh_ciphertext(bench: Bench) -> None:
    bench.circle.next(CREATE, refuse(429, 5, Retry_After="0"))
    lives(await bench.create("a"))
    first, second = bench.circle.requests(CREATE)
    assert first.body is not None
    assert second.body is not None
    assert first.body["idempotencyKey"] == second.body["idempotencyKey"]
    assert first.body["entitySecretCiphertext"] != second.body["entitySecretCiphertext"]
    retried = [event for event in bench.events if isinstance(event, CircleRetried)]
    assert [(event.operation, event.why, event.allowed) for event in retried] == [
        ("create_wallet", "circle_rate_limit", True)
    ]


async def test_a_call_that_was_refused_stays_so_though_its_repeat_gets_no_turn(bench: Bench) -> None:
    bench.circle.next(CREATE, refuse(429, 5, Retry_After="0"))
    patient = await bench.client.check_wallet_set(WALLET_SET)
    assert patient is None
    own = make_bench(bench.circle, budget=Budget(BudgetOptions(wallets=1), clock=SystemClock()), turn=SHORT)
    failed = failure(await own.create("a"))
    assert (failed.certainty, failed.http_status) == (Certainty.REFUSED, 429)
    assert len(bench.circle.requests(CREATE)) == 1
    await own.client.aclose()


async def test_gates_are_waited_out_for_five_seconds_at_most(bench: Bench) -> None:
    bench.circle.next(CREATE, *[refuse(429, 5, Retry_After="3")] * 3)
    failed = failure(await bench.create("a"))
    assert failed.error_type is ErrorType.CIRCLE_RATE_LIMIT
    assert len(bench.circle.requests(CREATE)) == 2


async def test_a_set_that_circle_does_not_know_is_a_wrong_configuration(bench: Bench) -> None:
    asked = order("a")
    for act, look_up_first in ((CREATE, False), (FIND, True)):
        bench.circle.next(act, refuse(404, 156005))
        failed = failure(await bench.fulfil(asked, look_up_first=look_up_first))
        assert failed.is_configuration
        assert f"no wallet set {WALLET_SET}" in failed.message
        assert "DATABASE_URL" in failed.message


async def test_a_look_up_waits_a_rate_limit_out_too(bench: Bench) -> None:
    asked = order("a")
    made = lives(await bench.fulfil(asked))["a"]
    bench.circle.next(FIND, refuse(429, Retry_After="0"))
    found = lives(await bench.fulfil(asked, look_up_first=True))["a"]
    assert found.circle_wallet_id == made.circle_wallet_id


async def test_calls_that_are_repeated_too_often_end_with_their_error(bench: Bench) -> None:
    bench.circle.next(CREATE, *[refuse(429, 5, Retry_After="0")] * 30)
    failed = failure(await bench.create("a"))
    assert failed.error_type is ErrorType.CIRCLE_RATE_LIMIT
    retried = [event for event in bench.events if isinstance(event, CircleRetried)]
    assert [event.allowed for event in retried] == [True] * 10 + [False]


async def test_a_call_that_gets_no_turn_in_time_was_never_sent(bench: Bench) -> None:
    budget = Budget(BudgetOptions(gets=1), clock=SystemClock())
    own = make_bench(bench.circle, budget=budget, turn=timedelta(seconds=0.05))
    assert await own.client.check_wallet_set(WALLET_SET) is None
    unsent = failure(await own.client.check_wallet_set(WALLET_SET))
    assert (unsent.error_type, unsent.certainty) == (ErrorType.CIRCLE_RATE_LIMIT, Certainty.NOT_SENT)
    assert unsent.retry_after is None
    assert budget.waiting(Kind.GETS) == 0
    await own.client.aclose()


async def test_a_wrong_member_fails_alone(bench: Bench) -> None:
    def spoil(data: Json) -> None:
        wrong = next(wallet for wallet in data["wallets"] if wallet["refId"] == "b")
        wrong["blockchain"] = "SOL"

    bench.circle.next(CREATE, alter(spoil))
    result = await bench.create("a", "b", "c")
    assert isinstance(result, Fulfilled)
    wrong = result.wallets["b"]
    assert isinstance(wrong, Failed)
    assert wrong.error_type is ErrorType.VALIDATION
    assert "blockchain" in wrong.message
    assert isinstance(result.wallets["a"], Live)
    assert isinstance(result.wallets["c"], Live)


async def test_a_refused_key_whose_wallets_exist_is_fulfilled_by_look_up(bench: Bench) -> None:
    key = uuid4()
    made = lives(await bench.create("a", "b", key=key))
    found = lives(await bench.create("b", "a", key=key))
    assert {ref_id: live.circle_wallet_id for ref_id, live in found.items()} == {
        ref_id: live.circle_wallet_id for ref_id, live in made.items()
    }
    assert all(live.adopted for live in found.values())
    assert bench.pauses == []


async def test_a_refused_key_tells_what_is_found_and_what_one_look_up_lacks(bench: Bench) -> None:
    key = uuid4()
    await bench.create("a", key=key)
    result = await bench.create("a", "b", "c", key=key)
    assert isinstance(result, KeyRefused)
    assert set(result.found) == {"a"}
    assert (result.missing, result.unproven) == ((), ("b", "c"))
    assert timedelta() < result.look_again_in <= PROVEN_AFTER
    assert result.circle_request_id
    assert len(bench.circle.requests(FIND)) == 3
    assert bench.pauses == []


async def test_a_list_that_lags_is_asked_again(bench: Bench) -> None:
    key = uuid4()
    await bench.create("a", key=key)
    changed = replace(order("a", key=key), members=(OrderMember(ref_id="a", name="another name"),))
    bench.circle.next(FIND, EMPTY)
    assert isinstance(await bench.fulfil(changed), KeyRefused)
    assert lives(await bench.fulfil(changed))["a"].adopted


async def test_a_refused_key_whose_look_up_fails_stays_ambiguous(bench: Bench) -> None:
    key = uuid4()
    await bench.create("a", key=key)
    bench.circle.next(FIND, refuse(401, 401), refuse(401, 401))
    failed = failure(await bench.create("a", "b", key=key))
    assert (failed.code, failed.certainty) == (401, Certainty.AMBIGUOUS)


async def test_a_wrong_look_up_answer_is_neither_found_nor_missing(bench: Bench) -> None:
    key = uuid4()
    await bench.create("a", key=key)
    bench.circle.next(FIND, alter(lambda data: data["wallets"][0].update(state="FROZEN")))
    result = await bench.create("a", "b", key=key)
    assert isinstance(result, KeyRefused)
    assert (dict(result.found), result.unproven, set(result.failed)) == ({}, ("b",), {"a"})


async def test_looking_up_first_adopts_without_creating(bench: Bench) -> None:
    asked = order("a", "b")
    made = lives(await bench.fulfil(asked))
    bench.circle.forget_keys()
    found = lives(await bench.fulfil(asked, look_up_first=True))
    assert [live.circle_wallet_id for live in found.values()] == [
        live.circle_wallet_id for live in made.values()
    ]
    assert len(bench.circle.wallets) == 2
    assert len(bench.circle.requests(CREATE)) == 1


async def test_looking_up_first_sends_the_same_order_where_nothing_is_found_twice(bench: Bench) -> None:
    asked = order("a")
    assert not lives(await bench.fulfil(asked, look_up_first=True))["a"].adopted
    assert len(bench.circle.requests(FIND)) == 2
    body = bench.circle.requests(CREATE)[0].body or {}
    assert body["idempotencyKey"] == str(asked.idempotency_key)


async def test_looking_up_first_takes_a_lagging_lists_second_word(bench: Bench) -> None:
    asked = order("a")
    await bench.fulfil(asked)
    bench.circle.forget_keys()
    bench.circle.next(FIND, EMPTY)
    assert lives(await bench.fulfil(asked, look_up_first=True))["a"].adopted
    assert len(bench.circle.wallets) == 1


async def test_an_expired_key_that_makes_a_second_wallet_is_reported(bench: Bench) -> None:
    asked = order("a", "b")
    made = lives(await bench.fulfil(asked))
    bench.circle.forget_keys()
    bench.circle.wallets = [wallet for wallet in bench.circle.wallets if wallet["refId"] == "a"]
    result = await bench.fulfil(asked, look_up_first=True)
    kept = lives(result)
    assert isinstance(result, Fulfilled)
    assert kept["a"].circle_wallet_id == made["a"].circle_wallet_id
    assert kept["a"].adopted
    assert not kept["b"].adopted
    assert [pair.kept for pair in result.duplicates] == [made["a"].circle_wallet_id]


async def test_a_look_up_that_fails_first_sends_nothing_and_stays_ambiguous(bench: Bench) -> None:
    bench.circle.next(FIND, refuse(400, 2))
    failed = failure(await bench.fulfil(order("a"), look_up_first=True))
    assert failed.certainty is Certainty.AMBIGUOUS
    assert bench.circle.requests(CREATE) == []


async def test_of_several_wallets_the_oldest_is_adopted_and_the_rest_told(bench: Bench) -> None:
    newer = bench.circle.add_wallet(refId="a", createDate="2026-02-01T00:00:00Z")
    older = bench.circle.add_wallet(refId="a", createDate="2026-01-01T00:00:00Z")
    bench.circle.add_wallet(refId="a", blockchain="ETH")
    bench.circle.add_wallet(refId="a", walletSetId=str(uuid4()))
    result = await bench.fulfil(order("a"), look_up_first=True)
    assert lives(result)["a"].circle_wallet_id == UUID(older["id"])
    assert isinstance(result, Fulfilled)
    assert [pair.duplicate for pair in result.duplicates] == [UUID(newer["id"])]


async def test_the_wallet_set_is_made_once_under_its_key(bench: Bench) -> None:
    key = uuid4()
    first = await bench.client.create_wallet_set(chain="ETH", key=key, name="customers")
    again = await bench.client.create_wallet_set(chain="ETH", key=key, name="customers")
    assert isinstance(first, WalletSetMade)
    assert isinstance(again, WalletSetMade)
    assert (first.wallet_set_id, first.is_new, again.wallet_set_id, again.is_new) == (
        WALLET_SET,
        True,
        WALLET_SET,
        False,
    )
    assert failure(await bench.client.create_wallet_set(chain="ETH", key=key, name="other")).code == 156020


async def test_a_wallet_set_too_gets_a_fresh_ciphertext(bench: Bench) -> None:
    bench.circle.next(CREATE_SET, refuse(409, 156004))
    made = await bench.client.create_wallet_set(chain="ETH", key=uuid4(), name="customers")
    assert isinstance(made, WalletSetMade)


async def test_checks_pass_where_all_is_well(bench: Bench) -> None:
    assert await bench.client.ping() is None
    assert await bench.client.check_access() is None
    assert await bench.client.check_wallet_set(WALLET_SET) is None
    ping = bench.circle.requests("GET /ping")[0]
    assert "Authorization" not in ping.headers


async def test_an_unknown_wallet_set_is_told(bench: Bench) -> None:
    failed = failure(await bench.client.check_wallet_set(uuid4()))
    assert (failed.code, failed.http_status) == (156005, 404)


class Ledger(Budget):
    """A wide budget that writes down what was taken."""

    def __init__(self) -> None:
        super().__init__(WIDE, clock=SystemClock())
        self.taken: list[Kind] = []

    async def take(
        self, kind: Kind, *, chain: str = "-", size: int = 0, background: bool = False
    ) -> Turn | NoTurn:
        self.taken.append(kind)
        return await super().take(kind, chain=chain, size=size, background=background)


async def test_calls_wait_for_their_turn_in_the_budget(bench: Bench) -> None:
    ledger = Ledger()
    own = make_bench(bench.circle, budget=ledger)
    await own.client.create_wallet_set(chain="ETH", key=uuid4(), name="customers")
    await own.create("a")
    assert ledger.taken == [Kind.GETS, Kind.POSTS, Kind.WALLETS]
    await own.client.aclose()


async def test_a_chain_has_five_calls_under_way_and_the_rest_take_no_turn_yet(bench: Bench) -> None:
    arrived = asyncio.Semaphore(0)
    gate = asyncio.Event()

    async def hold(_request: web.Request, proceed: Proceed) -> web.StreamResponse:
        arrived.release()
        await gate.wait()
        return await proceed()

    ledger = Ledger()
    own = make_bench(bench.circle, budget=ledger)
    bench.circle.next(CREATE, *[hold] * 12)
    calls = [asyncio.create_task(own.create(f"r{number}")) for number in range(12)]
    for _ in range(5):
        await arrived.acquire()
    await own.client.check_wallet_set(WALLET_SET)
    assert ledger.taken.count(Kind.WALLETS) == 5
    gate.set()
    for result in await asyncio.gather(*calls):
        lives(result)
    await own.client.aclose()


async def test_a_cancelled_call_leaves_its_place_to_the_next(bench: Bench) -> None:
    arrived = asyncio.Semaphore(0)

    async def arrive(request: web.Request, proceed: Proceed) -> web.StreamResponse:
        arrived.release()
        return await hang(request, proceed)

    bench.circle.next(CREATE, *[arrive] * 5)
    calls = [asyncio.create_task(bench.create(f"r{number}")) for number in range(5)]
    for _ in calls:
        await arrived.acquire()
    for call in calls:
        call.cancel()
    await asyncio.wait(calls)
    lives(await bench.create("next"))
