"""A mailbox stays open for as long as its child may come back, whoever above it goes down and returns."""

import asyncio
import threading
from collections.abc import Callable
from datetime import timedelta

import pytest

from tests.support_supervision import AT_ONCE, Do, Note, Script, Trial, Worker, busy, crash
from wallet_provisioning.supervision.incidents import ChildEnded, ChildStopped, Incident, Undeliverable
from wallet_provisioning.supervision.orders import (
    AddChild,
    Added,
    Refused,
    RemoveChild,
    Removed,
    RestartChild,
)
from wallet_provisioning.supervision.places import Places
from wallet_provisioning.supervision.reply import Reply
from wallet_provisioning.supervision.restarts import Intensity, Restart, Strategy
from wallet_provisioning.supervision.snapshot import EndReason
from wallet_provisioning.supervision.supervisor import Policy

_LONG = timedelta(minutes=1)


def lost(trial: Trial) -> list[Incident]:
    return [heard for heard in trial.heard.all() if isinstance(heard, Undeliverable)]


def when_stopped(trial: Trial, path: str, act: Callable[[], object]) -> None:
    """Do something at the very moment at which an actor has stopped and has no successor yet."""

    def hear(incident: Incident) -> None:
        if isinstance(incident, ChildStopped) and incident.path == path:
            act()
        trial.heard.note(incident)

    trial.observe = hear


def restart_of(name: str) -> Callable[[Trial], None]:
    """Have the root restart a child by request."""

    def act(trial: Trial) -> None:
        loop = asyncio.new_event_loop()
        trial.order("/").tell(RestartChild(child=name, reply=Reply(loop)))
        loop.close()

    return act


@pytest.mark.parametrize(
    "go_down",
    [restart_of("sub"), lambda trial: trial.root.stop_one("sub")],
    ids=["restarted by request", "stopped by an operator"],
)
def test_what_children_are_told_while_their_supervisor_is_down_waits_for_them(
    go_down: Callable[[Trial], None],
) -> None:
    paths = ("sub/a", "sub/deep/b")

    def tell_all() -> None:
        for path in paths:
            trial.address(path).tell(Note(value=1))

    with Trial() as trial:
        inner = trial.supervisor("sub", trial.worker("a"), trial.supervisor("sub/deep", trial.worker("b")))
        when_stopped(trial, "sub", tell_all)
        trial.start(inner)
        trial.started("sub")
        go_down(trial)

        for path in paths:
            trial.noted(path, 1, incarnation=2)
        assert lost(trial) == []


def test_a_backlog_survives_the_restart_of_the_supervisor_above() -> None:
    gate = threading.Event()
    with Trial() as trial:
        trial.start(trial.supervisor("sub", trial.worker("a", drain=_LONG)))
        trial.started("sub")
        trial.address("sub/a").tell(busy(gate))
        trial.noted("sub/a", "busy")
        for number in range(3):
            trial.address("sub/a").tell(Note(value=number))
        restart_of("sub")(trial)
        trial.idle("/")
        trial.idle("sub")
        gate.set()
        trial.noted("sub/a", 2, incarnation=2)

        assert trial.values("sub/a") == [0, 1, 2]
        assert lost(trial) == []


@pytest.mark.parametrize("strategy", [Strategy.ONE_FOR_ALL, Strategy.REST_FOR_ONE])
def test_siblings_that_are_restarted_along_keep_what_they_are_told(strategy: Strategy) -> None:
    gate = threading.Event()
    with Trial() as trial:
        trial.start(
            trial.worker("a"),
            trial.worker("b", Script(is_drained=lambda _worker: gate.is_set()), drain=_LONG),
            trial.worker("c"),
            trial.supervisor("sub", trial.worker("d")),
            policy=Policy(strategy=strategy, delay=AT_ONCE),
        )
        trial.started("sub")
        trial.address("a").tell(crash(ValueError()))
        trial.noted("b", "stopping")
        for path in ("a", "c", "sub/d"):
            trial.address(path).tell(Note(value=path))
        gate.set()
        trial.address("b").tell(Note(value="go on"))

        for path in ("a", "c", "sub/d"):
            trial.noted(path, path, incarnation=2)
        assert lost(trial) == []


def test_what_is_told_below_a_supervisor_that_did_not_stop_in_time_waits_for_its_successor() -> None:
    gate = threading.Event()
    with Trial() as trial:
        slow = trial.worker("a", Script(is_drained=lambda _worker: False), drain=_LONG)
        inner = trial.supervisor("sub", slow, trial.worker("b"), drain=timedelta(milliseconds=10))
        when_stopped(trial, "sub", lambda: trial.address("sub/b").tell(Note(value=1)))
        trial.start(inner)
        trial.started("sub")
        trial.address("sub/a").tell(busy(gate))
        trial.noted("sub/a", "busy")
        trial.address("sub/a").tell(Note(value=2))
        restart_of("sub")(trial)

        trial.noted("sub/b", 1, incarnation=2)
        trial.noted("sub/a", 2, incarnation=2)
        assert lost(trial) == []
        gate.set()


def test_a_subtree_that_is_removed_takes_no_more_messages() -> None:
    loop = asyncio.new_event_loop()
    reply: Reply[Removed | Refused] = Reply(loop)
    with Trial() as trial:
        trial.start(trial.supervisor("sub", trial.worker("a")))
        trial.started("sub")
        address = trial.address("sub/a")
        trial.order("/").tell(RemoveChild(child="sub", reply=reply))
        assert loop.run_until_complete(reply.get(20)) == Removed(path="sub")
        address.tell(Note(value=1))

        assert lost(trial) == [Undeliverable(path="sub/a", message="Note")]
    loop.close()


@pytest.mark.parametrize("restart", [Restart.TRANSIENT, Restart.TEMPORARY])
def test_a_supervisor_that_stops_and_stays_so_closes_the_mailboxes_below(restart: Restart) -> None:
    with Trial() as trial:
        inner = trial.supervisor("sub", trial.worker("a"), restart=restart)
        trial.start(inner, trial.worker("b"))
        trial.started("b")
        trial.root.stop_one("sub")
        trial.heard.wait_for(lambda heard: heard == ChildStopped(path="sub", incarnation=1))
        trial.idle("/")
        trial.address("sub/a").tell(Note(value=1))

        assert lost(trial) == [Undeliverable(path="sub/a", message="Note")]


def test_a_tree_that_gives_up_tells_what_it_loses() -> None:
    gate = threading.Event()
    strict = Policy(delay=AT_ONCE, intensity=Intensity(limit=0, period=_LONG))
    with Trial() as trial:
        trial.start(trial.supervisor("sub", trial.worker("a", drain=_LONG)), trial.worker("b"), policy=strict)
        trial.started("b")
        trial.address("sub/a").tell(busy(gate))
        trial.noted("sub/a", "busy")
        trial.address("sub/a").tell(Note(value=1))
        trial.address("b").tell(crash(ValueError()))
        trial.ended("b")
        trial.idle("/")
        trial.idle("sub")
        gate.set()
        trial.ends.wait_until(bool)

        assert lost(trial) == [Undeliverable(path="sub/a", message="Note")]


def test_a_root_that_is_killed_tells_what_is_lost_with_it_and_of_nothing_twice() -> None:
    with Trial() as trial:
        trial.start(trial.supervisor("sub", trial.worker("a", drain=_LONG)), trial.worker("b"))
        trial.started("b")
        trial.address("sub/a").tell(Do(act=trial.hang))
        trial.noted("sub/a", "hangs")
        trial.address("sub/a").tell(Note(value=1))
        trial.root.kill("/", hang=False, reason="a test")
        (why,) = trial.ends.wait_until(bool)

        assert "a test" in str(why)
        assert lost(trial) == [Undeliverable(path="sub/a", message="Note")]
        assert [view.dead_letters for view in trial.root.views()] == [0, 0, 1, 0]
        assert trial.ended("sub/a").reason is EndReason.HANG
        assert [heard.path for heard in trial.heard.all() if isinstance(heard, ChildEnded)] == ["sub/a"]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_tree_ends_whatever_its_observer_does() -> None:
    def fail(_incident: Incident) -> None:
        raise ValueError

    others = threading.enumerate()
    with Trial() as trial:
        trial.places = Places(trial.clock, fail)
        trial.start(trial.worker("a"))
        trial.started("a")
        trial.address("a").tell(Do(act=trial.hang))
        trial.noted("a", "hangs")
        trial.address("a").tell(Note(value=1))
        (thread,) = [each for each in threading.enumerate() if each.name == "/" and each not in others]
        trial.root.kill("/", hang=False, reason="a test")

        assert "a test" in str(trial.ends.wait_until(bool)[0])
        thread.join(60)  # it tells of what the observer raised


async def test_a_child_that_was_refused_while_it_started_does_not_come_back_with_its_supervisor() -> None:
    gate = threading.Event()
    reply: Reply[Added | Refused] = Reply(asyncio.get_running_loop())

    def hold_on(worker: Worker) -> None:
        worker.note("busy")
        gate.wait(60)

    with Trial() as trial:
        trial.start(trial.supervisor("sub", trial.worker("a")))
        trial.started("sub")
        coming = trial.worker("x", Script(started=hold_on), drain=_LONG)
        trial.order("sub").tell(AddChild(child=coming, reply=reply))
        trial.noted("sub/x", "busy")
        restart_of("sub")(trial)

        assert await reply.get(20) == Refused(why="sub is stopping")
        gate.set()
        trial.started("sub", 2)
        assert [view.path for view in trial.root.views()] == ["/", "sub", "sub/a"]


def test_a_restart_does_not_wait_for_those_who_hear_of_the_crash() -> None:
    gate = threading.Event()

    def hear(incident: Incident) -> None:
        if isinstance(incident, ChildEnded):
            gate.wait(60)
        trial.heard.note(incident)

    with Trial() as trial:
        trial.observe = hear
        trial.start(trial.worker("a"))
        trial.address("a").tell(crash(ValueError()))
        trial.address("a").tell(Note(value=1))
        trial.noted("a", 1, incarnation=2)

        assert not any(isinstance(heard, ChildEnded) for heard in trial.heard.all())
        gate.set()
        assert trial.ended("a").reason is EndReason.CRASH
