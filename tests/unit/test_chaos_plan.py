"""The plan of a run of chaos: the same for the same seed, and never more than the tree can bear."""

from collections import Counter
from datetime import timedelta
from random import Random

import pytest

from wallet_provisioning.chaos.plan import Kind, Strike, draw_plan, supervisor_of
from wallet_provisioning.supervision.policy import Policy

PATHS = [
    "writer",
    "circle",
    "circle/ETH",
    "circle/SOL",
    "circle/APTOS",
    "jobs",
    *(f"jobs/{number}" for number in range(1, 6)),
    "scheduler",
    "rescuer",
    "listener",
]
HALF_A_MINUTE = timedelta(seconds=30)
AN_HOUR = timedelta(hours=1)
SEEDS = range(20)


def drawn(length: timedelta, seed: int) -> tuple[Strike, ...]:
    return draw_plan(length, PATHS, Random(seed))


def of_kind(plan: tuple[Strike, ...], *kinds: Kind) -> list[Strike]:
    return [strike for strike in plan if strike.kind in kinds]


def blows(plan: tuple[Strike, ...]) -> dict[str, list[Strike]]:
    """Return what each supervisor has to mend."""
    found: dict[str, list[Strike]] = {}
    for strike in of_kind(plan, Kind.CRASH, Kind.HANG):
        found.setdefault(supervisor_of(strike.path), []).append(strike)
    return found


def test_the_same_seed_draws_the_same_strikes() -> None:
    assert drawn(AN_HOUR, 7) == drawn(AN_HOUR, 7)


def test_another_seed_draws_others() -> None:
    assert drawn(HALF_A_MINUTE, 7) != drawn(HALF_A_MINUTE, 8)


@pytest.mark.parametrize("seed", SEEDS)
def test_strikes_are_in_order_and_within_the_run(seed: int) -> None:
    moments = [strike.at for strike in drawn(HALF_A_MINUTE, seed)]
    assert moments == sorted(moments)
    assert timedelta() < moments[0]
    assert moments[-1] < HALF_A_MINUTE


@pytest.mark.parametrize("seed", SEEDS)
def test_even_a_short_run_has_every_kind_of_strike(seed: int) -> None:
    assert {strike.kind for strike in drawn(HALF_A_MINUTE, seed)} == set(Kind)


@pytest.mark.parametrize("seed", SEEDS)
def test_every_path_is_struck_about_equally_often(seed: int) -> None:
    counts = Counter(strike.path for strike in of_kind(drawn(AN_HOUR, seed), Kind.CRASH, Kind.HANG))
    assert counts.keys() == set(PATHS)
    assert max(counts.values()) < 2 * min(counts.values())


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("length", [HALF_A_MINUTE, AN_HOUR])
def test_no_supervisor_gets_more_crashes_than_it_can_mend(length: timedelta, seed: int) -> None:
    intensity = Policy().intensity
    for strikes in blows(drawn(length, seed)).values():
        for last in strikes:
            recent = [each for each in strikes if timedelta() <= last.at - each.at <= intensity.period]
            assert len(recent) < intensity.limit * 2 / 3


@pytest.mark.parametrize("seed", SEEDS)
def test_no_supervisor_gets_more_zombies_than_it_bears(seed: int) -> None:
    for strikes in blows(drawn(AN_HOUR, seed)).values():
        hangs = [strike for strike in strikes if strike.kind is Kind.HANG]
        assert len(hangs) <= Policy().zombie_limit / 2


@pytest.mark.parametrize("seed", SEEDS)
def test_the_second_half_is_one_life_and_has_all_the_hangs(seed: int) -> None:
    plan = drawn(AN_HOUR, seed)
    assert all(strike.at < AN_HOUR / 2 for strike in of_kind(plan, Kind.PROCESS))
    assert all(strike.at >= AN_HOUR / 2 for strike in of_kind(plan, Kind.HANG))


@pytest.mark.parametrize(
    ("path", "supervisor"), [("writer", "/"), ("circle", "/"), ("circle/ETH", "circle"), ("jobs/5", "jobs")]
)
def test_the_supervisor_of_an_actor_is_the_one_above_it(path: str, supervisor: str) -> None:
    assert supervisor_of(path) == supervisor
