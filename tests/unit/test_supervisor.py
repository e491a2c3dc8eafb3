"""Supervisors on real threads: boot, restarts and their limits, strategies, requests."""

import asyncio
import threading
from datetime import timedelta

import pytest

from tests.support_supervision import AT_ONCE, Note, Script, Trial, Worker, busy, crash
from wallet_provisioning.clock import ManualClock
from wallet_provisioning.supervision.incidents import (
    ChildEnded,
    ChildStarted,
    ChildStopped,
    Undeliverable,
)
from wallet_provisioning.supervision.orders import RestartChild
from wallet_provisioning.supervision.reply import Reply
from wallet_provisioning.supervision.restarts import Delay, Intensity, Restart, Strategy
from wallet_provisioning.supervision.snapshot import ChildKind, ChildState, EndReason
from wallet_provisioning.supervision.supervisor import Policy

_LONG = timedelta(minutes=1)


def fails(*incarnations: int) -> Script:
    """Return a script that fails to start in these lives."""

    def fail(worker: Worker) -> None:
        if worker.life.incarnation in incarnations:
            msg = "no way"
            raise ValueError(msg)

    return Script(started=fail)


def story(trial: Trial) -> list[str]:
    """Return the starts and stops that were noted, in order."""
    return [
        f"{noted.path} {noted.value}" for noted in trial.notes.all() if noted.value in ("started", "stopped")
    ]


# Boot.


def test_children_start_one_after_the_other_and_then_the_supervisor_counts_as_started() -> None:
    with Trial() as trial:
        inner = trial.supervisor("sub", trial.worker("b"), trial.worker("c"))
        trial.start(trial.worker("a"), inner, trial.worker("d"))
        trial.started("d")

        started = [heard.path for heard in trial.heard.all() if isinstance(heard, ChildStarted)]
        assert started == ["a", "sub/b", "sub/c", "sub", "d"]


def test_a_child_starts_only_when_the_one_before_it_has_started() -> None:
    gate = threading.Event()
    with Trial() as trial:
        trial.start(trial.worker("a", Script(started=busy(gate).act)), trial.worker("b"))
        trial.noted("a", "busy")
        assert trial.root.view("a").state is ChildState.STARTING
        assert trial.root.view("b").incarnation == 0
        gate.set()
        trial.started("b")

        assert trial.root.view("a").state is ChildState.RUNNING


def test_what_is_told_before_the_start_waits_for_it() -> None:
    with Trial() as trial:
        trial.address("a").tell(Note(value=1))
        trial.start(trial.worker("a"))

        trial.noted("a", 1)


def test_a_start_failure_at_boot_stops_the_siblings_in_reverse_and_names_the_child() -> None:
    with Trial() as trial:
        trial.start(trial.worker("a"), trial.worker("b"), trial.worker("c", fails(1)), trial.worker("d"))
        (why,) = trial.ends.wait_until(bool)

        assert why is not None
        assert "c did not start: ValueError: no way" in why
        assert story(trial) == ["a started", "b started", "c started", "b stopped", "a stopped"]
        assert trial.root.view("d").incarnation == 0


def test_a_start_failure_deep_in_the_tree_fails_the_boot_at_once() -> None:
    with Trial() as trial:
        inner = trial.supervisor("sub", trial.worker("b"), trial.worker("c", fails(1)))
        trial.start(trial.worker("a"), inner)
        (why,) = trial.ends.wait_until(bool)

        assert why is not None
        assert "sub did not start" in why
        assert "sub/c did not start: ValueError: no way" in why
        assert trial.root.view("sub").incarnation == 1
        assert story(trial)[-2:] == ["sub/b stopped", "a stopped"]


def test_a_child_that_crashes_while_its_siblings_boot_is_restarted_beside_the_boot() -> None:
    gate = threading.Event()
    with Trial() as trial:
        trial.start(trial.worker("a"), trial.worker("b", Script(started=busy(gate).act)), trial.worker("c"))
        trial.noted("b", "busy")
        trial.address("a").tell(crash(ValueError()))
        trial.started("a", 2)
        gate.set()
        trial.started("c")

        assert [view.incarnation for view in trial.root.views()] == [1, 2, 1, 1]


@pytest.mark.parametrize("strategy", [Strategy.ONE_FOR_ALL, Strategy.REST_FOR_ONE])
def test_a_crash_during_boot_is_folded_into_one_plan_when_siblings_restart_along(strategy: Strategy) -> None:
    gate = threading.Event()

    def start(worker: Worker) -> None:
        if worker.life.incarnation == 1:
            busy(gate).act(worker)

    with Trial() as trial:
        trial.start(
            trial.worker("a"),
            trial.worker("b", Script(started=start)),
            trial.worker("c"),
            policy=Policy(strategy=strategy, delay=AT_ONCE),
        )
        trial.noted("b", "busy")
        trial.address("a").tell(crash(ValueError()))
        trial.ended("a")
        gate.set()
        trial.started("c")

        assert [view.incarnation for view in trial.root.views()] == [1, 2, 2, 1]


def test_a_boot_that_was_begun_anew_still_fails_as_a_boot() -> None:
    gate = threading.Event()

    def start(worker: Worker) -> None:
        busy(gate).act(worker)
        if worker.life.incarnation == 2:
            msg = "not the second time"
            raise ValueError(msg)

    with Trial() as trial:
        trial.start(
            trial.worker("a"),
            trial.worker("b", Script(started=start)),
            policy=Policy(strategy=Strategy.ONE_FOR_ALL, delay=AT_ONCE),
        )
        trial.noted("b", "busy")
        trial.address("a").tell(crash(ValueError()))
        trial.ended("a")
        gate.set()
        (why,) = trial.ends.wait_until(bool)

        assert why is not None
        assert "b did not start: ValueError: not the second time" in why


# Restarts.


def test_a_permanent_child_comes_back_after_a_crash_and_after_a_stop() -> None:
    with Trial() as trial:
        trial.start(trial.worker("a"))
        trial.address("a").tell(crash(ValueError()))
        trial.started("a", 2)
        trial.root.stop_one("a")
        trial.started("a", 3)
        view = trial.root.view("a")

        assert (view.restarts, view.kind) == (2, ChildKind.WORKER)


def test_a_transient_child_comes_back_after_a_crash_alone() -> None:
    with Trial() as trial:
        trial.start(trial.worker("a", restart=Restart.TRANSIENT), trial.worker("b"))
        trial.address("a").tell(crash(ValueError()))
        trial.started("a", 2)
        trial.root.stop_one("a")
        trial.heard.wait_for(lambda heard: heard == ChildStopped(path="a", incarnation=2))
        trial.address("b").tell(crash(ValueError()))
        trial.started("b", 2)

        assert trial.root.view("a").state is ChildState.STOPPED
        assert trial.root.view("a").incarnation == 2


def test_a_temporary_child_never_comes_back_and_tells_to_it_are_undeliverable() -> None:
    gate = threading.Event()
    with Trial() as trial:
        trial.start(trial.worker("a", restart=Restart.TEMPORARY))
        trial.address("a").tell(busy(gate))
        trial.address("a").tell(crash(ValueError()))
        trial.address("a").tell(Note(value=1))
        gate.set()
        trial.heard.wait_for(lambda heard: isinstance(heard, Undeliverable))
        trial.address("a").tell(Note(value=2))
        trial.address("a").tell_quietly(Note(value=3))
        trial.address("a").tell_news(Note(value=4))

        lost = Undeliverable(path="a", message="Note")
        assert [heard for heard in trial.heard.all() if isinstance(heard, Undeliverable)] == [lost] * 4
        assert trial.root.view("a").state is ChildState.STOPPED
        assert trial.values("a") == []


def test_watchers_are_told_of_an_end_before_their_other_work() -> None:
    gate = threading.Event()
    with Trial() as trial:
        ends = trial.places.address("watcher")
        trial.start(trial.worker("watcher"), trial.worker("a", watchers=(ends,)))
        trial.started("a")
        trial.address("watcher").tell(busy(gate))
        trial.noted("watcher", "busy")
        trial.address("watcher").tell(Note(value=1))
        trial.address("a").tell(crash(ValueError()))
        ended = trial.ended("a")
        gate.set()
        trial.noted("watcher", 1)

        mailbox_order = [noted.value for noted in trial.notes.all() if noted.path == "watcher"]
        assert mailbox_order == ["started", "busy", ended, 1]


# How often, how soon.


def test_failures_up_to_the_limit_are_mended_and_one_more_ends_the_supervisor() -> None:
    policy = Policy(intensity=Intensity(limit=3, period=_LONG), delay=AT_ONCE)
    with Trial() as trial:
        trial.start(trial.worker("a"), policy=policy)
        for incarnation in range(1, 4):
            trial.started("a", incarnation)
            trial.address("a").tell(crash(ValueError()))
        trial.started("a", 4)
        assert trial.ends.all() == []
        trial.address("a").tell(crash(ValueError("the last")))
        (why,) = trial.ends.wait_until(bool)

        assert why is not None
        assert "a ended too often" in why
        assert "the last" in why


def test_failures_of_all_children_count_together_and_old_ones_no_more() -> None:
    clock = ManualClock()
    policy = Policy(intensity=Intensity(limit=1, period=timedelta(seconds=60)), delay=AT_ONCE)
    with Trial(clock) as trial:
        trial.start(trial.worker("a"), trial.worker("b"), policy=policy)
        trial.address("a").tell(crash(ValueError()))
        trial.started("a", 2)
        clock.advance(timedelta(seconds=61))
        trial.address("b").tell(crash(ValueError()))
        trial.started("b", 2)
        trial.address("a").tell(crash(ValueError()))

        assert trial.ends.wait_until(bool) != [None]


def test_an_escalation_restarts_the_subtree_alone() -> None:
    policy = Policy(intensity=Intensity(limit=0, period=_LONG), delay=AT_ONCE)
    with Trial() as trial:
        inner = trial.supervisor("sub", trial.worker("b"), trial.worker("c"), policy=policy)
        trial.start(trial.worker("a"), inner)
        trial.started("sub")
        trial.address("sub/b").tell(crash(ValueError()))
        trial.started("sub", 2)

        views = {view.path: view.incarnation for view in trial.root.views()}
        assert views == {"/": 1, "a": 1, "sub": 2, "sub/b": 2, "sub/c": 2}
        assert trial.ended("sub").error.startswith("TooManyFailuresError: sub/b ended too often")


def test_an_escalation_goes_up_to_the_root_when_restarts_do_not_help() -> None:
    none = Policy(intensity=Intensity(limit=0, period=_LONG), delay=AT_ONCE)
    with Trial() as trial:
        middle = trial.supervisor(
            "sub", trial.supervisor("sub/sub", trial.worker("b"), policy=none), policy=none
        )
        trial.start(middle, policy=none)
        trial.started("sub")
        trial.address("sub/sub/b").tell(crash(ValueError("deep")))
        (why,) = trial.ends.wait_until(bool)

        assert why is not None
        for part in ("sub ended", "sub/sub ended", "sub/sub/b ended", "deep"):
            assert part in why


def test_a_supervisor_that_was_restarted_counts_failures_anew() -> None:
    policy = Policy(intensity=Intensity(limit=1, period=_LONG), delay=AT_ONCE)
    with Trial() as trial:
        trial.start(trial.supervisor("sub", trial.worker("b"), policy=policy))
        for incarnation in (1, 2):
            trial.started("sub/b", incarnation)
            trial.address("sub/b").tell(crash(ValueError()))
        trial.started("sub", 2)
        trial.address("sub/b").tell(crash(ValueError()))
        trial.started("sub/b", 4)

        assert trial.root.view("sub").incarnation == 2


def test_messages_survive_an_escalation() -> None:
    policy = Policy(intensity=Intensity(limit=0, period=_LONG), delay=AT_ONCE)
    gate = threading.Event()
    with Trial() as trial:
        trial.start(trial.supervisor("sub", trial.worker("b"), trial.worker("c"), policy=policy))
        trial.started("sub")
        trial.address("sub/b").tell(busy(gate))
        trial.address("sub/b").tell(crash(ValueError()))
        trial.address("sub/b").tell(Note(value=1))
        gate.set()

        assert trial.noted("sub/b", 1).incarnation == 2


def test_a_blameless_end_spends_no_intensity_and_delays_nothing() -> None:
    policy = Policy(
        intensity=Intensity(limit=0, period=_LONG), delay=Delay(base=_LONG, maximum=_LONG, quiet=_LONG)
    )
    with Trial() as trial:
        trial.start(
            trial.worker("a", is_blameless=lambda ended: ended.error.endswith("poison")), policy=policy
        )
        for incarnation in range(1, 6):
            trial.started("a", incarnation)
            trial.address("a").tell(crash(ValueError("poison")))
        trial.started("a", 6)

        assert trial.ends.all() == []
        assert trial.root.view("a").last_crash is not None


def test_a_child_waits_between_restarts_and_is_seen_as_restarting() -> None:
    policy = Policy(delay=Delay(base=_LONG, maximum=_LONG))
    with Trial() as trial:
        trial.start(trial.worker("a"), policy=policy)
        trial.address("a").tell(crash(ValueError()))
        trial.started("a", 2)
        trial.address("a").tell(crash(ValueError()))
        trial.ended("a", 2)

        assert trial.root.view("a").state is ChildState.RESTARTING


def test_a_pause_ends_and_the_child_comes_back() -> None:
    with Trial() as trial:
        trial.start(trial.worker("a"), policy=Policy(delay=Delay(base=timedelta(milliseconds=5))))
        for incarnation in range(1, 5):
            trial.started("a", incarnation)
            trial.address("a").tell(crash(ValueError()))

        trial.started("a", 5)


def test_a_stop_during_a_pause_does_not_wait_for_its_end() -> None:
    policy = Policy(delay=Delay(base=timedelta(hours=1), maximum=timedelta(hours=1)))
    with Trial() as trial:
        trial.start(trial.worker("a"), policy=policy)
        trial.address("a").tell(crash(ValueError()))
        trial.address("a").tell(crash(ValueError()))
        trial.ended("a", 2)
        trial.root.stop()

        assert trial.ends.wait_until(bool) == [None]
        assert trial.root.view("a").state is ChildState.STOPPED


# Strategies.


def test_one_for_one_restarts_the_child_alone() -> None:
    with Trial() as trial:
        trial.start(*(trial.worker(name) for name in "abc"))
        trial.started("c")
        trial.address("b").tell(crash(ValueError()))
        trial.started("b", 2)

        assert [view.incarnation for view in trial.root.views()] == [1, 1, 2, 1]


def test_one_for_all_stops_the_others_in_reverse_and_starts_all_in_order() -> None:
    with Trial() as trial:
        trial.start(
            *(trial.worker(name) for name in "abc"),
            policy=Policy(strategy=Strategy.ONE_FOR_ALL, delay=AT_ONCE),
        )
        trial.started("c")
        trial.address("b").tell(crash(ValueError()))
        trial.started("c", 2)

        assert story(trial)[3:] == ["c stopped", "a stopped", "a started", "b started", "c started"]


def test_rest_for_one_leaves_those_that_started_earlier_in_peace() -> None:
    with Trial() as trial:
        trial.start(
            *(trial.worker(name) for name in "abc"),
            policy=Policy(strategy=Strategy.REST_FOR_ONE, delay=AT_ONCE),
        )
        trial.started("c")
        trial.address("b").tell(crash(ValueError()))
        trial.started("c", 2)

        assert story(trial)[3:] == ["c stopped", "b started", "c started"]
        assert trial.root.view("a").incarnation == 1


def test_a_second_crash_in_the_middle_of_a_common_restart_begins_it_anew() -> None:
    gate = threading.Event()
    script = Script(is_drained=lambda worker: gate.is_set() or worker.life.incarnation > 1)
    with Trial() as trial:
        trial.start(
            trial.worker("a"),
            trial.worker("b"),
            trial.worker("c", script, drain=_LONG),
            policy=Policy(strategy=Strategy.ONE_FOR_ALL, delay=AT_ONCE),
        )
        trial.started("c")
        trial.address("a").tell(crash(ValueError()))
        trial.noted("c", "stopping")
        trial.address("b").tell(crash(ValueError()))
        trial.ended("b")
        gate.set()
        trial.address("c").tell(Note(value=1))
        trial.started("c", 2)

        assert [view.incarnation for view in trial.root.views()] == [1, 2, 2, 2]
        assert [view.state for view in trial.root.views()] == [ChildState.RUNNING] * 4


def test_a_temporary_sibling_is_stopped_along_and_stays_so() -> None:
    with Trial() as trial:
        trial.start(
            trial.worker("a"),
            trial.worker("b", restart=Restart.TEMPORARY),
            trial.worker("c"),
            policy=Policy(strategy=Strategy.ONE_FOR_ALL, delay=AT_ONCE),
        )
        trial.started("c")
        trial.address("a").tell(crash(ValueError()))
        trial.started("c", 2)

        assert [view.incarnation for view in trial.root.views()] == [1, 2, 1, 2]
        assert trial.root.view("b").state is ChildState.STOPPED
        trial.address("b").tell(Note(value=1))
        assert Undeliverable(path="b", message="Note") in trial.heard.all()


def test_a_temporary_child_that_ends_in_the_middle_of_a_plan_holds_nobody_up() -> None:
    gate = threading.Event()

    def start(worker: Worker) -> None:
        if worker.life.incarnation == 2:
            busy(gate).act(worker)

    with Trial() as trial:
        trial.start(
            trial.worker("t", restart=Restart.TEMPORARY),
            trial.worker("a"),
            trial.worker("b", Script(started=start)),
            trial.worker("c"),
            policy=Policy(strategy=Strategy.REST_FOR_ONE, delay=AT_ONCE),
        )
        trial.started("c")
        trial.address("a").tell(crash(ValueError()))
        trial.noted("b", "busy")
        trial.address("t").tell(crash(ValueError()))
        trial.ended("t")
        gate.set()
        trial.started("c", 2)

        assert [view.incarnation for view in trial.root.views()] == [1, 1, 2, 2, 2]


# Restarts by request.


async def test_a_restart_by_request_drains_the_child_and_returns_its_new_incarnation() -> None:
    reply: Reply[int] = Reply(asyncio.get_running_loop())
    with Trial() as trial:
        trial.start(trial.worker("a"), trial.worker("b"))
        trial.started("b")
        trial.order("/").tell(RestartChild(child="a", reply=reply))

        assert await reply.get(20) == 2
        assert story(trial) == ["a started", "b started", "a stopped", "a started"]
        assert trial.root.view("a").last_crash is None


async def test_several_requests_at_once_are_one_restart() -> None:
    replies: list[Reply[int]] = [Reply(asyncio.get_running_loop()) for _ in range(3)]
    gate = threading.Event()
    with Trial() as trial:
        trial.start(trial.worker("a"))
        trial.started("a")
        trial.address("a").tell(busy(gate))
        trial.noted("a", "busy")
        for reply in replies:
            trial.order("/").tell(RestartChild(child="a", reply=reply))
        trial.idle("/")
        gate.set()

        assert [await reply.get(20) for reply in replies] == [2, 2, 2]


async def test_a_request_while_the_child_is_restarting_gets_that_restart() -> None:
    reply: Reply[int] = Reply(asyncio.get_running_loop())
    policy = Policy(delay=Delay(base=timedelta(milliseconds=100)))
    with Trial() as trial:
        trial.start(trial.worker("a"), policy=policy)
        trial.address("a").tell(crash(ValueError()))
        trial.started("a", 2)
        trial.address("a").tell(crash(ValueError()))
        trial.ended("a", 2)
        trial.order("/").tell(RestartChild(child="a", reply=reply))

        assert await reply.get(20) == 3


async def test_requests_during_boot_are_about_the_child_that_they_name() -> None:
    loop = asyncio.get_running_loop()
    first: Reply[int] = Reply(loop)
    last: Reply[int] = Reply(loop)
    gate = threading.Event()
    with Trial() as trial:
        trial.start(trial.worker("a"), trial.worker("b", Script(started=busy(gate).act)), trial.worker("c"))
        trial.noted("b", "busy")
        trial.order("/").tell(RestartChild(child="a", reply=first))
        trial.order("/").tell(RestartChild(child="c", reply=last))

        assert await first.get(20) == 2
        trial.idle("/")
        gate.set()
        assert await last.get(20) == 1


async def test_a_request_whose_child_fails_to_start_once_is_answered_by_the_life_that_starts() -> None:
    reply: Reply[int] = Reply(asyncio.get_running_loop())
    with Trial() as trial:
        trial.start(trial.worker("a", fails(2)))
        trial.started("a")
        trial.order("/").tell(RestartChild(child="a", reply=reply))

        assert await reply.get(20) == 3


async def test_a_request_starts_a_child_that_had_ended_for_good() -> None:
    reply: Reply[int] = Reply(asyncio.get_running_loop())
    with Trial() as trial:
        trial.start(trial.worker("a", restart=Restart.TEMPORARY))
        trial.address("a").tell(crash(ValueError()))
        trial.ended("a")
        trial.order("/").tell(RestartChild(child="a", reply=reply))

        assert await reply.get(20) == 2
        trial.address("a").tell(Note(value=1))
        trial.noted("a", 1, incarnation=2)


async def test_a_request_for_an_unknown_child_harms_nobody() -> None:
    loop = asyncio.get_running_loop()
    lost: Reply[int] = Reply(loop)
    good: Reply[int] = Reply(loop)
    with Trial() as trial:
        trial.start(trial.worker("a"))
        trial.started("a")
        trial.order("/").tell(RestartChild(child="nobody", reply=lost))
        trial.order("/").tell(RestartChild(child="a", reply=good))

        assert await good.get(20) == 2
        assert trial.root.view("/").incarnation == 1


# What is told to the outside.


def test_every_end_is_told_with_its_reason() -> None:
    with Trial() as trial:
        trial.start(trial.worker("a", fails(2)))
        trial.address("a").tell(crash(ValueError()))
        trial.started("a", 3)

        ends = [
            (heard.incarnation, heard.reason) for heard in trial.heard.all() if isinstance(heard, ChildEnded)
        ]
        assert ends == [(1, EndReason.CRASH), (2, EndReason.START_FAILED)]
