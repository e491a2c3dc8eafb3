"""Several daemons on one database: one is killed, stopped, or stands still past its lease and goes on.

Some of the places; `python -m tests.simulation --everywhere` goes through all of them.
"""

from datetime import timedelta

import pytest

from tests.simulation.cases import breaches_after_each_cut, quiet_life, small_world
from tests.simulation.lives import Blow, Cut, live_through
from tests.simulation.world import World

SEED = 5
SECOND = timedelta(seconds=1)


def cut(blow: Blow, pause: timedelta, which: int = 0) -> Cut:
    return Cut(steps=1, blow=blow, pause=pause, which=which)


@pytest.mark.parametrize(("seed", "size"), [(0, 2), (1, 3)])
def test_several_daemons_share_the_work_of_some_people(seed: int, size: int) -> None:
    assert live_through(World(seed, wishes=4, size=size)) == []


@pytest.mark.parametrize("which", [0, 1])
def test_one_of_two_may_be_killed_after_any_step(which: int) -> None:
    assert breaches_after_each_cut(SEED, cut(Blow.KILL, 15 * SECOND, which), every=83, size=2) == {}


@pytest.mark.parametrize("pause", [8 * SECOND, 30 * SECOND])
@pytest.mark.parametrize("which", [0, 1])
def test_one_of_two_may_stand_still_and_go_on_after_its_lease(pause: timedelta, which: int) -> None:
    assert breaches_after_each_cut(SEED, cut(Blow.FREEZE, pause, which), every=97, size=2) == {}


def test_one_of_two_may_be_stopped_after_any_step() -> None:
    assert breaches_after_each_cut(SEED, cut(Blow.STOP, 5 * SECOND), every=131, size=2) == {}


def test_of_two_daemons_one_works_on_a_job() -> None:
    world = small_world(SEED, size=2)
    assert live_through(world) == []
    assert sum(bool(daemon.database.held) for daemon in world.daemons) == 1
    assert world.circle.calls["create_wallet"] == len(world.wanted)


def test_a_world_of_several_daemons_replays_by_its_seed() -> None:
    def digest(seed: int) -> str:
        world = small_world(seed, size=3)
        live_through(world, [Cut(steps=200, blow=Blow.FREEZE, pause=20 * SECOND, which=1)])
        return world.digest

    assert digest(SEED) == digest(SEED) != digest(SEED + 1)
    assert quiet_life(SEED, 3).steps > quiet_life(SEED).steps
