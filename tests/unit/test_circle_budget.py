import asyncio
from dataclasses import dataclass
from datetime import timedelta
from itertools import chain, pairwise
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support_budget import Bench
from wallet_provisioning.http.circle.budget import BudgetOptions, Kind, Turn
from wallet_provisioning.http.circle.throttle import Gate
from wallet_provisioning.http.circle.window import TOLERANCE
from wallet_provisioning.telemetry.events import BudgetSlowed


def test_as_many_as_the_window_allows_go_at_once() -> None:
    bench = Bench()

    async def work() -> list[float]:
        return [await bench.call() for _ in range(3)]

    assert bench.run(work) == [0, 0, 0]


def test_the_next_goes_a_window_after_the_first_was_answered() -> None:
    bench = Bench()

    async def work() -> list[float]:
        calls = [bench.call(lasting=lasting) for lasting in (0.02, 0.03, 0.04)]
        await asyncio.gather(*calls)
        return [await bench.call() for _ in range(3)]

    assert bench.run(work) == pytest.approx([1.02, 1.03, 1.04], abs=0.002)


def test_kinds_do_not_share_their_windows() -> None:
    bench = Bench()

    async def work() -> list[float]:
        for _ in range(3):
            await bench.call(Kind.WALLETS)
        return [await bench.call(Kind.POSTS), await bench.call(Kind.GETS)]

    assert bench.run(work) == [0, 0]


def test_a_call_that_is_not_answered_keeps_its_place_for_two_seconds_more() -> None:
    bench = Bench(BudgetOptions(posts=1))

    async def work() -> float:
        await bench.take(Kind.POSTS)
        return await bench.call(Kind.POSTS)

    assert bench.run(work) == pytest.approx(3.0, abs=0.002)


def test_what_all_answers_have_in_common_is_taken_off_up_to_a_tolerance() -> None:
    bench = Bench(BudgetOptions(posts=1))

    async def work() -> list[float]:
        return [await bench.call(Kind.POSTS, lasting=0.3) for _ in range(12)]

    times = bench.run(work)
    assert times[1] - times[0] == pytest.approx(1.3, abs=0.002)
    assert times[11] - times[10] == pytest.approx(1.05, abs=0.002)


def test_an_answer_that_is_late_among_its_like_holds_its_place_for_longer() -> None:
    bench = Bench(BudgetOptions(posts=1))

    async def work() -> float:
        for _ in range(10):
            await bench.call(Kind.POSTS, lasting=0.3)
        late = await bench.call(Kind.POSTS, lasting=0.7)
        return await bench.call(Kind.POSTS) - late

    assert bench.run(work) == pytest.approx(1.45, abs=0.002)


def test_an_answer_that_is_quicker_than_all_before_holds_its_place_for_the_tolerance() -> None:
    bench = Bench(BudgetOptions(posts=1))

    async def work() -> float:
        for _ in range(10):
            await bench.call(Kind.POSTS, lasting=0.5)
        quick = await bench.call(Kind.POSTS, lasting=0.3)
        return await bench.call(Kind.POSTS) - quick

    assert bench.run(work) == pytest.approx(1.05, abs=0.002)


def test_after_a_refusal_nothing_is_taken_off_for_a_minute() -> None:
    bench = Bench(BudgetOptions(posts=1))

    async def work() -> list[float]:
        for _ in range(10):
            await bench.call(Kind.POSTS, lasting=0.3)
        (await bench.take(Kind.POSTS)).refused(timedelta(0))
        return [await bench.call(Kind.POSTS, lasting=0.3) for _ in range(60)]

    times = bench.run(work)
    assert times[2] - times[1] == pytest.approx(1.3, abs=0.002)
    assert times[59] - times[58] == pytest.approx(1.05, abs=0.002)


def test_a_large_call_is_compared_with_large_ones_only() -> None:
    bench = Bench(BudgetOptions(wallets=1))

    async def work() -> float:
        for _ in range(10):
            await bench.call(lasting=0.9, size=200)
        small = await bench.call(lasting=0.3, size=1)
        return await bench.call() - small

    assert bench.run(work) == pytest.approx(1.3, abs=0.002)


def test_a_call_that_lasts_longer_than_a_window_as_they_all_do_does_not_hold_up_the_next() -> None:
    bench = Bench(BudgetOptions(wallets=1))

    async def work() -> list[float]:
        for _ in range(10):
            await bench.call(lasting=3.0, size=200)
        return await asyncio.gather(*[bench.call(lasting=3.0, size=200) for _ in range(3)])

    assert [later - one for one, later in pairwise(bench.run(work))] == pytest.approx([1.05] * 2, abs=0.002)


def test_callers_of_a_chain_are_served_in_the_order_in_which_they_came() -> None:
    bench = Bench()
    order: list[int] = []

    async def caller(number: int) -> None:
        await bench.call(chain="ETH")
        order.append(number)

    async def work() -> None:
        await asyncio.gather(*[caller(number) for number in range(20)])

    bench.run(work)
    assert order == list(range(20))


def test_a_chain_that_floods_waits_for_itself_alone() -> None:
    bench = Bench(BudgetOptions(wallets=1))
    order: list[str] = []

    async def caller(chain: str) -> None:
        await bench.call(chain=chain)
        order.append(chain)

    async def work() -> None:
        flood = [caller("ETH") for _ in range(10)]
        await asyncio.gather(*flood, caller("SOL"), caller("APTOS"), caller("SOL"))

    bench.run(work)
    assert order[:7] == ["ETH", "ETH", "SOL", "APTOS", "ETH", "SOL", "ETH"]


def test_a_background_reader_goes_behind_all_others_but_gets_on() -> None:
    bench = Bench(BudgetOptions(gets=1))
    order: list[str] = []

    async def caller(name: str, *, background: bool) -> None:
        await bench.call(Kind.GETS, chain=name, background=background)
        order.append(name)

    async def work() -> None:
        readers = [caller("reader", background=True) for _ in range(3)]
        await asyncio.gather(*readers, *[caller("ETH", background=False) for _ in range(20)])

    bench.run(work)
    assert order[0] == "reader", "nobody else waited yet"
    assert [place for place, name in enumerate(order, start=1) if name == "reader"] == [1, 10, 20]


def test_it_tells_how_many_wait() -> None:
    bench = Bench(BudgetOptions(wallets=1))

    async def work() -> None:
        await bench.take()
        waiting = [asyncio.ensure_future(bench.call()) for _ in range(3)]
        await asyncio.sleep(0)
        assert bench.budget.waiting(Kind.WALLETS) == 3
        assert bench.budget.waiting(Kind.GETS) == 0
        await asyncio.gather(*waiting)
        assert bench.budget.waiting(Kind.WALLETS) == 0

    bench.run(work)


def test_a_turn_says_how_long_it_was_waited_for() -> None:
    bench = Bench(BudgetOptions(posts=1))

    async def work() -> Turn:
        await bench.call(Kind.POSTS)
        return await bench.take(Kind.POSTS)

    assert bench.run(work).waited == pytest.approx(timedelta(seconds=1), abs=timedelta(milliseconds=2))


def test_a_caller_that_is_cancelled_uses_nothing_up_and_lets_the_next_go() -> None:
    bench = Bench(BudgetOptions(posts=1))

    async def work() -> float:
        await bench.call(Kind.POSTS)
        first = asyncio.ensure_future(bench.call(Kind.POSTS))
        second = asyncio.ensure_future(bench.call(Kind.POSTS))
        await asyncio.sleep(0)
        first.cancel()
        granted_at = await second
        assert first.cancelled()
        assert bench.budget.waiting(Kind.POSTS) == 0
        return granted_at

    assert bench.run(work) == pytest.approx(1.0, abs=0.002)


def test_a_caller_that_is_cancelled_with_its_turn_in_hand_gives_it_back() -> None:
    bench = Bench(BudgetOptions(posts=1))

    async def work() -> float:
        first = await bench.take(Kind.POSTS)
        second = asyncio.ensure_future(bench.take(Kind.POSTS))
        await asyncio.sleep(0)
        first.unused()
        second.cancel()
        await asyncio.wait([second])
        return await bench.call(Kind.POSTS)

    assert bench.run(work) == 0


def test_a_place_that_is_free_as_its_next_caller_is_cancelled_goes_to_the_one_behind() -> None:
    bench = Bench(BudgetOptions(posts=1))

    async def work() -> float:
        first = await bench.take(Kind.POSTS)
        second = asyncio.ensure_future(bench.call(Kind.POSTS))
        third = asyncio.ensure_future(bench.call(Kind.POSTS))
        await asyncio.sleep(0)
        second.cancel()
        first.unused()
        await asyncio.wait([second])
        assert second.cancelled()
        return await third

    assert bench.run(work) == 0


def test_a_caller_that_is_cancelled_as_all_are_sent_away_is_only_cancelled() -> None:
    bench = Bench()

    async def work() -> bool:
        turn = await bench.take()
        waiting = [asyncio.ensure_future(bench.take()) for _ in range(3)]
        await asyncio.sleep(0)
        waiting[2].cancel()
        turn.refused(timedelta(minutes=1))
        await asyncio.wait(waiting)
        return waiting[2].cancelled()

    assert bench.run(work)


def test_a_turn_that_is_not_used_is_free_at_once() -> None:
    bench = Bench(BudgetOptions(posts=1))

    async def work() -> float:
        (await bench.take(Kind.POSTS)).unused()
        return await bench.call(Kind.POSTS)

    assert bench.run(work) == 0


def test_daemons_share_the_allowance_and_none_has_more_than_its_part_in_any_window() -> None:
    bench = Bench(BudgetOptions(wallets=10))

    async def work() -> list[float]:
        bench.budget.share_between(3)
        return [await bench.call() for _ in range(31)]

    assert bench.run(work)[-1] == pytest.approx(10.0, abs=0.02)


def test_a_budget_without_a_pool_follows_the_daemons_that_live() -> None:
    living = 1
    bench = Bench(BudgetOptions(wallets=10), living=lambda: living)

    async def work() -> tuple[list[float], list[float]]:
        nonlocal living
        alone = [await bench.call() for _ in range(10)]
        living = 2
        shared = [await bench.call() for _ in range(11)]
        return alone, shared

    alone, shared = bench.run(work)

    assert alone[-1] == 0
    assert shared[-1] == pytest.approx(3.0, abs=0.02)


def test_a_share_below_one_call_becomes_a_longer_window() -> None:
    bench = Bench(BudgetOptions(posts=5))

    async def work() -> list[float]:
        bench.budget.share_between(20)
        return [await bench.call(Kind.POSTS) for _ in range(4)]

    assert bench.run(work) == pytest.approx([0, 4, 8, 12], abs=0.005)


def test_a_smaller_share_holds_for_calls_already_sent() -> None:
    bench = Bench(BudgetOptions(wallets=10))

    async def work() -> float:
        for _ in range(10):
            await bench.call()
        bench.budget.share_between(10)
        return await bench.call()

    assert bench.run(work) == pytest.approx(1.0, abs=0.002)


def test_a_gate_that_meets_nothing_but_refusals_stays_shut_for_a_quarter_of_their_time() -> None:
    gate = Gate()
    pauses = [gate.refuse(3.0, float(now)) for now in (0, 30, 59, 60, 120, 360, 600, 900, 1200, 1500)]

    assert pauses == [3, 3, 3, 15, 30, 90, 150, 225, 300, 300]


def test_a_call_that_goes_well_ends_the_row_of_refusals() -> None:
    gate = Gate()
    gate.refuse(3.0, 0.0)
    gate.refuse(3.0, 100.0)
    gate.pass_(130.0)

    assert gate.refuse(3.0, 131.0) == 3


def test_a_refusal_long_after_the_last_begins_a_new_row() -> None:
    gate = Gate()
    gate.refuse(3.0, 0.0)

    assert gate.refuse(3.0, 3600.0) == 3


def test_a_refusal_stops_the_whole_account_until_its_retry_after() -> None:
    bench = Bench()

    async def work() -> list[float]:
        (await bench.take()).refused(timedelta(seconds=2))
        return [await bench.call(kind) for kind in Kind]

    assert bench.run(work) == pytest.approx([2.0] * 3, abs=0.002)


def test_without_a_retry_after_the_pause_grows_until_a_call_goes_well() -> None:
    bench = Bench()
    pauses: list[float] = []

    async def refuse() -> None:
        await asyncio.sleep(bench.budget.gate_remaining().total_seconds())
        (await bench.take()).refused(None)
        pauses.append(bench.budget.gate_remaining().total_seconds())

    async def work() -> None:
        for _ in range(3):
            await refuse()
        await asyncio.sleep(4)
        await bench.call()
        await refuse()

    bench.run(work)
    assert pauses == pytest.approx([1, 2, 4, 1])


def test_many_refusals_at_once_make_one_pause() -> None:
    bench = Bench()

    async def work() -> float:
        for turn in [await bench.take() for _ in range(3)]:
            turn.refused(None)
        return bench.budget.gate_remaining().total_seconds()

    assert bench.run(work) == pytest.approx(1.0)


def test_nobody_waits_where_circle_wants_to_be_left_alone_for_long() -> None:
    bench = Bench(BudgetOptions(wallets=1))

    async def work() -> list[timedelta]:
        turn = await bench.take()
        waiting = asyncio.ensure_future(bench.sent_away())
        await asyncio.sleep(0)
        turn.refused(timedelta(minutes=2))
        return [await waiting, await bench.sent_away(Kind.GETS)]

    assert bench.run(work) == [timedelta(minutes=2)] * 2


def test_a_refusal_halves_the_pace_of_its_kind_which_comes_back_within_seconds() -> None:
    bench = Bench(BudgetOptions(wallets=10))
    rates: list[float] = []

    async def work() -> None:
        (await bench.take()).refused(timedelta(seconds=1))
        assert bench.budget.rate(Kind.WALLETS) == 0
        assert bench.budget.rate(Kind.GETS) == 0
        await asyncio.sleep(1)
        assert bench.budget.rate(Kind.GETS) == 20
        for _ in range(7):
            rates.append(bench.budget.rate(Kind.WALLETS))
            await asyncio.sleep(1)

    bench.run(work)
    assert rates == [5, 6, 7, 8, 9, 10, 10]
    assert bench.events == [BudgetSlowed(kind="wallets", per_second=5, pause=timedelta(seconds=1))]


def test_the_pace_never_falls_below_one_call_a_window_and_is_whole_again_in_bounded_time() -> None:
    bench = Bench(BudgetOptions(wallets=10))

    async def work() -> tuple[float, float]:
        for _ in range(8):
            (await bench.take()).refused(timedelta(seconds=1))
        await asyncio.sleep(1)
        slowest = bench.budget.rate(Kind.WALLETS)
        await asyncio.sleep(9)
        return slowest, bench.budget.rate(Kind.WALLETS)

    assert bench.run(work) == (1, 10)


def test_refusals_within_one_window_halve_the_pace_once() -> None:
    bench = Bench(BudgetOptions(wallets=10))

    async def work() -> float:
        for turn in [await bench.take() for _ in range(4)]:
            turn.refused(timedelta(0))
        return bench.budget.rate(Kind.WALLETS)

    assert bench.run(work) == 5


@dataclass
class Link:
    """How long requests take to Circle and answers back. `jitter` is of the way there."""

    chance: Random
    way: float
    jitter: float

    async def carry(self, bench: Bench, number: int) -> float:
        """Make one call and return when Circle counted it."""
        await asyncio.sleep(self.chance.uniform(0, 2) if number % 3 else 0)
        turn = await bench.take(chain=str(number % 3))
        await asyncio.sleep(self.way + self.chance.uniform(0, self.jitter))
        counted_at = bench.now
        await asyncio.sleep(self.chance.choice([0, self.chance.uniform(0, 0.3), self.chance.uniform(0, 1.5)]))
        turn.went_well()
        return counted_at


def most_in_a_second(counted: list[float]) -> int:
    counted = sorted(counted)
    return max(sum(one <= other < one + 1 - 1e-6 for other in counted) for one in counted)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 6), st.sampled_from([0.0, 0.04, 0.2, 1.3]))
def test_no_second_of_circles_holds_more_than_the_limit_however_the_answers_come(
    seed: int, limit: int, way: float
) -> None:
    bench = Bench(BudgetOptions(wallets=limit))
    link = Link(Random(seed), way=way, jitter=TOLERANCE)

    async def work() -> list[float]:
        return await asyncio.gather(*[link.carry(bench, number) for number in range(12 * limit)])

    assert most_in_a_second(bench.run(work)) <= limit


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 6))
def test_after_a_refusal_no_jitter_breaks_the_limit(seed: int, limit: int) -> None:
    bench = Bench(BudgetOptions(wallets=limit))
    link = Link(Random(seed), way=0.1, jitter=0.4)

    async def work() -> list[float]:
        await asyncio.gather(*[bench.call(lasting=0.5) for _ in range(10)])
        (await bench.take()).refused(timedelta(0))
        await asyncio.sleep(10)
        return await asyncio.gather(*[link.carry(bench, number) for number in range(8 * limit)])

    assert most_in_a_second(bench.run(work)) <= limit


@pytest.mark.parametrize("lasting", [0.005, 0.05, 0.3, 2.0])
def test_at_full_load_nearly_all_of_the_allowance_is_used(lasting: float) -> None:
    bench = Bench(BudgetOptions())

    async def caller() -> list[float]:
        return [await bench.call(lasting=lasting, size=200) for _ in range(20)]

    async def work() -> list[list[float]]:
        return await asyncio.gather(*[caller() for _ in range(30)])

    granted = sorted(chain.from_iterable(bench.run(work)))
    late = [at for at in granted if at >= 20]
    assert (len(late) - 1) / (late[-1] - late[0]) > 0.94 * 10
