"""One thing going wrong inside a handler: before or after a message, a commit, or work that is handed over.

Some of the places; `python -m tests.simulation --everywhere` goes through all of them.
"""

from datetime import timedelta

import pytest

from tests.simulation.cases import breaches_at_each_point, quiet_life, small_world
from tests.simulation.lives import live_through
from wallet_provisioning.supervision.simfaults import Fault, Harm

SEED = 3
SECOND = timedelta(seconds=1)
LATE, TOO_LATE = 5 * SECOND, 20 * SECOND


def test_the_points_of_a_hook_are_its_messages_its_commits_and_the_work_it_hands_over() -> None:
    points = {point for passed in quiet_life(SEED).points.values() for point in passed}
    assert {
        "begin claim_jobs",
        "commit claim_jobs",
        "committed claim_jobs",
        "tell Work to jobs/1",
        "told Work to jobs/1",
        "begin open_request",
        "committed open_request",
        "submit",
        "submitted",
        "tell RecordResults to writer",
        "begin record_results",
        "committed record_results",
        "tell Finished to scheduler",
        "told BatchRecorded to circle/ETH",
    } < points


def test_a_crash_inside_any_hook_costs_nothing() -> None:
    assert breaches_at_each_point(SEED, Fault(harm=Harm.CRASH), every=14) == {}


def test_the_daemon_may_be_killed_inside_any_hook() -> None:
    assert breaches_at_each_point(SEED, Fault(harm=Harm.DIE), first=1, every=14) == {}


@pytest.mark.parametrize("lasts", [LATE, TOO_LATE, None])
def test_a_hook_may_stand_still_in_the_middle_for_a_time_or_for_ever(lasts: timedelta | None) -> None:
    assert breaches_at_each_point(SEED, Fault(harm=Harm.HANG, lasts=lasts), first=2, every=29) == {}


@pytest.mark.parametrize("harm", [Harm.DIE, Harm.HANG])
def test_between_a_commit_and_what_is_told_of_it_is_no_worse_than_elsewhere(harm: Harm) -> None:
    fault = Fault(harm=harm, lasts=TOO_LATE if harm is Harm.HANG else None)
    assert breaches_at_each_point(SEED, fault, only="committed", every=3) == {}


def test_a_hook_that_stands_still_replays_by_its_seed() -> None:
    boundary = next(each for each in quiet_life(SEED).boundaries if each.message == "Provision")
    place = {(boundary.path, boundary.number): Fault(harm=Harm.HANG, at=1, lasts=TOO_LATE)}

    def digest() -> str:
        world = small_world(SEED, place)
        assert live_through(world) == []
        assert world.befell()["actor hang inside"] == 1
        return world.digest

    assert digest() == digest()
