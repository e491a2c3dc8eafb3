"""What the simulation has found, each told as shortly as it can be: none of it comes back."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta

import pytest

from tests.simulation.circle import Weather
from tests.simulation.daemon import DaemonParts
from tests.simulation.lives import live_through
from tests.simulation.store import Trouble
from tests.simulation.world import World
from wallet_provisioning.supervision.simfaults import Boundary, Fault, Harm
from wallet_provisioning.supervision.snapshot import ChildState

MINUTE = timedelta(minutes=1)
Plant = Callable[[DaemonParts], DaemonParts]


@dataclass(slots=True)
class Nth:
    """A fault over the nth message of a kind that an actor gets."""

    path: str
    message: str
    number: int
    fault: Fault
    count: int = 0

    def __call__(self, boundary: Boundary) -> Fault | None:
        if (boundary.path, boundary.message) != (self.path, self.message):
            return None
        self.count += 1
        return self.fault if self.count == self.number else None


def over(path: str, message: str, harm: Harm, *, number: int = 1) -> Plant:
    nth = Nth(path, message, number, Fault(harm=harm))
    return lambda parts: replace(parts, faults=nth)


def is_up(world: World) -> bool:
    return all(view.state is ChildState.RUNNING for view in world.daemon.root.views())


def kill_and_wait(world: World, path: str) -> None:
    """Kill an actor, and wait until its successor has been launched."""
    root = world.daemon.root
    life = root.view(path).incarnation
    root.kill(path, hang=False, reason="a test")
    assert world.run(lambda: root.view(path).incarnation == life + 1, within=MINUTE)


@pytest.mark.parametrize("harm", [Harm.CRASH, Harm.KILL, Harm.LOSE, Harm.HANG])
def test_a_supervisor_that_dies_over_the_news_of_a_start_leaves_no_child_starting(harm: Harm) -> None:
    """Its successor waited for that news for ever, and answered no request for the child."""
    world = World(1, wishes=1, parts=over("circle", "Started", harm, number=3))
    world.open()
    assert world.run(lambda: is_up(world), within=MINUTE)
    kill_and_wait(world, "circle/ETH")

    assert world.run(lambda: is_up(world), within=MINUTE)
    assert live_through_rest(world) == []


@pytest.mark.parametrize("message", ["CallEnded", "SetCallEnded"])
@pytest.mark.parametrize("seed", range(3))
def test_a_call_whose_end_is_never_heard_of_is_given_up(seed: int, message: str) -> None:
    """Its batch counted as under way for ever, so nobody asked Circle for these wallets again."""
    for chain in ("ETH", "SOL"):
        world = World(seed, wishes=2, parts=over(f"circle/{chain}", message, Harm.LOSE))
        assert live_through(world) == []


@pytest.mark.parametrize("seed", range(4))
def test_a_wallet_set_whose_key_is_refused_for_ever_is_made_under_another(seed: int) -> None:
    """A set can't be looked up by its name: all jobs waited until an operator named one."""
    weather = Weather(trouble=0.8, clears=timedelta(seconds=20), burns_keys=True, refuses_used_keys=True)
    assert live_through(World(seed, wishes=2, weather=weather)) == []


@pytest.mark.parametrize("trouble", [Trouble.STUMBLE, Trouble.STUMBLE_AFTER])
@pytest.mark.parametrize("times", [1, 2])
def test_a_writer_that_stumbles_over_a_commit_does_not_fail_the_job_for_good(
    times: int, trouble: Trouble
) -> None:
    """A wallet that exists at Circle became a failed one by any error at all, not only by a refused value."""
    left = [times]

    def mishap(reason: str) -> Trouble | None:
        if reason != "record_results" or not left[0]:
            return None
        left[0] -= 1
        return trouble

    world = World(3, wishes=1, parts=lambda parts: replace(parts, mishap=mishap))
    assert live_through(world) == []
    assert left == [0]


def test_a_rescuer_that_dies_before_its_first_look_does_not_look_twice_as_often_ever_after() -> None:
    world = World(1, wishes=1)
    world.open()
    world.run(lambda: is_up(world), within=MINUTE)
    for _ in range(5):
        kill_and_wait(world, "rescuer")
    before = looks(world)
    world.run(lambda: False, within=30 * timedelta(seconds=1))

    assert looks(world) - before <= 66
    assert live_through_rest(world) == []


def looks(world: World) -> int:
    return sum(boundary.message == "LookForLost" for boundary in world.daemon.runtime.trace)


def live_through_rest(world: World) -> list[str]:
    """Let a world that was begun come to its end."""
    try:
        return [] if world.run_to_the_end() and world.stop() else ["it did not end"]
    finally:
        world.close()
