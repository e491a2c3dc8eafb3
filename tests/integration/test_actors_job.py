"""A job actor: how it becomes free again."""

from datetime import timedelta
from pathlib import Path

from tests.support_actors import SOON, Production, heard_spans
from tests.support_store import operate
from wallet_provisioning.jobs.moves import cancel
from wallet_provisioning.jobs.states import JobStatus
from wallet_provisioning.telemetry.events import StaleRefused


def test_those_told_quietly_that_their_job_ended_are_free_at_once(tmp_path: Path) -> None:
    spans = heard_spans()
    with Production(tmp_path) as tree:
        tree.root.inspector.suspend("scheduler")
        jobs = [tree.accept() for _ in range(3)]
        tree.root.inspector.resume("scheduler")
        tree.until(tree.has_status(JobStatus.COMPLETED, *jobs))
        assert len(tree.circle.sent) == 1
        tree.pass_time(SOON)

        assert tree.busy() == []
        ended = [span for span in spans.get_finished_spans() if span.name == "ProcessWalletProvisioningJob"]
        assert [dict(span.attributes or {})["job.status"] for span in ended] == ["success"] * 3
        assert not tree.troubles()


def test_one_whose_end_was_refused_says_itself_that_it_is_free(tmp_path: Path) -> None:
    with Production(tmp_path, job_actors=1) as tree:
        tree.circle.held.add("ETH")
        lost = tree.accept()
        tree.until(tree.is_sent(1))
        operate(tree.database, cancel(lost.id))
        tree.circle.answer_all()
        tree.pass_time(SOON)
        assert tree.busy() == []
        assert [each.what for each in tree.events.of(StaleRefused)] == ["end"]

        following = tree.accept()
        tree.until(tree.has_status(JobStatus.COMPLETED, following), within=timedelta(seconds=5))


def test_one_that_lost_its_lease_says_itself_that_it_is_free(tmp_path: Path) -> None:
    with Production(tmp_path, job_actors=1) as tree:
        tree.circle.held.add("ETH")
        lost = tree.accept()
        tree.until(tree.is_sent(1))
        operate(tree.database, cancel(lost.id))
        tree.until(lambda: tree.busy() == [])
        assert [each.what for each in tree.events.of(StaleRefused)] == ["renew"]

        tree.circle.held.clear()
        following = tree.accept()
        tree.until(tree.has_status(JobStatus.COMPLETED, following), within=timedelta(seconds=5))
