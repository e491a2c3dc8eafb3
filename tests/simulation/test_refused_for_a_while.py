"""Circle refuses every call with 429 for a while, at the settings' defaults: no job fails from it."""

from datetime import timedelta
from pathlib import Path
from random import Random

import pytest

from tests.simulation.circle import Fate
from tests.simulation.plain import MINUTE, SECOND, PlainWorld, open_plain
from wallet_provisioning.http.circle.protocol import Call
from wallet_provisioning.telemetry.events import CircleCalled

JOBS = 50


@pytest.mark.parametrize(("fate", "begins"), [(Fate.LIMITED, timedelta()), (Fate.LIMITED_FOR, 10 * SECOND)])
def test_a_minute_of_refusals_costs_at_most_one_attempt_more(
    tmp_path: Path, fate: Fate, begins: timedelta
) -> None:
    def refuse(call: Call, now: timedelta, chance: Random) -> Fate:
        del call, chance
        return fate if begins <= now < begins + MINUTE else Fate.WELL

    with open_plain(tmp_path, refuse) as world:
        for number in range(JOBS):
            world.ask_at(number * SECOND / 2)
        world.pass_until(begins + 3 * MINUTE)

        world.assert_all_done(JOBS)
        assert set(world.attempts()) == {1, 2}
        # Ten a second may go. While the gate is shut nobody asks, so few calls met a refusal.
        assert 1 <= len(refusals(world)) <= MINUTE / (2 * SECOND)


def test_twenty_minutes_of_refusals_fail_no_job_though_circle_asks_for_seconds(tmp_path: Path) -> None:
    lasting, jobs = 20 * MINUTE, 20

    def refuse(call: Call, now: timedelta, chance: Random) -> Fate:
        del call, chance
        return Fate.LIMITED_FOR if now < lasting else Fate.WELL

    with open_plain(tmp_path, refuse) as world:
        for number in range(jobs):
            world.ask_at(number * SECOND)
        world.pass_until(lasting + 20 * MINUTE)

        world.assert_all_done(jobs)
        # Asked again each three seconds, they would have been refused twenty times as often.
        assert len(refusals(world)) <= 50


def refusals(world: PlainWorld) -> list[CircleCalled]:
    return [each for each in world.events if isinstance(each, CircleCalled) and each.http_status == 429]
