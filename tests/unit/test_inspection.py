"""Looking into actors that run: their state, their messages, and holding them still."""

import asyncio
import json
import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from uuid import UUID

import pytest

from tests.support_supervision import Do, Note, Noted, Script, Trial, Worker, busy, crash, steps
from wallet_provisioning.clock import ManualClock
from wallet_provisioning.supervision.actor import recipe
from wallet_provisioning.supervision.child import Child
from wallet_provisioning.supervision.incidents import ChildEnded
from wallet_provisioning.supervision.inspection import Described, plain
from wallet_provisioning.supervision.inspector import CannotSuspendError
from wallet_provisioning.supervision.letters import Lane
from wallet_provisioning.supervision.life import Life
from wallet_provisioning.supervision.reply import Reply
from wallet_provisioning.supervision.restarts import Restart
from wallet_provisioning.supervision.snapshot import ChildState, EndReason
from wallet_provisioning.supervision.testing import Signals

_LONG = timedelta(minutes=1)
_TOO_LONG = timedelta(seconds=16)


class Open(Worker):
    """A worker that says what stands in it."""

    def __init__(self, life: Life, *, notes: Signals[Noted], script: Script) -> None:
        super().__init__(life, notes=notes, script=script)
        self.values: dict[str, object] = {"done": {"b", "a"}, "since": timedelta(seconds=2)}
        self.breaks = False

    def describe(self) -> Mapping[str, object]:
        if self.breaks:
            msg = "I won't say"
            raise ValueError(msg)
        return self.values


def an_open_one(trial: Trial) -> Child:
    return Child(id="a", recipe=recipe(Open, notes=trial.notes, script=Script()))


def asked(trial: Trial, path: str = "a") -> Reply[Described]:
    reply: Reply[Described] = Reply(asyncio.get_running_loop())
    trial.root.inspector.describe(path, reply)
    return reply


# State.


async def test_an_actor_says_what_stands_in_it_as_plain_values() -> None:
    with Trial() as trial:
        trial.start(an_open_one(trial))
        trial.started("a")
        described = await asked(trial).get(20)

        assert (described.path, described.incarnation, described.is_stopping) == ("a", 1, False)
        assert described.error is None
        assert described.values["since"] == 2.0
        done = described.values["done"]
        assert isinstance(done, list)
        assert {*map(str, done)} == {"a", "b"}


async def test_an_actor_that_says_nothing_of_itself_answers_all_the_same() -> None:
    with Trial() as trial:
        trial.start(trial.worker("a"))
        trial.started("a")

        assert (await asked(trial).get(20)).values == {}


async def test_the_question_overtakes_what_waits() -> None:
    gate = threading.Event()
    with Trial() as trial:
        trial.start(an_open_one(trial))
        trial.address("a").tell(busy(gate))
        trial.noted("a", "busy")
        trial.address("a").tell(Do(act=trial.hang))
        reply = asked(trial)
        gate.set()

        assert (await reply.get(20)).incarnation == 1


async def test_a_look_that_fails_says_so_and_harms_nobody() -> None:
    def break_(worker: Worker) -> None:
        assert isinstance(worker, Open)
        worker.breaks = True
        worker.note("broken")

    with Trial() as trial:
        trial.start(an_open_one(trial))
        trial.address("a").tell(Do(act=break_))
        trial.noted("a", "broken")
        described = await asked(trial).get(20)

        assert (described.values, described.error) == ({}, "ValueError: I won't say")
        assert trial.root.view("a").incarnation == 1


async def test_an_actor_that_hangs_answers_nothing() -> None:
    with Trial() as trial:
        trial.start(an_open_one(trial))
        trial.address("a").tell(Do(act=trial.hang))
        trial.noted("a", "hangs")

        with pytest.raises(TimeoutError):
            await asked(trial).get(0.05)


async def test_what_was_described_does_not_change_with_the_actor() -> None:
    with Trial() as trial:
        trial.start(an_open_one(trial))
        trial.started("a")
        described = await asked(trial).get(20)

        def change(worker: Worker) -> None:
            assert isinstance(worker, Open)
            worker.values["done"] = None
            worker.note("changed")

        trial.address("a").tell(Do(act=change))
        trial.noted("a", "changed")

        assert described.values["done"] is not None


class Colour(StrEnum):
    RED = "red"


@dataclass
class Secretive:
    secret: str = "hush"


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, None),
        (True, True),
        (7, 7),
        (float("nan"), "nan"),
        (Colour.RED, "red"),
        (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (datetime(2026, 1, 1, tzinfo=UTC), "2026-01-01T00:00:00+00:00"),
        (timedelta(milliseconds=1500), 1.5),
        (deque([1, 2]), [1, 2]),
        ({UUID(int=1): (1, 2)}, {"00000000-0000-0000-0000-000000000001": [1, 2]}),
        (b"bytes", "bytes"),
        (Secretive(), "Secretive"),
        ([[[[["deep"]]]]], [[[["list"]]]]),
        (range(1000), [*range(100)]),
    ],
)
def test_values_become_plain(value: object, shown: object) -> None:
    assert plain(value) == shown
    json.dumps(plain(value), allow_nan=False)


# Holding still.


def suspended(trial: Trial, path: str = "a") -> None:
    trial.started(path)
    trial.root.inspector.suspend(path)


def test_a_suspended_actor_reads_no_work_until_it_is_resumed() -> None:
    with Trial() as trial:
        trial.start(trial.worker("a"))
        suspended(trial)
        for number in range(3):
            trial.address("a").tell(Note(value=number))
        trial.address("a").tell_news(Note(value="news"))
        trial.noted("a", "news")
        view = trial.root.view("a")

        assert (view.suspended, view.state, view.mailbox_depth) == (True, ChildState.RUNNING, 3)
        assert trial.values("a") == []
        trial.root.inspector.resume("a")
        trial.noted("a", 2)
        assert trial.values("a") == [0, 1, 2]
        assert not trial.root.view("a").suspended


async def test_a_suspended_actor_answers_and_dies_as_it_is_told() -> None:
    with Trial() as trial:
        trial.start(an_open_one(trial))
        suspended(trial)
        assert (await asked(trial).get(20)).incarnation == 1
        trial.root.kill("a", hang=False, reason="a test")

        trial.started("a", 2)


def test_a_suspended_actor_is_not_taken_for_hung_and_is_no_crash() -> None:
    clock = ManualClock()
    with Trial(clock) as trial:
        trial.start(trial.worker("a"))
        suspended(trial)
        trial.address("a").tell(Note(value=1))
        clock.advance(timedelta(days=1))
        trial.look()
        trial.idle("/")

        assert not any(isinstance(heard, ChildEnded) for heard in trial.heard.all())
        trial.root.inspector.resume("a")
        assert trial.noted("a", 1).incarnation == 1
        assert trial.root.view("a").last_crash is None


def test_a_suspension_ends_with_its_incarnation() -> None:
    with Trial() as trial:
        trial.start(trial.worker("a"))
        suspended(trial)
        trial.address("a").tell(Note(value=1))
        trial.root.kill("a", hang=False, reason="a test")

        assert trial.noted("a", 1).incarnation == 2
        assert not trial.root.view("a").suspended


def test_a_suspended_actor_that_is_told_to_stop_finishes_its_work_first() -> None:
    script = Script(is_drained=lambda worker: "work" in worker.done)
    with Trial() as trial:
        trial.start(trial.worker("a", script, drain=_LONG))
        suspended(trial)
        trial.address("a").tell(Do(act=lambda worker: worker.done.add("work")))
        trial.root.stop()

        assert trial.ends.wait_until(bool) == [None]


def test_a_message_in_hand_is_handled_to_its_end() -> None:
    gate = threading.Event()
    with Trial() as trial:
        trial.start(trial.worker("a"))
        trial.address("a").tell(steps(busy(gate).act, lambda worker: worker.note(worker.take_waiting())))
        trial.noted("a", "busy")
        trial.started("a")
        trial.address("a").tell(Note(value=1))
        trial.root.inspector.suspend("a")
        gate.set()

        trial.noted("a", [])
        assert trial.root.view("a").mailbox_depth == 1


def test_timers_of_a_suspended_actor_wait_too() -> None:
    with Trial() as trial:
        trial.start(trial.worker("a"))
        trial.address("a").tell(Do(act=lambda worker: worker.tell_later(timedelta(), Note(value="rings"))))
        trial.root.inspector.resume("a")
        trial.noted("a", "rings")
        gate = threading.Event()
        trial.address("a").tell(steps(busy(gate).act, lambda worker: worker.tell_later(timedelta(), later)))
        later = Note(value="rings later")
        trial.noted("a", "busy")
        trial.started("a")
        trial.root.inspector.suspend("a")
        gate.set()
        for _ in range(1000):
            if trial.root.view("a").mailbox_depth:
                break
            threading.Event().wait(0.01)
        trial.root.inspector.resume("a")

        trial.noted("a", "rings later")


def test_supervisors_and_what_does_not_run_are_not_suspended() -> None:
    with Trial() as trial:
        trial.start(trial.supervisor("sub", trial.worker("b")), trial.worker("t", restart=Restart.TEMPORARY))
        trial.started("t")
        trial.address("t").tell(crash(ValueError()))
        trial.ended("t")
        trial.idle("/")

        with pytest.raises(CannotSuspendError, match="sub is a supervisor"):
            trial.root.inspector.suspend("sub")
        with pytest.raises(CannotSuspendError, match="t is stopped"):
            trial.root.inspector.suspend("t")
        with pytest.raises(KeyError):
            trial.root.inspector.suspend("nobody")
        assert not trial.root.view("t").suspended


def test_resuming_what_is_not_suspended_changes_nothing() -> None:
    with Trial() as trial:
        trial.start(trial.worker("a"))
        trial.started("a")
        trial.root.inspector.resume("a")
        trial.address("a").tell(Note(value=1))

        trial.noted("a", 1)


# Messages.


def test_a_trace_shows_what_an_actor_read_in_which_lane_how_late_and_how_long() -> None:
    clock = ManualClock()
    gate = threading.Event()
    with Trial(clock) as trial:
        trial.start(trial.worker("a"))
        trial.started("a")
        trial.idle("a")
        assert trial.root.inspector.traced("a") is None
        trial.root.inspector.trace("a", on=True)
        trial.address("a").tell(busy(gate))
        trial.noted("a", "busy")
        trial.address("a").tell(Note(value=1))
        trial.address("a").tell_news(Note(value=2))
        clock.advance(timedelta(seconds=3))
        gate.set()
        trial.noted("a", 1)
        trial.idle("a")
        traced = trial.root.inspector.traced("a")

        assert traced is not None
        assert [(each.message, each.lane, each.waited, each.handled_in) for each in traced] == [
            ("Do", Lane.WORK, timedelta(), timedelta(seconds=3)),
            ("Note", Lane.NEWS, timedelta(seconds=3), timedelta()),
            ("Note", Lane.WORK, timedelta(seconds=3), timedelta()),
        ]


def test_a_message_that_killed_its_actor_is_never_seen_to_be_done() -> None:
    with Trial() as trial:
        trial.start(trial.worker("a"))
        trial.root.inspector.trace("a", on=True)
        trial.address("a").tell(crash(ValueError()))
        trial.address("a").tell(Note(value=1))
        trial.noted("a", 1)
        trial.idle("a")
        traced = trial.root.inspector.traced("a")

        assert traced is not None
        assert [(each.message, each.incarnation, each.handled_in is None) for each in traced] == [
            ("Do", 1, True),
            ("Note", 2, False),
        ]


def test_a_trace_keeps_the_last_two_hundred_and_forgets_all_when_it_is_turned_off() -> None:
    with Trial() as trial:
        trial.start(trial.worker("a"))
        trial.root.inspector.trace("a", on=True)
        for number in range(250):
            trial.address("a").tell(Note(value=number))
        trial.noted("a", 249)
        assert len(trial.root.inspector.traced("a") or ()) == 200
        trial.root.inspector.trace("a", on=True)
        assert len(trial.root.inspector.traced("a") or ()) == 200
        trial.root.inspector.trace("a", on=False)

        assert trial.root.inspector.traced("a") is None


def test_messages_that_are_taken_together_are_traced_one_by_one() -> None:
    gate = threading.Event()
    with Trial() as trial:
        trial.start(trial.worker("a"))
        trial.root.inspector.trace("a", on=True)
        trial.address("a").tell(steps(busy(gate).act, lambda worker: worker.take_waiting()))
        trial.noted("a", "busy")
        for number in range(3):
            trial.address("a").tell(Note(value=number))
        gate.set()
        trial.address("a").tell_news(Note(value="end"))
        trial.noted("a", "end")
        traced = trial.root.inspector.traced("a") or ()

        names = [each.message for each in traced if each.lane is Lane.WORK]
        assert names == ["Do", "Note", "Note", "Note"]


# Ends that are looked into.


def test_a_hang_is_reported_with_the_trace_of_its_message() -> None:
    clock = ManualClock()
    with Trial(clock) as trial:
        trial.start(trial.worker("a"))
        trial.address("a").tell(Do(act=trial.hang))
        trial.noted("a", "hangs")
        clock.advance(_TOO_LONG)
        trial.look()
        trial.ended("a")
        last = trial.root.view("a").last_crash

        assert last is not None
        assert (last.reason, last.shown) == (EndReason.HANG, "Do(act)")
        assert "gate.wait" in last.stack
