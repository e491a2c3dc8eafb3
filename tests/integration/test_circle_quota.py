"""The budget of many daemons over a real Valkey: what the script grants, and what daemons make of it."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
import redis.asyncio

from tests.servers import RedisServer
from wallet_provisioning.clock import SystemClock
from wallet_provisioning.http.circle.budget import Budget, BudgetOptions, Kind, NoTurn, Turn
from wallet_provisioning.quota.pool import Granted, PoolOptions, RedisPool
from wallet_provisioning.telemetry.events import BudgetShared, BudgetSplit, Event

OPTIONS = BudgetOptions(wallets=10, posts=5, gets=20)


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    with RedisServer() as server:
        yield server


@dataclass
class Member:
    """One daemon as the pool sees it."""

    pool: RedisPool
    number: int = 0

    async def ask(
        self,
        want: int,
        *,
        limit: int = 10,
        daemons: int = 1,
        frees: list[tuple[str, float]] | None = None,
        refused: float | None = None,
    ) -> Granted:
        granted = await self.pool.exchange(
            "wallets", limit=limit, want=want, daemons=daemons, frees=frees or [], refused=refused
        )
        assert granted is not None
        return granted


@dataclass
class Pools:
    """Pools of one account, each with a connection of its own."""

    url: str
    account: str = field(default_factory=lambda: uuid4().hex)
    opened: list[RedisPool] = field(default_factory=list)

    def pool(self, lifetime: float = 3.5) -> RedisPool:
        options = PoolOptions(
            url=self.url, account=self.account, daemon=uuid4(), lifetime=timedelta(seconds=lifetime)
        )
        self.opened.append(RedisPool(options))
        return self.opened[-1]

    def member(self, lifetime: float = 3.5) -> Member:
        return Member(self.pool(lifetime))


@pytest.fixture
async def pools(server: RedisServer) -> AsyncIterator[Pools]:
    pools = Pools(server.url)
    async with asyncio.timeout(60):
        yield pools
    for pool in pools.opened:
        await pool.aclose()


async def test_no_more_is_granted_than_the_limit(pools: Pools) -> None:
    one, two = pools.member(), pools.member()
    assert len((await one.ask(8)).tokens) == 8
    assert len((await two.ask(8)).tokens) == 2
    none = await one.ask(1)
    assert none.tokens == ()
    assert 0 < none.retry_in <= 3.5


async def test_a_place_is_free_when_its_daemon_says_so(pools: Pools) -> None:
    one = pools.member()
    tokens = (await one.ask(10)).tokens
    later = await one.ask(1, frees=[(tokens[0], 0.05)])
    assert later.tokens == ()
    assert later.retry_in <= 0.05
    await asyncio.sleep(later.retry_in + 0.001)
    assert len((await one.ask(2)).tokens) == 1


async def test_a_token_that_was_not_used_is_free_at_once(pools: Pools) -> None:
    one = pools.member()
    tokens = (await one.ask(10)).tokens
    assert len((await one.ask(3, frees=[(token, -0.1) for token in tokens[:2]])).tokens) == 2


async def test_the_places_of_a_daemon_that_died_free_themselves(pools: Pools) -> None:
    dead, other = pools.member(lifetime=0.1), pools.member()
    assert len((await dead.ask(10)).tokens) == 10
    await asyncio.sleep((await other.ask(10)).retry_in + 0.001)
    assert len((await other.ask(10)).tokens) == 10


async def test_a_daemon_that_took_everything_gives_way_to_one_that_waits(pools: Pools) -> None:
    greedy, other = pools.member(), pools.member()
    tokens = list((await greedy.ask(10)).tokens)
    assert (await other.ask(10)).tokens == ()
    had = 0
    for token in tokens:
        assert (await greedy.ask(10, frees=[(token, 0)])).tokens == () or had >= 5
        had += len((await other.ask(10 - had)).tokens)
    assert had == 5


async def test_what_one_does_not_want_the_other_may_have(pools: Pools) -> None:
    busy, idle = pools.member(), pools.member()
    assert len((await busy.ask(9)).tokens) == 9
    assert len((await idle.ask(1)).tokens) == 1
    more = pools.member()
    assert (await more.ask(1)).tokens == ()


async def test_of_more_daemons_than_places_each_gets_one_in_its_turn(pools: Pools) -> None:
    members = [pools.member(lifetime=0.05) for _ in range(7)]
    served: set[UUID] = set()
    while len(served) < len(members):
        for number, member in enumerate(members):
            if UUID(int=number) not in served and (await member.ask(1, limit=3)).tokens:
                served.add(UUID(int=number))
        await asyncio.sleep(0.01)


async def test_a_refusal_is_known_to_all_daemons_of_the_account(pools: Pools, server: RedisServer) -> None:
    one, two = pools.member(), pools.member()
    await one.ask(0, refused=30.0)
    told = await two.ask(1)
    assert told.tokens == ()
    assert 29 < told.gate <= 30
    assert told.retry_in == told.gate
    assert told.share == 0.5
    other = Pools(server.url)
    assert len((await other.member().ask(10)).tokens) == 10
    await other.opened[0].aclose()


async def test_refusals_halve_the_pace_once_a_window(pools: Pools) -> None:
    one = pools.member()
    await one.ask(0, refused=0.0)
    await one.ask(0, refused=0.0)
    assert (await one.ask(0)).share < 0.6
    assert len((await one.ask(10)).tokens) == 5


async def test_what_the_pool_forgot_is_held_when_it_is_told(pools: Pools) -> None:
    one, two = pools.member(), pools.member()
    await one.ask(0, frees=[(f"own-{number}", 5.0) for number in range(8)])
    assert len((await two.ask(10)).tokens) == 2


async def test_a_pool_that_has_just_forgotten_gives_each_its_equal_share(pools: Pools) -> None:
    one, two = pools.member(), pools.member()
    assert len((await one.ask(10, daemons=2)).tokens) == 5
    assert len((await two.ask(10, daemons=2)).tokens) == 5


async def test_it_leaves_nothing_behind_for_ever(pools: Pools, server: RedisServer) -> None:
    await pools.member().ask(1)
    client = redis.asyncio.Redis.from_url(server.url)
    keys = [key async for key in client.scan_iter(f"*{pools.account}*")]
    assert len(keys) >= 2
    assert all([0 < await client.ttl(key) <= 3600 for key in keys])
    await client.aclose()


async def test_a_server_that_is_away_is_told_as_none() -> None:
    pool = RedisPool(PoolOptions(url="redis://127.0.0.1:1/0", account="a", daemon=uuid4()))
    assert await pool.exchange("wallets", limit=1, want=1, daemons=1, frees=[], refused=None) is None
    await pool.aclose()


# Whole budgets.


@dataclass
class Account:
    """The account at Circle: when it counted each call, and by whom it was made."""

    counted: list[tuple[float, int]] = field(default_factory=list)
    arrived: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(0))

    def count(self, number: int) -> None:
        self.counted.append((SystemClock().seconds(), number))
        self.arrived.release()

    def most_in_a_second(self, *numbers: int) -> int:
        """Return how many calls there were in any second, of all daemons or of these."""
        times = sorted(at for at, number in self.counted if not numbers or number in numbers)
        return max(sum(one <= other < one + 1 for other in times) for one in times)

    def made_by(self, number: int) -> int:
        return sum(who == number for _, who in self.counted)


@dataclass
class Daemon:
    """A budget of its own and callers that make one call after the other until they are told to stop."""

    number: int
    account: Account
    budget: Budget
    events: list[Event]

    async def call_until(self, end: asyncio.Event) -> None:
        while not end.is_set():
            turn = await self.budget.take(Kind.WALLETS)
            assert isinstance(turn, Turn)
            self.account.count(self.number)
            try:
                await asyncio.sleep(0.005)
            finally:
                turn.went_well()

    def told(self, kind: type[Event]) -> bool:
        return any(isinstance(event, kind) for event in self.events)


@asynccontextmanager
async def daemons(pools: Pools, many: int, *, count: int = 1) -> AsyncIterator[list[Daemon]]:
    account, opened = Account(), []
    for number in range(many):
        events: list[Event] = []
        budget = Budget(
            OPTIONS, clock=SystemClock(), emit=events.append, pool=pools.pool(), count=lambda: count
        )
        opened.append(Daemon(number, account, budget, events))
    yield opened
    for daemon in opened:
        await daemon.budget.aclose()


async def run_for(together: list[Daemon], calls: int) -> None:
    """Have every daemon call with eight callers until the account has counted so many calls more."""
    end, account = asyncio.Event(), together[0].account
    callers = [asyncio.create_task(daemon.call_until(end)) for daemon in together for _ in range(8)]
    for _ in range(calls):
        await account.arrived.acquire()
    end.set()
    for caller in callers:
        caller.cancel()
    await asyncio.wait(callers)


async def test_three_daemons_together_keep_to_the_limit_use_it_and_share_it_fairly(pools: Pools) -> None:
    async with daemons(pools, 3) as together:
        await run_for(together, 45)
        account = together[0].account
        assert account.most_in_a_second() <= 10
        assert all(account.made_by(daemon.number) >= 8 for daemon in together)
        assert not any(daemon.events for daemon in together)


async def test_a_refusal_of_one_daemon_stops_the_others(pools: Pools) -> None:
    async with daemons(pools, 2) as (one, two):
        turn = await one.budget.take(Kind.WALLETS)
        assert isinstance(turn, Turn)
        turn.refused(timedelta(minutes=5))
        while not isinstance(answer := await two.budget.take(Kind.GETS), NoTurn):
            answer.ended()
            await asyncio.sleep(0.01)
        assert timedelta(minutes=4) < answer.retry_in <= timedelta(minutes=5)


async def test_with_redis_away_each_takes_its_share_and_with_it_back_all_is_one_again() -> None:
    with RedisServer() as server:
        pools = Pools(server.url)
        async with asyncio.timeout(60), daemons(pools, 2, count=2) as together:
            account = together[0].account
            await run_for(together, 12)
            await asyncio.to_thread(server.stop)
            await run_for(together, 20)
            assert all(daemon.told(BudgetSplit) for daemon in together)
            await asyncio.to_thread(server.start)
            while not all(daemon.told(BudgetShared) for daemon in together):
                await run_for(together, 5)
            await run_for(together, 20)
            assert account.most_in_a_second() <= 10
            kinds = [[type(event) for event in daemon.events] for daemon in together]
            assert kinds == [[BudgetSplit, BudgetShared]] * 2


async def test_a_daemon_that_alone_is_cut_off_from_redis_takes_its_share_and_no_more(pools: Pools) -> None:
    """The others go on with the whole: there may be a third too much, until Circle's 429s slow all down."""
    events: list[Event] = []
    nowhere = RedisPool(PoolOptions(url="redis://127.0.0.1:1/0", account="a", daemon=uuid4()))
    async with asyncio.timeout(60), daemons(pools, 2, count=3) as others:
        account = others[0].account
        budget = Budget(OPTIONS, clock=SystemClock(), emit=events.append, pool=nowhere, count=lambda: 3)
        cut = Daemon(2, account, budget, events)
        try:
            await run_for([cut], 12)  # until it has heard how many live
            account.counted.clear()
            while account.made_by(cut.number) < 9:
                await run_for([*others, cut], 5)
        finally:
            await budget.aclose()
        assert events == [BudgetSplit(daemons=3)]
        assert not any(daemon.events for daemon in others)
        assert account.most_in_a_second(cut.number) <= 10 // 3
        assert account.most_in_a_second(*(daemon.number for daemon in others)) <= 10
        assert account.most_in_a_second() <= 10 + 10 // 3
        assert all(account.made_by(daemon.number) >= 8 for daemon in others)


async def test_with_redis_away_from_the_start_calls_go_at_once() -> None:
    events: asyncio.Queue[Event] = asyncio.Queue()
    pool = RedisPool(PoolOptions(url="redis://127.0.0.1:1/0", account="a", daemon=uuid4()))
    budget = Budget(OPTIONS, clock=SystemClock(), emit=events.put_nowait, pool=pool)
    async with asyncio.timeout(30):
        turn = await budget.take(Kind.WALLETS)
        assert isinstance(turn, Turn)
        assert await events.get() == BudgetSplit(daemons=1)
    await budget.aclose()
