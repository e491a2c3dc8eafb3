"""A job's life with one thing going wrong, here or there: it ends well all the same.

Some of the places; `python -m tests.simulation --everywhere` goes through all of them.
"""

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.simulation.cases import breaches_after_each_cut, breaches_at_each, quiet_life
from tests.simulation.lives import LATE, Blow, Cut, live_through
from tests.simulation.schedules import may_be_lost
from tests.simulation.test_found import Nth
from tests.simulation.world import World
from wallet_provisioning.supervision.simfaults import STARTED, Fault, Harm

SEED = 3
HANG = timedelta(seconds=20)


def test_the_life_of_a_job_passes_every_kind_of_actor() -> None:
    boundaries = quiet_life(SEED).boundaries
    paths = {boundary.path for boundary in boundaries}
    assert {"/", "writer", "circle", "circle/ETH", "circle/SOL", "jobs", "scheduler", "rescuer"} < paths
    assert {"Started", "Work", "Provision", "CallEnded", "RecordResults", "Recorded", "BatchRecorded"} < {
        boundary.message for boundary in boundaries
    }


@pytest.mark.parametrize(("first", "harm"), [(0, Harm.CRASH), (1, Harm.CRASH_AFTER), (2, Harm.KILL)])
def test_a_crash_at_any_boundary_of_any_actor_costs_nothing(first: int, harm: Harm) -> None:
    assert breaches_at_each(SEED, quiet_life(SEED).boundaries[first::7], Fault(harm=harm)) == {}


def test_a_hang_for_ever_at_any_boundary_costs_nothing() -> None:
    assert breaches_at_each(SEED, quiet_life(SEED).boundaries[::7], Fault(harm=Harm.HANG)) == {}


def test_a_zombie_that_acts_after_its_successor_began_does_no_harm() -> None:
    fault = Fault(harm=Harm.HANG, lasts=HANG)
    assert breaches_at_each(SEED, quiet_life(SEED).boundaries[1::7], fault) == {}


@pytest.mark.parametrize("first", [0, 1])
def test_every_message_may_be_lost_once_and_every_start(first: int) -> None:
    """Timers of an actor to itself too, though none is lost while it lives: this job does well without."""
    boundaries = quiet_life(SEED).boundaries
    assert {STARTED, "LookForLost"} < {each.message for each in boundaries if not may_be_lost(each)}
    assert breaches_at_each(SEED, boundaries[first::7], Fault(harm=Harm.LOSE)) == {}


def test_a_stop_that_is_lost_ends_with_the_time_for_it() -> None:
    lost = Nth("/", "Stop", 1, Fault(harm=Harm.LOSE))
    world = World(SEED, wishes=1, parts=lambda parts: replace(parts, faults=lost))
    assert live_through(world) == [LATE]


@pytest.mark.parametrize("seed", [4, 5])
def test_every_start_may_crash_in_other_interleavings_too(seed: int) -> None:
    starts = [boundary for boundary in quiet_life(seed).boundaries if boundary.message == STARTED]
    assert breaches_at_each(seed, starts, Fault(harm=Harm.CRASH)) == {}


def test_the_whole_daemon_may_be_killed_after_any_step() -> None:
    assert breaches_after_each_cut(SEED, Cut(steps=1, blow=Blow.KILL), every=23) == {}


def test_the_daemon_may_be_stopped_after_any_step_also_while_it_starts() -> None:
    assert breaches_after_each_cut(SEED, Cut(steps=1, blow=Blow.STOP), every=31) == {}
