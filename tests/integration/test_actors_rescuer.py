"""The rescuer: what it heard of the dead it settles, be it later."""

from pathlib import Path

from tests.support_actors import SOON, Production
from tests.support_store import LEASE, actions, timeline
from wallet_provisioning.jobs.states import JobStatus


def test_a_job_whose_actor_dies_in_an_outage_is_returned_when_the_store_is_back(tmp_path: Path) -> None:
    with Production(tmp_path) as tree:
        tree.circle.held.add("ETH")
        job = tree.accept()
        tree.until(tree.is_sent(1))
        tree.database.is_away = True
        tree.kill(tree.busy()[0])
        assert tree.database.tried_in_vain["return_after_crash"] >= 1
        tree.database.is_away = False
        tree.until(lambda: tree.job(job).crash_count == 1, within=LEASE / 6)
        tree.circle.answer_all()

        tree.until(tree.has_status(JobStatus.COMPLETED, job), within=LEASE / 6)
        assert actions(tree.database, job.id).count("provision_start") == 2
        assert not tree.troubles()


def test_what_its_predecessor_did_not_settle_is_found_by_its_lease(tmp_path: Path) -> None:
    with Production(tmp_path) as tree:
        tree.circle.held.add("ETH")
        job = tree.accept()
        tree.until(tree.is_sent(1))
        tree.database.is_away = True
        tree.kill(tree.busy()[0])
        tree.kill("rescuer")
        tree.database.is_away = False
        tree.pass_time(SOON)
        assert tree.busy() == []
        tree.until(lambda: len(tree.busy()) == 1, within=2 * LEASE)
        tree.circle.answer_all()

        tree.until(tree.has_status(JobStatus.COMPLETED, job), within=LEASE / 6)
        assert set(tree.circle.made.values()) == {1}


def test_the_audit_of_a_crash_with_a_job_in_hand_says_what_the_actor_died_of(tmp_path: Path) -> None:
    with Production(tmp_path) as tree:
        tree.circle.held.add("ETH")
        job = tree.accept()
        tree.until(tree.is_sent(1))
        path = tree.busy()[0]
        tree.kill(path)
        tree.until(lambda: tree.job(job).crash_count == 1, within=LEASE / 6)
        (row,) = (row for row in timeline(tree.database, job.id) if row.action.endswith("actor_crashed"))
        crash = row.changes["after"]["crash"]

        assert (crash["path"], crash["incarnation"], crash["reason"]) == (path, 1, "crash")
        assert (crash["message"], crash["shown"]) == ("Kill", "Kill(hang, reason)")
        assert "by order of the test" in crash["stack"]
        assert "trace_id" in crash
