"""The listener: however often it was restarted, it listens once."""

from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from tests.support_actors import SOON, Production
from wallet_provisioning.actors.listener import ECHO
from wallet_provisioning.jobs.states import JobStatus
from wallet_provisioning.store.daemons import Presence
from wallet_provisioning.telemetry.events import JobsClaimed


def test_after_many_restarts_one_waits_for_the_next_announcement(tmp_path: Path) -> None:
    with Production(tmp_path) as tree:
        for _ in range(5):
            tree.kill("listener")
        for _ in range(2):
            tree.ear.announce()
            tree.pass_time(SOON)
            assert len(tree.ear.waiting) == 1
        assert not tree.troubles()


def test_an_announcement_after_a_restart_is_passed_on(tmp_path: Path) -> None:
    with Production(tmp_path) as tree:
        tree.kill("listener")
        job = tree.accept(is_told=False)
        tree.pass_time(SOON)
        assert tree.has_status(JobStatus.QUEUED, job)()
        tree.ear.announce()

        tree.until(tree.has_status(JobStatus.COMPLETED, job), within=SOON)


def test_of_a_flood_of_announcements_the_first_is_passed_on_at_once_and_the_rest_as_one(
    tmp_path: Path,
) -> None:
    with Production(tmp_path) as tree:
        tree.pass_time(SOON)
        before, announced_at = claims(tree), tree.clock.monotonic()
        tree.ear.announce("")
        tree.until(lambda: claims(tree) > before, within=SOON)
        assert tree.clock.monotonic() == announced_at
        for _ in range(1000):
            tree.ear.announce("")
        tree.pass_time(SOON)
        assert claims(tree) == before + 2


@pytest.mark.parametrize(("living", "rest_ms"), [(1, 20), (3, 20), (12, 80), (10_000, 250)])
def test_the_more_daemons_live_the_longer_each_rests(tmp_path: Path, living: int, rest_ms: int) -> None:
    with Production(tmp_path) as tree:
        tree.shared.census.count = living
        before, began = claims(tree), tree.clock.monotonic()
        while claims(tree) < before + 100:
            tree.ear.announce("")
            tree.pass_time(timedelta(milliseconds=1))
        rest = (tree.clock.monotonic() - began) / 100
        assert 0.7 * rest_ms < rest / timedelta(milliseconds=1) < 1.7 * rest_ms


def test_what_is_heard_together_is_told_apart(tmp_path: Path) -> None:
    presence = Presence(boot_id=uuid4(), version="1", environment="test", hostname="here")
    with Production(tmp_path, presence=presence) as tree:
        tree.pass_time(SOON)
        heard_at, before = tree.shared.pulse.at(ECHO), claims(tree)
        tree.ear.announce(str(uuid4()))
        tree.pass_time(SOON)
        assert (tree.shared.pulse.at(ECHO), claims(tree)) == (heard_at, before)
        tree.ear.waiting.clear()
        for what in ("", "controls", str(presence.boot_id)):
            tree.ear.announce(what)
        tree.kill("listener")
        tree.pass_time(SOON)
        assert tree.shared.pulse.at(ECHO) != heard_at
        assert claims(tree) > before


def claims(tree: Production) -> int:
    return len(tree.events.of(JobsClaimed))
