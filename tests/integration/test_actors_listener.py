"""The listener: however often it was restarted, it listens once."""

from pathlib import Path

from tests.support_actors import SOON, Production
from wallet_provisioning.jobs.states import JobStatus


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
