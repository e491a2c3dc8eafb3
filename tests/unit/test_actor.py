"""One actor under a supervisor: hooks, ends of every kind, stops, what travels with a message."""

import asyncio
import threading
import time
from collections.abc import Callable
from contextvars import ContextVar
from datetime import timedelta

import pykka
import pytest
from opentelemetry import trace
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags

from tests.support_supervision import Do, Note, Noted, Script, Trial, Worker, busy, crash, steps, wait_until
from wallet_provisioning.clock import ManualClock
from wallet_provisioning.supervision.actor import Actor, KilledError, recipe
from wallet_provisioning.supervision.child import Child
from wallet_provisioning.supervision.incidents import ChildStopped, Undeliverable
from wallet_provisioning.supervision.life import Life
from wallet_provisioning.supervision.mailbox import Lane, Port
from wallet_provisioning.supervision.restarts import Restart
from wallet_provisioning.supervision.snapshot import EndReason
from wallet_provisioning.supervision.testing import Signals

_LONG = timedelta(minutes=1)


class UnreadableError(Exception):
    """An error whose own text raises."""

    def __str__(self) -> str:
        raise ValueError


_errors = [
    ValueError("plain"),
    SystemExit(3),
    KeyboardInterrupt(),
    asyncio.CancelledError(),
    GeneratorExit(),
    BaseExceptionGroup("many", [SystemExit(1)]),
    UnreadableError(),
    RecursionError(),
    MemoryError(),
    StopIteration(),
]


@pytest.mark.parametrize("error", _errors, ids=lambda error: type(error).__name__)
def test_whatever_a_handler_raises_ends_this_actor_alone_and_loses_that_message_alone(
    error: BaseException,
) -> None:
    with Trial() as trial:
        trial.start(trial.worker("a"), trial.worker("b"))
        trial.address("a").tell(Note(value=1))
        trial.address("a").tell(crash(error))
        trial.address("a").tell(Note(value=2))
        ended = trial.ended("a")
        trial.noted("a", 2, incarnation=2)
        trial.address("b").tell(Note(value=3))

        assert trial.noted("b", 3).incarnation == 1
        assert trial.root.view("/").incarnation == 1
        assert (ended.reason, ended.message) == (EndReason.CRASH, "Do")
        assert ended.error.startswith(type(error).__name__)
        assert "raise error" in ended.stack
        assert trial.values("a") == [1, 2]


@pytest.mark.parametrize("error", [ValueError("no"), SystemExit(1), asyncio.CancelledError()], ids=repr)
def test_whatever_started_raises_is_a_start_that_failed(error: BaseException) -> None:
    def fail_later(worker: Worker) -> None:
        if worker.life.incarnation == 2:
            raise error

    with Trial() as trial:
        trial.start(trial.worker("a", Script(started=fail_later)))
        trial.address("a").tell(crash(ValueError("first")))
        trial.address("a").tell(Note(value=1))

        assert trial.ended("a", 2).reason is EndReason.START_FAILED
        assert trial.noted("a", 1).incarnation == 3


def test_an_error_of_the_constructor_is_a_start_that_failed() -> None:
    made: list[int] = []

    class Picky(Actor[Note]):
        def __init__(self, life) -> None:  # type: ignore[no-untyped-def] # noqa: ANN001 - any life will do
            super().__init__(life)
            made.append(life.incarnation)
            if life.incarnation == 2:
                msg = "not twice"
                raise ValueError(msg)

        def receive(self, message: Note) -> None:
            raise ValueError(message.value)

    with Trial() as trial:
        trial.start(Child(id="a", recipe=recipe(Picky)))
        trial.places.address("a").tell(Note(value=1))
        ended = trial.ended("a", 2)
        trial.started("a", 3)

        assert (ended.reason, ended.error) == (EndReason.START_FAILED, "ValueError: not twice")
        assert made == [1, 2, 3]


def test_an_error_in_stopping_or_stopped_is_a_crash_and_the_stop_goes_on() -> None:
    def fail(_worker: Worker) -> None:
        raise ValueError

    with Trial() as trial:
        trial.start(
            trial.worker("a", Script(stopping=fail)),
            trial.worker("b", Script(stopped=fail)),
            trial.worker("c"),
        )
        trial.started("c")
        trial.root.stop()

        assert trial.ends.wait_until(bool) == [None]
        assert trial.ended("a").message == trial.ended("b").message == "Stop"


def test_no_message_is_handled_before_started_returns() -> None:
    gate = threading.Event()
    with Trial() as trial:
        trial.start(
            trial.worker(
                "a",
                Script(started=steps(lambda _worker: gate.wait(), lambda worker: worker.note("ready")).act),
            )
        )
        trial.address("a").tell(Note(value=1))
        trial.noted("a", "started")
        gate.set()
        trial.noted("a", 1)

        assert [noted.value for noted in trial.notes.all()] == ["started", "ready", 1]


def test_the_report_names_what_the_actor_held_and_the_trace_of_the_message() -> None:
    with Trial() as trial:
        trial.start(trial.worker("a"))
        trial.address("a").tell(Do(act=lambda worker: worker.hold("job 7")))
        context = SpanContext(trace_id=0xABC, span_id=1, is_remote=False, trace_flags=TraceFlags(1))
        with trace.use_span(NonRecordingSpan(context)):
            trial.address("a").tell(crash(ValueError()))
        ended = trial.ended("a")

        assert ended.held == "job 7"
        assert ended.trace_id == f"{0xABC:032x}"


def test_what_was_let_go_is_not_in_the_report() -> None:
    with Trial() as trial:
        trial.start(trial.worker("a"))
        trial.address("a").tell(steps(lambda worker: worker.hold("job 7"), lambda worker: worker.let_go()))
        trial.address("a").tell(crash(ValueError()))

        assert trial.ended("a").held is None


def test_context_variables_travel_with_a_message() -> None:
    who: ContextVar[str] = ContextVar("who", default="nobody")
    with Trial() as trial:
        trial.start(trial.worker("a"))
        note_who = Do(act=lambda worker: worker.note(who.get()))
        token = who.set("me")
        trial.address("a").tell(note_who)
        trial.address("a").tell_quietly(note_who)
        trial.address("a").tell(Do(act=lambda worker: worker.tell_later(timedelta(), note_who)))
        who.reset(token)
        trial.notes.wait_until(lambda noted: [each.value for each in noted].count("me") == 3)
        trial.address("a").tell(note_who)

        trial.noted("a", "nobody")


def test_a_handlers_context_does_not_leak_into_the_next_message() -> None:
    who: ContextVar[str] = ContextVar("who", default="nobody")
    with Trial() as trial:
        trial.start(trial.worker("a"))
        trial.address("a").tell(Do(act=lambda _worker: who.set("leaked")))
        trial.address("a").tell(Do(act=lambda worker: worker.note(who.get())))

        trial.noted("a", "nobody")


def test_the_actors_thread_bears_its_path_and_is_the_same_for_every_hook() -> None:
    threads: list[threading.Thread] = []
    names: set[str] = set()

    def mark(_worker: Worker) -> None:
        threads.append(threading.current_thread())
        names.add(threads[-1].name)

    with Trial() as trial:
        trial.start(trial.worker("a", Script(started=mark, stopping=mark, stopped=mark)))
        trial.address("a").tell(steps(mark, lambda worker: worker.note("marked")))
        trial.noted("a", "marked")

    assert names == {"a"}
    assert len(threads) == 4
    assert len(set(threads)) == 1 or Trial.dispatcher is not None


# Stops.


def test_a_stop_overtakes_a_backlog_which_then_is_undeliverable() -> None:
    gate = threading.Event()
    with Trial() as trial:
        trial.start(trial.worker("a", drain=_LONG))
        trial.address("a").tell(busy(gate))
        trial.noted("a", "busy")
        for number in range(5000):
            trial.address("a").tell(Note(value=number))
        trial.root.stop()
        trial.idle("/")
        gate.set()
        trial.ends.wait_until(bool)

        assert trial.values("a") == []
        lost = [heard for heard in trial.heard.all() if isinstance(heard, Undeliverable)]
        assert lost == [Undeliverable(path="a", message="Note")] * 5000


def test_a_stopping_actor_goes_on_until_it_is_drained() -> None:
    script = Script(is_drained=lambda worker: "work" in worker.done)
    with Trial() as trial:
        trial.start(trial.worker("a", script, drain=_LONG))
        trial.started("a")
        trial.root.stop()
        trial.noted("a", "stopping")
        trial.address("a").tell(Note(value=1))
        trial.address("a").tell(Do(act=lambda worker: worker.done.add("work")))
        trial.ends.wait_until(bool)

        assert [noted.value for noted in trial.notes.all()] == ["started", "stopping", 1, "stopped"]


def test_a_quiet_tell_wakes_a_stopping_actor() -> None:
    script = Script(is_drained=lambda worker: "work" in worker.done)
    with Trial() as trial:
        trial.start(trial.worker("a", script, drain=_LONG))
        trial.started("a")
        trial.root.stop()
        trial.noted("a", "stopping")
        trial.address("a").tell_quietly(Do(act=lambda worker: worker.done.add("work")))

        assert trial.ends.wait_until(bool) == [None]


def test_is_stopping_is_true_from_the_stop_on() -> None:
    script = Script(
        started=lambda worker: worker.note(worker.is_stopping),
        stopped=lambda worker: worker.note(worker.is_stopping),
    )
    with Trial() as trial:
        trial.start(trial.worker("a", script))

    assert trial.values("a", bool) == [False, True]


def test_a_stopped_actor_leaves_no_registered_reference() -> None:
    before = set(pykka.ActorRegistry.get_all())
    with Trial() as trial:
        trial.start(trial.worker("a"))
        trial.address("a").tell(crash(ValueError()))
        trial.started("a", 2)

    wait_until(lambda: set(pykka.ActorRegistry.get_all()) <= before)


# Telling.


def test_a_quiet_tell_is_read_with_the_next_message() -> None:
    with Trial() as trial:
        trial.start(trial.worker("a"))
        trial.started("a")
        trial.address("a").tell_quietly(Note(value=1))
        trial.address("a").tell(Note(value=2))
        trial.noted("a", 2)

        assert trial.values("a") == [1, 2]


def test_take_waiting_gives_all_that_waits_to_one_handler() -> None:
    gate = threading.Event()
    with Trial() as trial:
        trial.start(trial.worker("a"))
        trial.address("a").tell(
            steps(
                busy(gate).act,
                lambda worker: worker.note([getattr(each, "value", None) for each in worker.take_waiting()]),
            )
        )
        trial.noted("a", "busy")
        for number in range(3):
            trial.address("a").tell(Note(value=number))
        gate.set()

        trial.noted("a", [0, 1, 2])


def test_a_batch_that_crashes_is_lost_whole_and_what_came_after_is_not() -> None:
    gate = threading.Event()

    def take_all_and_crash(worker: Worker) -> None:
        worker.note("busy")
        gate.wait()
        worker.take_waiting()
        worker.note("taken")
        raise ValueError

    with Trial() as trial:
        trial.start(trial.worker("a"))
        trial.address("a").tell(Do(act=take_all_and_crash))
        trial.noted("a", "busy")
        trial.address("a").tell(Note(value=1))
        gate.set()
        trial.noted("a", "taken")
        trial.address("a").tell(Note(value=2))

        assert trial.noted("a", 2).incarnation == 2
        assert trial.values("a") == [2]


# Timers.


def test_a_timer_tells_after_its_delay_unless_it_is_taken_back() -> None:
    def set_timers(worker: Worker) -> None:
        cancel = worker.tell_later(timedelta(milliseconds=20), Note(value="cancelled"))
        worker.tell_later(timedelta(milliseconds=40), Note(value="told"))
        cancel()

    with Trial() as trial:
        trial.start(trial.worker("a"))
        trial.address("a").tell(Do(act=set_timers))
        trial.noted("a", "told")

        assert "cancelled" not in trial.values("a", str)


def test_a_timer_dies_with_the_incarnation_that_set_it() -> None:
    delay = timedelta(milliseconds=30)
    script = Script(started=lambda worker: worker.tell_later(delay, Note(value=worker.life.incarnation)))
    with Trial() as trial:
        trial.start(trial.worker("a", script))
        trial.address("a").tell(crash(ValueError()))
        trial.noted("a", 2)

        assert trial.values("a") == [2]


def test_a_timer_that_rings_after_the_stop_is_no_dead_letter() -> None:
    script = Script(started=lambda worker: worker.tell_later(timedelta(milliseconds=10), Note(value=1)))
    with Trial() as trial:
        trial.start(trial.worker("a", script, restart=Restart.TEMPORARY), trial.worker("b"))
        trial.root.stop_one("a")
        trial.address("b").tell(
            Do(act=lambda worker: worker.tell_later(timedelta(milliseconds=30), Note(value="later")))
        )
        trial.noted("b", "later")

        assert not any(isinstance(heard, Undeliverable) for heard in trial.heard.all())


# Struck by an operator.


def test_a_kill_overtakes_what_waits_and_loses_nothing() -> None:
    gate = threading.Event()
    with Trial() as trial:
        trial.start(trial.worker("a"))
        trial.address("a").tell(busy(gate))
        trial.noted("a", "busy")
        trial.address("a").tell(Note(value=1))
        trial.root.kill("a", hang=False, reason="a test")
        gate.set()

        assert trial.noted("a", 1).incarnation == 2
        assert trial.ended("a").error == f"{KilledError.__name__}: a test"


def test_an_actor_that_is_told_to_stop_alone_is_restarted_if_it_is_permanent() -> None:
    with Trial() as trial:
        trial.start(trial.worker("a"))
        trial.started("a")
        trial.root.stop_one("a")
        trial.started("a", 2)

        assert ChildStopped(path="a", incarnation=1) in trial.heard.all()


# Costs.


def test_an_idle_actor_consumes_no_processor_time() -> None:
    seen: list[threading.Thread] = []
    with Trial() as trial:
        trial.start(
            trial.worker("a", Script(started=lambda _worker: seen.append(threading.current_thread())))
        )
        trial.started("a")
        ident = seen[0].ident
        assert ident is not None
        own_clock = time.pthread_getcpuclockid(ident)
        trial.idle("a")
        before = time.clock_gettime(own_clock)
        threading.Event().wait(0.3)

        assert time.clock_gettime(own_clock) - before < 0.001


def test_news_overtakes_work() -> None:
    gate = threading.Event()
    with Trial() as trial:
        trial.start(trial.worker("a"))
        trial.address("a").tell(busy(gate))
        trial.noted("a", "busy")
        trial.address("a").tell(Note(value=1))
        trial.address("a").tell_news(Note(value=2))
        gate.set()
        trial.noted("a", 1)

        assert trial.values("a") == [2, 1]
        assert Lane.NEWS < Lane.WORK


def test_what_an_actor_works_on_is_seen_from_outside() -> None:
    clock = ManualClock()
    with Trial(clock) as trial:
        trial.start(trial.worker("a"))
        trial.address("a").tell(steps(lambda worker: worker.hold("job 7"), trial.hang))
        trial.noted("a", "hangs")
        trial.address("a").tell(Note(value=1))
        clock.advance(timedelta(seconds=2))
        view = trial.root.view("a")

        assert view.working_on is not None
        assert (view.working_on.message, view.working_on.subject) == ("Do", "job 7")
        assert view.working_on.since == timedelta(seconds=2)
        assert (view.mailbox_depth, view.oldest_message_age) == (1, timedelta(seconds=2))
        trial.gate.set()
        trial.noted("a", 1)
        trial.idle("a")
        view = trial.root.view("a")

        assert view.working_on is not None
        assert (view.working_on.message, view.working_on.subject) == ("str", "job 7")


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_thread_that_ends_without_a_word_is_noticed_and_replaced() -> None:
    """What raises outside every hook leaves no report; the look finds it, and the thread ends."""

    def break_the_mailbox(worker: Worker) -> None:
        mailbox = worker.life.mailbox

        def take_now(_port: object) -> None:
            del mailbox.take_now
            raise SystemExit

        mailbox.take_now = take_now  # type: ignore[method-assign,assignment] # the worker breaks itself on purpose
        threads.append(threading.current_thread())
        ports.append(worker.life.port)
        worker.note("broken")

    threads: list[threading.Thread] = []
    ports: list[Port] = []
    with Trial() as trial:
        trial.start(trial.worker("a"))
        trial.address("a").tell(Do(act=break_the_mailbox))
        trial.noted("a", "broken")
        threads[0].join(20)
        assert ports[0].is_over
        trial.address("a").tell(Note(value=1))
        trial.look()

        assert trial.noted("a", 1).incarnation == 2
        assert "without a word" in trial.ended("a").error


def outcome_of(act: Callable[[], object]) -> str:
    try:
        act()
    except Exception as error:  # noqa: BLE001 - the test asks which
        return type(error).__name__
    return "done"


def test_an_unknown_path_is_a_key_error() -> None:
    with Trial() as trial:
        trial.start(trial.worker("a"))

        assert outcome_of(lambda: trial.root.view("b")) == "KeyError"
        assert outcome_of(lambda: trial.root.kill("b", hang=False, reason="")) == "KeyError"


# Names.


@pytest.mark.parametrize("name", ["live", "begin", "act_on", "leave", "hold", "tell_later"])
def test_a_class_that_would_replace_a_part_of_every_actor_is_refused(name: str) -> None:
    with pytest.raises(TypeError, match=rf"Mistaken\.{name} would replace a part of every actor"):
        type("Mistaken", (Worker,), {name: lambda _self: None})


class OwnNames(Worker):
    """Has names that other actors' bases use for themselves."""

    def __init__(self, life: Life, *, notes: Signals[Noted], script: Script) -> None:
        super().__init__(life, notes=notes, script=script)
        self._port = self._handle = self._report = self._path = "mine"

    def _leave(self) -> None:
        raise AssertionError

    def _end_by(self) -> None:
        raise AssertionError


def test_a_subclass_names_its_own_parts_as_it_likes() -> None:
    with Trial() as trial:
        made = recipe(OwnNames, notes=trial.notes, script=Script())
        trial.start(Child(id="a", recipe=made))
        trial.address("a").tell(crash(ValueError()))
        trial.address("a").tell(Note(value=1))

        assert trial.noted("a", 1).incarnation == 2
        assert trial.ended("a").error == "ValueError: "
