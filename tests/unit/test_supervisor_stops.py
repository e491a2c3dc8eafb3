"""Shutdown: its order, children that drain in time and such that don't, stops at awkward moments."""

import threading
from datetime import timedelta

import pytest

from tests.support_supervision import AT_ONCE, Note, Script, Trial, Worker, busy, crash, steps
from wallet_provisioning.supervision.incidents import ChildEnded, Undeliverable
from wallet_provisioning.supervision.life import Stopped
from wallet_provisioning.supervision.restarts import Strategy
from wallet_provisioning.supervision.snapshot import ChildState, EndReason
from wallet_provisioning.supervision.supervisor import Policy

_SHORT = timedelta(milliseconds=20)
_LONG = timedelta(minutes=1)


def never(_worker: Worker) -> bool:
    """Say that there is always something left."""
    return False


def stops(trial: Trial) -> list[str]:
    """Return which workers stopped, in order."""
    return [noted.path for noted in trial.notes.all() if noted.value == "stopped"]


def test_a_tree_stops_in_the_reverse_order_of_its_start() -> None:
    with Trial() as trial:
        inner = trial.supervisor("sub", trial.worker("b"), trial.worker("c"))
        trial.start(trial.worker("a"), inner, trial.worker("d"))
        trial.started("d")
        trial.root.stop()
        assert trial.ends.wait_until(bool) == [None]

        assert stops(trial) == ["d", "sub/c", "sub/b", "a"]
        assert {view.state for view in trial.root.views()} == {ChildState.STOPPED}


def test_a_child_is_not_asked_to_stop_before_the_one_after_it_has_stopped() -> None:
    gate = threading.Event()
    with Trial() as trial:
        trial.start(trial.worker("a"), trial.worker("b", drain=_LONG))
        trial.started("b")
        trial.address("b").tell(busy(gate))
        trial.noted("b", "busy")
        trial.root.stop()
        trial.address("a").tell(Note(value=1))
        trial.noted("a", 1)

        assert trial.root.view("a").state is ChildState.RUNNING
        gate.set()


def test_children_that_stop_together_are_all_asked_at_once() -> None:
    all_asked = threading.Barrier(3)
    script = Script(stopping=lambda _worker: all_asked.wait(20))
    with Trial() as trial:
        trial.start(
            *(trial.worker(name, script, drain=_LONG) for name in "abc"), policy=Policy(stops_together=True)
        )
        trial.started("c")
        trial.root.stop()

        assert trial.ends.wait_until(bool) == [None]
        assert sorted(stops(trial)) == ["a", "b", "c"]


def test_a_child_that_is_not_drained_in_time_is_stopped_at_once_in_good_order() -> None:
    with Trial() as trial:
        trial.start(trial.worker("a"), trial.worker("b", Script(is_drained=never), drain=_SHORT))
        trial.started("b")
        trial.root.stop()

        assert trial.ends.wait_until(bool) == [None]
        assert stops(trial) == ["b", "a"]
        assert not any(isinstance(heard, ChildEnded) for heard in trial.heard.all())


def test_a_child_that_hangs_over_its_stop_is_given_up_and_told_of() -> None:
    gate = threading.Event()
    with Trial() as trial:
        trial.start(trial.worker("a"), trial.worker("b", drain=_SHORT))
        trial.started("b")
        trial.address("b").tell(busy(gate))
        trial.noted("b", "busy")
        trial.root.stop()
        assert trial.ends.wait_until(bool) == [None]
        ended = trial.ended("b")

        assert stops(trial) == ["a"]
        assert (ended.reason, ended.message) == (EndReason.HANG, "Do")
        assert "gate.wait" in ended.stack
        assert trial.root.view("b").zombies == 1
        gate.set()


def test_a_subtree_that_does_not_drain_in_time_is_taken_down_with_all_below() -> None:
    gate = threading.Event()
    with Trial() as trial:
        inner = trial.supervisor(
            "sub", trial.worker("b"), trial.worker("c", Script(is_drained=never), drain=_LONG), drain=_SHORT
        )
        trial.start(trial.worker("a"), inner)
        trial.started("sub")
        trial.address("sub/c").tell(busy(gate))
        trial.noted("sub/c", "busy")
        trial.address("sub/c").tell(Note(value=1))
        trial.root.stop()
        assert trial.ends.wait_until(bool) == [None]

        assert trial.ended("sub/c").reason is EndReason.HANG
        assert Undeliverable(path="sub/c", message="Note") in trial.heard.all()
        trial.address("sub/b").tell(Note(value=2))
        assert Undeliverable(path="sub/b", message="Note") in trial.heard.all()
        assert {view.state for view in trial.root.views()} == {ChildState.STOPPED}
        gate.set()


def test_a_child_that_crashes_while_it_drains_has_stopped_too() -> None:
    gate = threading.Event()
    with Trial() as trial:
        trial.start(trial.worker("a"), trial.worker("b", Script(is_drained=never), drain=_LONG))
        trial.started("b")
        trial.root.stop()
        trial.noted("b", "stopping")
        trial.address("b").tell(crash(ValueError()))

        assert trial.ends.wait_until(bool) == [None]
        assert stops(trial) == ["a"]
        assert trial.root.view("b").incarnation == 1
        gate.set()


def test_a_child_whose_turn_has_not_come_may_crash_and_is_not_restarted() -> None:
    gate = threading.Event()
    with Trial() as trial:
        trial.start(trial.worker("a"), trial.worker("b", drain=_LONG))
        trial.started("b")
        trial.address("b").tell(busy(gate))
        trial.noted("b", "busy")
        trial.root.stop()
        trial.idle("/")
        trial.address("a").tell(crash(ValueError()))
        trial.ended("a")
        gate.set()

        assert trial.ends.wait_until(bool) == [None]
        assert trial.root.view("a").incarnation == 1


def test_a_stop_while_a_child_starts_lets_it_start_and_stops_it() -> None:
    gate = threading.Event()
    with Trial() as trial:
        trial.start(
            trial.worker("a"),
            trial.worker("b", Script(started=busy(gate).act), drain=_LONG),
            trial.worker("c"),
        )
        trial.noted("b", "busy")
        trial.root.stop()
        trial.idle("/")
        gate.set()

        assert trial.ends.wait_until(bool) == [None]
        assert stops(trial) == ["b", "a"]
        assert trial.root.view("c").incarnation == 0


def test_a_stop_in_the_middle_of_a_common_restart_starts_nothing_more() -> None:
    gate = threading.Event()
    with Trial() as trial:
        trial.start(
            trial.worker("a"),
            trial.worker("b"),
            trial.worker("c", drain=_LONG),
            policy=Policy(strategy=Strategy.ONE_FOR_ALL, delay=AT_ONCE),
        )
        trial.started("c")
        trial.address("c").tell(busy(gate))
        trial.noted("c", "busy")
        trial.address("a").tell(crash(ValueError()))
        trial.ended("a")
        trial.root.stop()
        trial.idle("/")
        gate.set()

        assert trial.ends.wait_until(bool) == [None]
        assert [view.incarnation for view in trial.root.views()] == [1, 1, 1, 1]


def test_an_empty_supervisor_starts_and_stops() -> None:
    with Trial() as trial:
        trial.start(trial.supervisor("sub"))
        trial.started("sub")
        trial.root.stop()

        assert trial.ends.wait_until(bool) == [None]


def test_a_stop_that_was_not_read_does_not_stop_the_next_incarnation() -> None:
    """The child dies over the message in hand while its stop, sent for a common restart, still waits."""
    gate = threading.Event()

    with Trial() as trial:
        trial.start(
            trial.worker("a"),
            trial.worker("b", drain=_LONG),
            policy=Policy(strategy=Strategy.ONE_FOR_ALL, delay=AT_ONCE),
        )
        trial.started("b")
        trial.address("b").tell(steps(busy(gate).act, crash(ValueError()).act))
        trial.noted("b", "busy")
        trial.address("a").tell(crash(ValueError()))
        trial.ended("a")
        trial.idle("/")
        gate.set()
        trial.started("b", 2)
        trial.address("b").tell(Note(value=1))
        trial.noted("b", 1)

        assert trial.root.view("b").incarnation == 2
        assert "stopping" not in trial.values("b", str)


@pytest.mark.parametrize("times", [1, 3])
def test_stopping_more_than_once_is_stopping_once(times: int) -> None:
    with Trial() as trial:
        trial.start(trial.worker("a"))
        for _ in range(times):
            trial.root.stop()

        assert trial.ends.wait_until(bool) == [None]


def test_the_end_of_the_root_by_a_crash_takes_the_tree_down() -> None:
    with Trial() as trial:
        trial.start(trial.worker("a"), trial.supervisor("sub", trial.worker("b")))
        trial.started("sub")
        trial.root.kill("/", hang=False, reason="a test")
        (why,) = trial.ends.wait_until(bool)

        assert why == "the root supervisor ended: KilledError: a test"
        assert {view.state for view in trial.root.views()} == {ChildState.STOPPED}
        trial.address("sub/b").tell(Note(value=1))
        assert Undeliverable(path="sub/b", message="Note") in trial.heard.all()


def test_the_end_is_told_once_though_it_is_reported_twice() -> None:
    with Trial() as trial:
        trial.start(trial.worker("a"))
        trial.root.stop()
        trial.ends.wait_until(bool)
        trial.root._take_report(Stopped(child="/", incarnation=1))

        assert trial.ends.all() == [None]


def test_telling_the_root_to_stop_alone_ends_the_tree_as_a_crash() -> None:
    with Trial() as trial:
        trial.start(trial.worker("a"))
        trial.started("a")
        trial.root.stop_one("/")

        assert trial.ends.wait_until(bool) != [None]


def test_a_stopped_tree_leaves_no_dead_letters_of_its_own() -> None:
    with Trial() as trial:
        trial.start(trial.worker("a"), trial.supervisor("sub", trial.worker("b")))
        trial.started("sub")
        trial.look("sub")
        trial.look()
        trial.root.stop()
        trial.ends.wait_until(bool)

        assert not any(isinstance(heard, Undeliverable) for heard in trial.heard.all())
