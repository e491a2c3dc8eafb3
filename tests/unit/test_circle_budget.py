import asyncio
from datetime import timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wallet_provisioning.clock import ManualClock
from wallet_provisioning.http.circle.budget import Budget, BudgetOptions, Kind

OPTIONS = BudgetOptions(wallets=3, posts=1, gets=4, slack=timedelta())


class Bench:
    """A budget whose sleeps move its clock."""

    def __init__(self, options: BudgetOptions = OPTIONS) -> None:
        self.clock = ManualClock()
        self.slept: list[float] = []
        self.budget = Budget(options, clock=self.clock, sleep=self._sleep)

    async def take(self, kind: Kind = Kind.WALLETS) -> float:
        await self.budget.take(kind)
        return self.clock.monotonic().total_seconds()

    async def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        await asyncio.sleep(0)
        self.clock.advance(timedelta(seconds=seconds))


async def test_as_many_as_the_window_allows_go_at_once() -> None:
    bench = Bench()
    assert [await bench.take() for _ in range(3)] == [0, 0, 0]
    assert bench.slept == []


async def test_the_next_goes_when_the_first_leaves_the_window() -> None:
    bench = Bench()
    await bench.take()
    bench.clock.advance(timedelta(milliseconds=400))
    await bench.take()
    await bench.take()
    assert await bench.take() == pytest.approx(1.0)
    assert await bench.take() == pytest.approx(1.4)


async def test_kinds_do_not_share_their_windows() -> None:
    bench = Bench()
    for _ in range(3):
        await bench.take(Kind.WALLETS)
    assert await bench.take(Kind.POSTS) == 0
    assert await bench.take(Kind.GETS) == 0


async def test_the_window_is_held_a_little_longer_than_circles_second() -> None:
    bench = Bench(BudgetOptions(posts=1))
    await bench.take(Kind.POSTS)
    assert await bench.take(Kind.POSTS) == pytest.approx(1.03)


async def test_callers_are_served_in_the_order_in_which_they_came() -> None:
    bench = Bench()
    order: list[int] = []

    async def caller(number: int) -> None:
        await bench.take()
        order.append(number)

    async with asyncio.TaskGroup() as group:
        for number in range(20):
            group.create_task(caller(number))
    assert order == list(range(20))


async def test_it_tells_how_many_wait() -> None:
    bench = Bench(BudgetOptions(wallets=1))
    blocked = asyncio.Event()

    async def block(_seconds: float) -> None:
        await blocked.wait()
        bench.clock.advance(timedelta(seconds=2))

    budget = Budget(BudgetOptions(wallets=1), clock=bench.clock, sleep=block)
    await budget.take(Kind.WALLETS)
    waiting = [asyncio.create_task(budget.take(Kind.WALLETS)) for _ in range(3)]
    await asyncio.sleep(0)
    assert budget.waiting(Kind.WALLETS) == 3
    assert budget.waiting(Kind.GETS) == 0
    blocked.set()
    await asyncio.gather(*waiting)
    assert budget.waiting(Kind.WALLETS) == 0


async def test_a_caller_that_is_cancelled_uses_nothing_up_and_lets_the_next_go() -> None:
    clock = ManualClock()
    entered = asyncio.Event()
    forever = asyncio.Event()

    async def sleep(_seconds: float) -> None:
        if not entered.is_set():
            entered.set()
            await forever.wait()
        clock.advance(timedelta(seconds=1))

    budget = Budget(BudgetOptions(posts=1, slack=timedelta()), clock=clock, sleep=sleep)
    await budget.take(Kind.POSTS)
    first = asyncio.create_task(budget.take(Kind.POSTS))
    second = asyncio.create_task(budget.take(Kind.POSTS))
    await entered.wait()
    first.cancel()
    await second
    assert first.cancelled()
    assert clock.monotonic() == timedelta(seconds=1)
    assert budget.waiting(Kind.POSTS) == 0


async def test_daemons_share_the_allowance() -> None:
    bench = Bench(BudgetOptions(wallets=10, slack=timedelta()))
    bench.budget.share_between(3)
    times = [await bench.take() for _ in range(31)]
    assert times[-1] == pytest.approx(9.0)
    bench.budget.share_between(1)
    assert bench.budget.waiting(Kind.WALLETS) == 0


async def test_a_share_below_one_call_becomes_a_longer_window() -> None:
    bench = Bench(BudgetOptions(posts=5, slack=timedelta()))
    bench.budget.share_between(20)
    times = [await bench.take(Kind.POSTS) for _ in range(4)]
    assert times == pytest.approx([0, 4, 8, 12])


async def test_a_smaller_share_holds_for_calls_already_sent() -> None:
    bench = Bench(BudgetOptions(wallets=10, slack=timedelta()))
    for _ in range(10):
        await bench.take()
    bench.budget.share_between(10)
    assert await bench.take() == pytest.approx(1.0)


@given(st.lists(st.floats(0, 2), max_size=60), st.integers(1, 6))
def test_no_window_ever_holds_more_than_the_limit(pauses: list[float], limit: int) -> None:
    bench = Bench(BudgetOptions(gets=limit, slack=timedelta()))

    async def run() -> list[float]:
        times = []
        for pause in pauses:
            bench.clock.advance(timedelta(seconds=pause))
            times.append(await bench.take(Kind.GETS))
        return times

    times = asyncio.run(run())
    assert all(later >= earlier for earlier, later in pairwise(times))
    assert all(later - earlier >= 1 - 1e-6 for earlier, later in zip(times, times[limit:], strict=False))


async def test_at_full_load_nearly_all_of_the_allowance_is_used() -> None:
    bench = Bench(BudgetOptions())
    times = [await bench.take() for _ in range(1001)]
    assert 1000 / times[-1] > 0.97 * 10
