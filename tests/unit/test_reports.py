"""What stands in reports of crashes and of lost messages, and what must not stand there."""

import contextvars
import threading
from dataclasses import dataclass
from datetime import timedelta

import pytest
from opentelemetry import trace
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags

from tests.support_supervision import Do, Note, Trial, Worker, busy, crash, steps
from wallet_provisioning.clock import ManualClock
from wallet_provisioning.supervision.actor import Actor, recipe
from wallet_provisioning.supervision.child import Child
from wallet_provisioning.supervision.deadletters import DeadLetters
from wallet_provisioning.supervision.incidents import Undeliverable, Why
from wallet_provisioning.supervision.letters import Lane
from wallet_provisioning.supervision.mailbox import Mailbox
from wallet_provisioning.supervision.restarts import Restart
from wallet_provisioning.supervision.showing import show, trace_id_of

TRACE = 0xABC
SPAN = NonRecordingSpan(
    SpanContext(trace_id=TRACE, span_id=1, is_remote=False, trace_flags=TraceFlags(TraceFlags.SAMPLED))
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A message that says nothing of how it is shown."""

    user: str
    card: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    """A message that says what may be seen of it."""

    number: int
    address: str

    def shown(self) -> str:
        return f"Parcel(number={self.number})"


class Broken:
    """A message that can't be shown."""

    def shown(self) -> str:
        raise ValueError


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        (Order(user="u", card="4111"), "Order(user, card)"),
        (Parcel(number=7, address="secret"), "Parcel(number=7)"),
        (Broken(), "Broken (it can't be shown)"),
        ("secret", "str"),
        (None, "NoneType"),
    ],
)
def test_a_message_is_shown_without_its_values_unless_it_says_how(message: object, shown: str) -> None:
    assert show(message) == shown


def test_what_a_message_shows_of_itself_has_a_limit() -> None:
    class Chatty:
        def shown(self) -> str:
            return "x" * 10_000

    assert len(show(Chatty())) == 500


# Crash reports.


class Clerk(Actor[Order | Parcel]):
    """Dies of every message."""

    def receive(self, message: Order | Parcel) -> None:
        del message
        raise ValueError


def test_a_crash_report_names_the_message_its_trace_and_its_stack_and_shows_no_secret() -> None:
    with Trial() as trial:
        trial.start(Child(id="a", recipe=recipe(Clerk)))
        with trace.use_span(SPAN):
            trial.places.address("a").tell(Order(user="u", card="4111"))
        ended = trial.ended("a")
        trial.started("a", 2)
        last = trial.root.view("a").last_crash

        assert last is not None
        assert (ended.message, ended.shown, ended.trace_id) == ("Order", "Order(user, card)", f"{TRACE:032x}")
        assert (last.message, last.shown, last.trace_id) == (ended.message, ended.shown, ended.trace_id)
        assert (last.incarnation, last.stack) == (1, ended.stack)
        assert "raise ValueError" in last.stack
        assert "4111" not in repr(ended) + repr(last)


def test_a_hang_is_reported_with_the_trace_of_the_message_that_its_thread_still_handles() -> None:
    clock = ManualClock()
    with Trial(clock) as trial:
        trial.start(trial.worker("a"))
        with trace.use_span(SPAN):
            trial.address("a").tell(Do(act=trial.hang))
        trial.noted("a", "hangs")
        clock.advance(timedelta(seconds=16))
        trial.look()

        assert trial.ended("a").trace_id == f"{TRACE:032x}"


def test_the_trace_of_a_context_can_be_read_while_another_thread_is_in_it() -> None:
    gate, inside = threading.Event(), threading.Event()
    with trace.use_span(SPAN):
        context = contextvars.copy_context()

    def stay() -> None:
        inside.set()
        gate.wait(20)

    thread = threading.Thread(target=context.run, args=(stay,))
    thread.start()
    inside.wait(20)

    assert trace_id_of(context) == f"{TRACE:032x}"
    gate.set()
    thread.join(20)


# Dead letters.


def stopped(trial: Trial, path: str = "t") -> None:
    """Stop a temporary child for good."""
    trial.address(path).tell(crash(ValueError()))
    trial.ended(path)
    trial.idle("/")


def test_a_dead_letter_says_who_told_it_and_in_which_trace() -> None:
    with Trial() as trial:
        trial.start(trial.worker("a"), trial.worker("t", restart=Restart.TEMPORARY))
        stopped(trial)
        dead = trial.address("t")
        with trace.use_span(SPAN):
            trial.address("a").tell(
                steps(lambda _worker: dead.tell(Note(value="secret")), lambda worker: worker.note("told"))
            )
        trial.noted("a", "told")
        (letter,) = trial.places.dead_letters.last()

        assert (letter.path, letter.message, letter.shown) == ("t", "Note", "Note(value)")
        assert (letter.why, letter.sender, letter.trace_id) == (Why.STOPPED, "a", f"{TRACE:032x}")
        assert (
            Undeliverable(path="t", message="Note", why=Why.STOPPED, sender="a", trace_id=f"{TRACE:032x}")
            in trial.heard.all()
        )


def test_what_waited_for_a_child_that_ended_for_good_is_told_with_its_senders() -> None:
    gate = threading.Event()
    with Trial() as trial:
        trial.start(trial.worker("a"), trial.worker("t", restart=Restart.TEMPORARY))
        target = trial.address("t")
        target.tell(steps(busy(gate).act, crash(ValueError()).act))
        trial.noted("t", "busy")
        trial.address("a").tell(steps(lambda _worker: target.tell(Note(value=1)), lambda w: w.note("told")))
        trial.noted("a", "told")
        target.tell(Note(value=2))
        gate.set()
        trial.heard.wait_for(lambda heard: isinstance(heard, Undeliverable), count=2)

        assert [letter.sender for letter in trial.places.dead_letters.last()] == [None, "a"]


def test_the_sender_is_the_actor_that_told_and_not_the_one_that_told_it_to() -> None:
    with Trial() as trial:
        trial.start(*(trial.worker(name) for name in "ab"), trial.worker("t", restart=Restart.TEMPORARY))
        stopped(trial)
        dead, second = trial.address("t"), trial.address("b")

        def pass_on(_worker: Worker) -> None:
            second.tell(steps(lambda _worker: dead.tell(Note(value=1)), lambda worker: worker.note("told")))

        trial.address("a").tell(Do(act=pass_on))
        trial.noted("b", "told")

        assert trial.places.dead_letters.last()[0].sender == "b"


def test_dead_letters_are_counted_where_they_were_told_and_only_the_last_are_kept() -> None:
    with Trial() as trial:
        trial.start(trial.worker("a"), trial.worker("t", restart=Restart.TEMPORARY))
        stopped(trial)
        dead = trial.address("t")
        for number in range(250):
            dead.tell(Note(value=number))

        assert trial.root.view("t").dead_letters == 250
        assert trial.root.view("a").dead_letters == 0
        assert len(trial.places.dead_letters.last()) == 200


def test_no_dead_letter_is_missed_in_the_count_whoever_tells_at_once() -> None:
    letters = DeadLetters(ManualClock(), length=3)
    mailbox = Mailbox(ManualClock(), "a")
    context = contextvars.copy_context()

    def note() -> None:
        for _ in range(1000):
            letters.note(mailbox, "message", context, Why.FULL)

    threads = [threading.Thread(target=note) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert mailbox.dead_letters == 4000
    assert len(letters.last()) == 3


def test_a_control_message_is_no_dead_letter() -> None:
    mailbox = Mailbox(ManualClock(), "a")
    mailbox.put(Lane.CONTROL, "stop", contextvars.copy_context())

    assert mailbox.close() == []
    assert mailbox.dead_letters == 0
