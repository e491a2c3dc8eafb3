"""The sealer and the sweeper: off the path of the jobs, with no loss when they crash or the store is away."""

from datetime import timedelta
from pathlib import Path
from uuid import uuid4

from tests.support_actors import SOON, Production
from tests.support_store import accept, request
from wallet_provisioning.actors.housekeeping import Housekeeping
from wallet_provisioning.actors.sealer import SEAL_EVERY
from wallet_provisioning.actors.sweeper import SweeperOptions
from wallet_provisioning.jobs.states import JobStatus
from wallet_provisioning.store import reports
from wallet_provisioning.store.signing import Signer, new_secret_key
from wallet_provisioning.store.verifying import Verified, verify_audit
from wallet_provisioning.telemetry.events import AuditSealed, RetentionSwept

SIGNER = Signer(new_secret_key())
DAY = timedelta(days=1)
SEALED = Housekeeping(signer=SIGNER)
EVERY = timedelta(minutes=1)
SWEPT = Housekeeping(signer=SIGNER, sweeper=SweeperOptions(jobs=DAY, audit=DAY, signer=SIGNER, every=EVERY))


def verify(tree: Production) -> Verified:
    return verify_audit(tree.database, [SIGNER.public_key])


def finish_one(tree: Production) -> None:
    job = tree.accept()
    tree.until(tree.has_status(JobStatus.COMPLETED, job))


def test_without_a_key_or_a_retention_nobody_keeps_house(tmp_path: Path) -> None:
    with Production(tmp_path) as tree:
        paths = {view.path for view in tree.root.views()}
        assert not paths & {"bookkeeper", "sealer", "sweeper"}


def test_what_the_jobs_leave_is_sealed_within_half_a_minute(tmp_path: Path) -> None:
    with Production(tmp_path, housekeeping=SEALED) as tree:
        finish_one(tree)
        tree.pass_time(SEAL_EVERY + SOON)

        found = verify(tree)
        assert (found.breach, found.unsealed) == (None, 0)
        assert found.head == tree.events.of(AuditSealed)[-1].head
        assert not tree.troubles()


def test_a_sealer_that_was_killed_goes_on_from_the_last_seal(tmp_path: Path) -> None:
    with Production(tmp_path, housekeeping=SEALED) as tree:
        finish_one(tree)
        tree.pass_time(SEAL_EVERY)
        finish_one(tree)
        tree.kill("sealer")
        tree.pass_time(SEAL_EVERY + SOON)

        found = verify(tree)
        assert (found.breach, found.unsealed) == (None, 0)
        assert found.seals >= 2


def test_an_outage_postpones_the_sealing(tmp_path: Path) -> None:
    with Production(tmp_path, housekeeping=SEALED) as tree:
        finish_one(tree)
        tree.database.is_away = True
        tree.pass_time(SEAL_EVERY + SOON)
        assert tree.database.tried_in_vain["seal_audit"] >= 1
        tree.database.is_away = False
        tree.pass_time(SEAL_EVERY + SOON)

        assert verify(tree).unsealed == 0
        assert not tree.troubles()


def test_what_is_past_its_time_goes_and_the_audit_stays_whole(tmp_path: Path) -> None:
    with Production(tmp_path, housekeeping=SWEPT) as tree:
        user = uuid4()
        first = tree.accept(user)
        tree.until(tree.has_status(JobStatus.COMPLETED, first))
        second = accept(tree.database, request(user, ("SOL",))).job
        tree.pass_time(SEAL_EVERY + SOON)
        assert _jobs(tree) == {first.id, second.id}

        tree.clock.advance(DAY)
        tree.pass_time(2 * EVERY)

        assert _jobs(tree) == {second.id}
        swept = {event.what: event.count for event in tree.events.of(RetentionSwept)}
        assert swept["jobs"] == 1
        assert swept["audit_rows"] >= 1
        found = verify(tree)
        assert found.breach is None
        assert found.removed >= 1
        assert not tree.troubles()


def _jobs(tree: Production) -> set[object]:
    with tree.database.read() as connection:
        return {job.id for job in reports.list_jobs(connection, reports.JobFilter(), limit=50).items}
