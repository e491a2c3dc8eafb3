"""What supervision/ relies on in pykka, and the traps that it closes. Red here: look again at the seam."""

import asyncio
import gc
import logging
import queue
import threading
import weakref
from collections.abc import Iterator
from importlib.metadata import version
from typing import Any

import pykka
import pytest

_PATIENCE = 10.0


class Plain(pykka.ThreadingActor):
    """A pykka actor as pykka means it."""

    use_daemon_thread = True

    def __init__(self, *args: object, **options: object) -> None:
        super().__init__()
        self.arguments = (args, options)
        self.made_on = threading.get_ident()
        self.seen: queue.Queue[object] = queue.Queue()
        self.failures: queue.Queue[object] = queue.Queue()

    def on_receive(self, message: object) -> object:
        if isinstance(message, BaseException):
            raise message
        self.seen.put(message)
        return message

    def on_failure(self, *failure: object) -> None:
        self.failures.put(failure[1])


@pytest.fixture(autouse=True)
def no_actors_left() -> Iterator[None]:
    logging.getLogger("pykka").setLevel(logging.CRITICAL)
    for hung in pykka.ActorRegistry.get_all():
        pykka.ActorRegistry.unregister(hung)  # what other tests let hang can't be told to stop
    yield
    for ref in pykka.ActorRegistry.get_all():
        ref.stop(block=False)
        pykka.ActorRegistry.unregister(ref)
    logging.getLogger("pykka").setLevel(logging.NOTSET)


class Ported(Plain):
    """An actor whose inbox was assigned after `super().__init__()`."""

    def __init__(self, inbox: "queue.SimpleQueue[Any]") -> None:
        super().__init__()
        self.actor_inbox = self.actor_ref.actor_inbox = inbox
        self.threads: queue.Queue[threading.Thread] = queue.Queue()

    def on_start(self) -> None:
        self.threads.put(threading.current_thread())


def actor_of(ref: pykka.ActorRef[Any]) -> Plain:
    actor: Plain | None = ref._actor_weakref()
    assert actor is not None
    return actor


def ported(ref: pykka.ActorRef[Any]) -> Ported:
    actor = actor_of(ref)
    assert isinstance(actor, Ported)
    return actor


def test_the_installed_pykka_is_the_one_that_was_examined() -> None:
    assert version("pykka").startswith("4.5.")


# The seams.


def test_start_calls_the_class_with_all_arguments_on_the_callers_thread() -> None:
    ref = Plain.start(1, two=2)

    assert actor_of(ref).arguments == ((1,), {"two": 2})
    assert actor_of(ref).made_on == threading.get_ident()


def test_an_error_of_the_constructor_comes_out_of_start() -> None:
    with pytest.raises(TypeError):
        Ported.start()


def test_tells_and_the_loop_go_through_the_inbox_that_was_assigned() -> None:
    inbox = queue.SimpleQueue[Any]()
    ref = Ported.start(inbox)
    ref.tell("hello")

    assert actor_of(ref).seen.get(timeout=_PATIENCE) == "hello"


def test_a_stop_goes_that_way_too_and_ends_the_thread_after_the_message_in_hand() -> None:
    ref = Ported.start(queue.SimpleQueue[Any]())
    actor = ported(ref)
    ref.tell("first")
    actor.stop()
    actor.threads.get(timeout=_PATIENCE).join(_PATIENCE)

    assert actor.seen.get_nowait() == "first"
    assert not ref.is_alive()
    assert pykka.ActorRegistry.get_by_urn(ref.actor_urn) is None
    with pytest.raises(pykka.ActorDeadError):
        ref.tell("refused")


def test_the_actors_thread_is_a_daemon_if_the_class_says_so() -> None:
    ref = Ported.start(queue.SimpleQueue[Any]())

    assert ported(ref).threads.get(timeout=_PATIENCE).daemon


# The traps.


def test_an_error_in_a_handler_reached_by_ask_goes_to_the_caller_and_the_actor_lives_on() -> None:
    ref = Plain.start()

    with pytest.raises(ValueError, match="asked"):
        ref.ask(ValueError("asked"), timeout=_PATIENCE)

    assert ref.is_alive()
    assert actor_of(ref).failures.empty()


def test_an_error_in_on_start_is_no_failure_and_start_returns_a_reference_all_the_same() -> None:
    class Stillborn(Plain):
        def on_start(self) -> None:
            raise ValueError

    ref = Stillborn.start()
    ref.actor_stopped.wait(_PATIENCE)

    assert not ref.is_alive()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_base_exception_in_on_start_leaves_a_registered_actor_without_a_thread() -> None:
    threads: queue.Queue[threading.Thread] = queue.Queue()

    class Stillborn(Plain):
        def on_start(self) -> None:
            threads.put(threading.current_thread())
            raise asyncio.CancelledError

    ref = Stillborn.start()
    threads.get(timeout=_PATIENCE).join(_PATIENCE)

    assert ref.is_alive()
    assert ref in pykka.ActorRegistry.get_all()


def test_a_base_exception_in_a_handler_stops_every_other_actor_too() -> None:
    innocent, guilty = Plain.start(), Plain.start()

    guilty.tell(asyncio.CancelledError())

    assert innocent.actor_stopped.wait(_PATIENCE)


def test_what_was_told_to_an_actor_that_dies_vanishes_silently() -> None:
    held = threading.Event()
    gate = threading.Event()

    class Holds(Plain):
        def on_receive(self, message: object) -> object:
            held.set()
            gate.wait(_PATIENCE)
            return super().on_receive(message)

    ref = Holds.start()
    actor = actor_of(ref)
    ref.tell(ValueError())
    assert held.wait(_PATIENCE)
    ref.tell("lost")
    gate.set()
    ref.actor_stopped.wait(_PATIENCE)

    assert actor.seen.empty()
    with pytest.raises(pykka.ActorDeadError):
        ref.tell("refused")


def test_the_loop_keeps_the_last_message_until_the_next_one_comes() -> None:
    class Heavy:
        """Something that should not be kept."""

    ref = Plain.start()
    kept = weakref.ref(heavy := Heavy())
    ref.tell([heavy])
    actor_of(ref).seen.get(timeout=_PATIENCE)
    del heavy
    gc.collect()
    assert kept() is not None
    for _ in range(2):
        ref.tell("next")
        actor_of(ref).seen.get(timeout=_PATIENCE)
    gc.collect()

    assert kept() is None
