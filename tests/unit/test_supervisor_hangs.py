"""Hung threads: cut off past their deadline, counted, never served again, and uncounted when they end."""

import socket
import threading
from datetime import timedelta

import pytest

from tests.support_supervision import AT_ONCE, Do, Note, Script, Trial, Worker, crash, steps
from wallet_provisioning.clock import ManualClock
from wallet_provisioning.supervision.incidents import ChildEnded, ChildStopped, Incident
from wallet_provisioning.supervision.restarts import Intensity, Restart
from wallet_provisioning.supervision.snapshot import ChildState, EndReason
from wallet_provisioning.supervision.supervisor import Policy

_TOO_LONG = timedelta(seconds=16)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


def hang(trial: Trial, clock: ManualClock, path: str, incarnation: int = 1) -> None:
    """Have a worker hang past its deadline, and the root look."""
    trial.address(path).tell(Do(act=trial.hang))
    trial.noted(path, "hangs", incarnation)
    clock.advance(_TOO_LONG)
    trial.look()


def test_a_hang_in_a_c_call_is_cut_off_and_the_next_incarnation_serves_the_mailbox(
    clock: ManualClock,
) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs, Trial(clock) as trial:
        trial.start(trial.worker("a"))
        trial.address("a").tell(
            steps(
                lambda worker: worker.hold("job 7"),
                lambda worker: worker.note("receives"),
                lambda _worker: theirs.recv(1),
                lambda worker: worker.note("came back"),
            )
        )
        trial.address("a").tell(Note(value=1))
        trial.noted("a", "receives")
        clock.advance(_TOO_LONG)
        trial.look()
        ended = trial.ended("a")

        assert trial.noted("a", 1).incarnation == 2
        assert (ended.reason, ended.message, ended.held) == (EndReason.HANG, "Do", "job 7")
        assert "recv" in ended.stack
        assert "no end of Do within 15 s" in ended.error
        assert trial.root.view("a").zombies == 1
        ours.send(b"!")
        trial.noted("a", "came back", incarnation=1)
        until_no_zombies(trial, "a")
        trial.started("a", 2)
        assert trial.root.view("a").state is ChildState.RUNNING


def until_no_zombies(trial: Trial, path: str) -> None:
    """Wait until every thread that was given up has ended."""
    for thread in threading.enumerate():
        if thread.name == path:
            thread.join(0.2)
    for _ in range(1200):
        if trial.root.view(path).zombies == 0:
            return
        threading.Event().wait(0.05)
    raise AssertionError


def test_a_message_within_its_deadline_is_left_in_peace(clock: ManualClock) -> None:
    with Trial(clock) as trial:
        trial.start(trial.worker("a"))
        trial.address("a").tell(Do(act=trial.hang))
        trial.noted("a", "hangs")
        clock.advance(timedelta(seconds=15))
        trial.look()
        trial.idle("/")
        trial.gate.set()
        trial.address("a").tell(Note(value=1))

        assert trial.noted("a", 1).incarnation == 1


def test_a_zombie_is_never_served_again_and_what_it_reports_is_ignored(clock: ManualClock) -> None:
    with Trial(clock) as trial:
        trial.start(trial.worker("a"))
        trial.address("a").tell(steps(trial.hang, crash(ValueError("too late")).act))
        trial.noted("a", "hangs")
        clock.advance(_TOO_LONG)
        trial.look()
        trial.started("a", 2)
        trial.gate.set()
        for number in range(100):
            trial.address("a").tell(Note(value=number))
        trial.noted("a", 99)
        until_no_zombies(trial, "a")
        trial.idle("/")

        incarnations = {noted.incarnation for noted in trial.notes.all() if isinstance(noted.value, int)}
        assert incarnations == {2}
        assert [heard.reason for heard in trial.heard.all() if isinstance(heard, ChildEnded)] == [
            EndReason.HANG
        ]
        assert trial.root.view("a").incarnation == 2


def test_a_hang_in_started_is_cut_off_too(clock: ManualClock) -> None:
    with Trial(clock) as trial:

        def start(worker: Worker) -> None:
            if worker.life.incarnation == 1:
                trial.hang(worker)

        trial.start(trial.worker("a", Script(started=start)), trial.worker("b"))
        trial.noted("a", "hangs")
        clock.advance(_TOO_LONG)
        trial.look()
        trial.started("b")

        ended = trial.ended("a")
        assert (ended.reason, ended.message) == (EndReason.HANG, None)
        assert "no end of its start" in ended.error
        assert trial.root.view("a").incarnation == 2
        assert trial.root.view("a").zombies == 1


def test_a_temporary_child_that_hangs_in_its_start_does_not_hold_up_the_boot(clock: ManualClock) -> None:
    with Trial(clock) as trial:
        trial.start(
            trial.worker("a", Script(started=trial.hang), restart=Restart.TEMPORARY), trial.worker("b")
        )
        trial.noted("a", "hangs")
        clock.advance(_TOO_LONG)
        trial.look()

        trial.started("b")
        trial.idle("/")
        assert trial.root.view("/").state is ChildState.RUNNING


def test_an_operators_hang_is_found_like_any_other(clock: ManualClock) -> None:
    with Trial(clock) as trial:
        trial.start(trial.worker("a"))
        trial.started("a")
        trial.root.kill("a", hang=True, reason="a test")
        until_busy(trial, "a")
        clock.advance(_TOO_LONG)
        trial.look()

        assert trial.ended("a").message == "Kill"
        trial.started("a", 2)


def until_busy(trial: Trial, path: str) -> None:
    """Wait until an actor has something in hand."""
    for _ in range(2000):
        if trial.root.view(path).working_on is not None:
            return
        threading.Event().wait(0.01)
    raise AssertionError


def test_zombies_up_to_the_limit_are_borne_and_one_more_ends_the_tree(clock: ManualClock) -> None:
    with Trial(clock) as trial:
        trial.start(trial.worker("a"), policy=Policy(delay=AT_ONCE, zombie_limit=2))
        for incarnation in (1, 2):
            hang(trial, clock, "a", incarnation)
            trial.started("a", incarnation + 1)
        trial.idle("/")
        assert trial.root.view("a").zombies == 2
        assert trial.ends.all() == []
        hang(trial, clock, "a", 3)
        (why,) = trial.ends.wait_until(bool)

        assert why is not None
        assert "3 threads below / hang" in why


def test_zombies_are_counted_over_the_whole_tree_and_restart_nobody(clock: ManualClock) -> None:
    with Trial(clock) as trial:
        low = Policy(delay=AT_ONCE, zombie_limit=0)
        trial.start(
            trial.supervisor("one", trial.worker("a"), policy=low),
            trial.supervisor("two", trial.worker("b"), policy=low),
            policy=Policy(delay=AT_ONCE, zombie_limit=1),
        )
        trial.started("two")
        for supervisor, worker in (("one", "one/a"), ("two", "two/b")):
            trial.address(worker).tell(Do(act=trial.hang))
            trial.noted(worker, "hangs")
            for path in ("/", "one", "two"):
                trial.idle(path)
            clock.advance(_TOO_LONG)
            trial.look(supervisor)
            trial.started(worker, 2)
            assert trial.ends.all() == []
            trial.look()
        (why,) = trial.ends.wait_until(bool)

        assert why is not None
        assert "2 threads below / hang" in why
        assert [trial.root.view(path).incarnation for path in ("one", "two")] == [1, 1]


def test_a_hang_spends_restart_intensity(clock: ManualClock) -> None:
    policy = Policy(delay=AT_ONCE, intensity=Intensity(limit=0))
    with Trial(clock) as trial:
        trial.start(trial.worker("a"), policy=policy)
        hang(trial, clock, "a")

        assert trial.ends.wait_until(bool) != [None]


def test_a_hang_over_a_stop_counts_as_the_stop(clock: ManualClock) -> None:
    with Trial(clock) as trial:
        trial.start(trial.worker("a"), trial.worker("b", drain=timedelta(minutes=10)))
        trial.started("b")
        trial.address("b").tell(Do(act=trial.hang))
        trial.noted("b", "hangs")
        trial.root.stop()
        trial.idle("/")
        clock.advance(_TOO_LONG)
        trial.look()

        assert trial.ends.wait_until(bool) == [None]
        assert trial.ended("b").reason is EndReason.HANG


def test_looks_do_not_multiply_however_often_the_supervisor_is_replaced(clock: ManualClock) -> None:
    with Trial(clock) as trial:
        trial.start(trial.supervisor("sub", trial.worker("b")))
        for incarnation in range(1, 11):
            trial.started("sub", incarnation)
            trial.look("sub")
            trial.root.kill("sub", hang=False, reason="a test")
        trial.started("sub", 11)
        trial.idle("sub")

        for _ in range(1200):
            if count_timers(trial) <= 2:
                return
            threading.Event().wait(0.05)
    raise AssertionError


def count_timers(trial: Trial) -> int:
    """Return how many timers of the runtime have not rung and were not taken back."""
    counted: list[int] = []
    done = threading.Event()

    def count() -> None:
        timers = trial.runtime.loop._scheduled  # type: ignore[attr-defined] # asyncio's heap of timers
        counted.append(sum(not timer.cancelled() for timer in timers))
        done.set()

    trial.runtime.loop.call_soon_threadsafe(count)
    assert done.wait(20)
    return counted[0]


# A supervisor that hangs.


def test_a_supervisor_that_hangs_is_replaced_and_its_children_go_on(clock: ManualClock) -> None:
    with Trial(clock) as trial:
        trial.start(trial.supervisor("sub", trial.worker("b")))
        trial.started("sub")
        trial.root.kill("sub", hang=True, reason="a test")
        until_busy(trial, "sub")
        clock.advance(_TOO_LONG)
        trial.look()
        trial.started("sub", 2)
        trial.address("sub/b").tell(Note(value=1))
        assert trial.noted("sub/b", 1).incarnation == 1
        trial.address("sub/b").tell(crash(ValueError()))

        trial.started("sub/b", 2)


def test_a_deposed_supervisor_that_wakes_up_changes_nothing(clock: ManualClock) -> None:
    """It hangs in its observer, in the middle of a restart; its successor does that restart."""
    wakes = threading.Event()
    asleep = threading.Event()

    class Slow(Trial):
        def supervisor_observes(self, incident: Incident) -> None:
            self.heard.note(incident)
            if isinstance(incident, ChildStopped) and incident.path == "sub/b" and not asleep.is_set():
                asleep.set()
                wakes.wait(60)

    with Slow(clock) as trial:
        trial.observe = trial.supervisor_observes
        trial.start(trial.supervisor("sub", trial.worker("b"), trial.worker("c")))
        trial.started("sub")
        trial.root.stop_one("sub/b")
        assert asleep.wait(20)
        assert trial.root.view("sub/b").state is ChildState.STARTING
        clock.advance(_TOO_LONG)
        trial.look()
        trial.started("sub", 2)
        trial.address("sub/b").tell(Note(value=1))
        served = trial.noted("sub/b", 1).incarnation
        wakes.set()
        until_no_zombies(trial, "sub")
        trial.address("sub/b").tell(Note(value=2))

        assert trial.noted("sub/b", 2).incarnation == served
        assert trial.root.view("sub/b").incarnation == served
        starts = [n.incarnation for n in trial.notes.all() if (n.path, n.value) == ("sub/b", "started")]
        assert starts == [1, served]


def test_a_root_that_hangs_is_noticed_from_outside(clock: ManualClock) -> None:
    with Trial(clock) as trial:
        trial.start(trial.worker("a"))
        trial.started("a")
        trial.root.kill("/", hang=True, reason="a test")
        until_busy(trial, "/")
        trial.root.look()
        assert trial.ends.all() == []
        clock.advance(_TOO_LONG)
        trial.root.look()
        trial.root.look()
        (why,) = trial.ends.all()

        assert why is not None
        assert "no end of Kill" in why
