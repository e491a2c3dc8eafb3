"""A job's life with one thing going wrong, at every place where it can: it ends well all the same."""

from datetime import timedelta

import pytest

from tests.simulation.cases import breaches_after_each_cut, breaches_at_each, quiet_life
from tests.simulation.schedules import may_be_lost
from wallet_provisioning.supervision.simfaults import STARTED, Fault, Harm

SEED = 3
HANG = timedelta(seconds=20)


def test_the_life_of_a_job_passes_every_kind_of_actor() -> None:
    boundaries, _ = quiet_life(SEED)
    paths = {boundary.path for boundary in boundaries}
    assert {"/", "writer", "circle", "circle/ETH", "circle/SOL", "jobs", "scheduler", "rescuer"} < paths
    assert {"Started", "Work", "Provision", "CallEnded", "RecordResults", "Recorded", "BatchRecorded"} < {
        boundary.message for boundary in boundaries
    }


@pytest.mark.parametrize("harm", [Harm.CRASH, Harm.CRASH_AFTER, Harm.KILL])
def test_a_crash_at_any_boundary_of_any_actor_costs_nothing(harm: Harm) -> None:
    boundaries, _ = quiet_life(SEED)
    assert breaches_at_each(SEED, boundaries, Fault(harm=harm)) == {}


def test_a_hang_for_ever_at_any_boundary_costs_nothing() -> None:
    boundaries, _ = quiet_life(SEED)
    assert breaches_at_each(SEED, boundaries, Fault(harm=Harm.HANG)) == {}


def test_a_zombie_that_acts_after_its_successor_began_does_no_harm() -> None:
    boundaries, _ = quiet_life(SEED)
    assert breaches_at_each(SEED, boundaries, Fault(harm=Harm.HANG, lasts=HANG)) == {}


def test_every_message_may_be_lost_once() -> None:
    boundaries = [boundary for boundary in quiet_life(SEED)[0] if may_be_lost(boundary)]
    assert breaches_at_each(SEED, boundaries, Fault(harm=Harm.LOSE)) == {}


@pytest.mark.parametrize("seed", [4, 5, 6])
def test_every_start_may_crash_in_other_interleavings_too(seed: int) -> None:
    starts = [boundary for boundary in quiet_life(seed)[0] if boundary.message == STARTED]
    assert breaches_at_each(seed, starts, Fault(harm=Harm.CRASH)) == {}


def test_the_whole_daemon_may_be_killed_after_any_step() -> None:
    assert breaches_after_each_cut(SEED, is_kill=True, every=2) == {}


def test_the_daemon_may_be_stopped_after_any_step_also_while_it_starts() -> None:
    assert breaches_after_each_cut(SEED, is_kill=False, every=4) == {}
