"""Progress: what counts as late, and what as a standstill."""

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.samples import an_actor
from wallet_provisioning.actors.listener import ECHO
from wallet_provisioning.actors.shared import Shared
from wallet_provisioning.clock import ManualClock
from wallet_provisioning.daemon.progress import Progress, ProgressOptions
from wallet_provisioning.supervision.snapshot import ActorView, Work
from wallet_provisioning.telemetry.events import TransactionEnded

MINUTE = timedelta(minutes=1)
POLL = timedelta(seconds=30)


TREE = {path: an_actor(path) for path in ("/", "writer", "scheduler", "jobs/1")}


class Desk:
    """A progress on a manual clock."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.shared = Shared()
        options = ProgressOptions(poll_interval=POLL, lease=POLL, hears_itself=True)
        self.progress = Progress(self.shared, options, self.clock)

    def commit(self, reason: str, outcome: str = "committed") -> None:
        self.progress.hear(TransactionEnded(reason=reason, outcome=outcome, duration=timedelta()))

    def fails(self, *actors: ActorView) -> set[str]:
        tree = {**TREE, **{actor.path: actor for actor in actors}}
        return {name for name, check in self.progress.checks(tree.values()).items() if not check.ok}


@pytest.fixture
def desk() -> Desk:
    return Desk()


def busy(path: str, since: timedelta, subject: object = None) -> ActorView:
    work = Work(message="Do", subject=subject, since=since)
    return replace(TREE[path], working_on=work)


def test_a_daemon_that_has_just_begun_is_well(desk: Desk) -> None:
    assert desk.fails() == set()
    assert desk.progress.stalled(TREE["/"]) is None


def test_rounds_that_do_not_come_are_late(desk: Desk) -> None:
    desk.clock.advance(timedelta(minutes=5))
    assert desk.fails() == {"claims", "orders", "listening"}
    now = desk.clock.monotonic()
    for name in ("scheduler", "orders", ECHO):
        desk.shared.pulse.mark(name, now)
    assert desk.fails() == set()


@pytest.mark.parametrize(("path", "check"), [("scheduler", "claims"), ("writer", "results")])
def test_an_actor_that_hangs_fails_its_check_and_is_named(desk: Desk, path: str, check: str) -> None:
    assert desk.fails(busy(path, timedelta(seconds=29))) == set()
    assert desk.fails(busy(path, MINUTE)) == {check}
    assert desk.fails(replace(TREE[path], oldest_message_age=MINUTE)) == {check}


def test_a_lease_that_is_not_renewed_in_time_is_noticed(desk: Desk) -> None:
    held = busy("jobs/1", MINUTE, subject="a job")
    desk.clock.advance(MINUTE)
    assert "leases" in desk.fails(held)
    assert "leases" not in desk.fails(busy("jobs/1", timedelta(seconds=1), subject="a job"))
    desk.commit("renew_lease", outcome="unavailable")
    assert "leases" in desk.fails(held)
    desk.commit("renew_lease")
    assert "leases" not in desk.fails(held)


def test_the_last_commits_are_told(desk: Desk) -> None:
    desk.commit("record_results")
    desk.clock.advance(timedelta(seconds=4))
    checks = desk.progress.checks(TREE.values())
    assert checks["results"].detail == "last commit 4.0 s ago, 0 messages wait"
    assert checks["claims"].detail.endswith("last claim none yet")


def test_a_root_that_hangs_or_a_loop_that_looks_no_more_is_a_standstill(desk: Desk) -> None:
    desk.progress.looked()
    assert desk.progress.stalled(busy("/", MINUTE)) == "/ has been busy with Do for 60.0 s"
    assert desk.progress.stalled(TREE["/"]) is None
    desk.clock.advance(MINUTE)
    assert desk.progress.stalled(TREE["/"]) == "nobody has looked after the tree for 60.0 s"
