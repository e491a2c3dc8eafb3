"""Actors that share threads: how many there are, what one that stands still costs the others, and the end."""

import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextvars import ContextVar
from datetime import timedelta

import pykka
import pytest

from tests.support_supervision import AT_ONCE, Do, Note, Script, Trial, Worker, busy, crash, steps, wait_until
from wallet_provisioning.clock import ManualClock
from wallet_provisioning.supervision.restarts import Intensity
from wallet_provisioning.supervision.snapshot import ChildState, EndReason
from wallet_provisioning.supervision.supervisor import Policy

_TOLERANT = Policy(delay=AT_ONCE, intensity=Intensity(limit=100_000), zombie_limit=100_000)
_TOO_LONG = timedelta(seconds=16)
_MANY = 60


@pytest.fixture(autouse=True)
def _threads() -> Iterator[None]:
    Trial.dispatcher = "pool"
    yield
    Trial.dispatcher = None


def shared_threads(trial: Trial) -> int:
    return trial.runtime._dispatchers["pool"]._threads


def names(count: int) -> list[str]:
    return [f"a{number}" for number in range(count)]


def look_until_restarted(trial: Trial) -> bool:
    trial.look()
    return trial.root.view("a0").incarnation == 2


def tell_thread(worker: Worker) -> None:
    worker.note(str(threading.get_ident()))


def test_many_actors_live_on_fewer_threads() -> None:
    before = threading.active_count()
    with Trial() as trial:
        trial.start(*(trial.worker(name) for name in names(_MANY)))
        for name in names(_MANY):
            trial.address(name).tell(Do(act=tell_thread))
        trial.notes.wait_until(lambda noted: sum(isinstance(note.value, str) for note in noted) >= 2 * _MANY)
        wait_until(lambda: threading.active_count() - before < 10)


def test_an_actor_that_stands_still_holds_up_nobody() -> None:
    with Trial() as trial:
        trial.start(*(trial.worker(name) for name in names(3)))
        trial.address("a0").tell(busy(trial.gate))
        trial.noted("a0", "busy")
        trial.address("a1").tell(Note(value=1))
        trial.address("a2").tell(Note(value=1))
        trial.noted("a1", 1)
        trial.noted("a2", 1)


def test_as_many_as_stand_still_have_a_thread_each_and_the_threads_leave_again() -> None:
    with Trial() as trial:
        trial.start(*(trial.worker(name) for name in names(_MANY)))
        for name in names(_MANY):
            trial.address(name).tell(busy(trial.gate))
        for name in names(_MANY):
            trial.noted(name, "busy")
        assert shared_threads(trial) >= _MANY
        trial.gate.set()
        for number in range(1, 5_000):
            for name in names(_MANY):
                trial.address(name).tell(Note(value=number))
            if shared_threads(trial) == 1:
                break
        assert shared_threads(trial) < _MANY


def test_no_actor_is_ever_on_two_threads() -> None:
    on_it: Counter[str] = Counter()
    most: Counter[str] = Counter()
    rounds, few = 300, 8
    pause = threading.Event()

    def act(worker: Worker) -> None:
        on_it[worker.life.path] += 1
        most[worker.life.path] = max(most[worker.life.path], on_it[worker.life.path])
        pause.wait(0.0005)
        on_it[worker.life.path] -= 1

    with Trial() as trial:
        trial.start(*(trial.worker(name) for name in names(few)))
        trial.address("a0").tell(busy(trial.gate))  # so that there are several threads
        for number in range(rounds):
            for name in names(few)[1:]:
                trial.address(name).tell(Do(act=act))
                if number == rounds - 1:
                    trial.address(name).tell(Note(value=number))
        for name in names(few)[1:]:
            trial.noted(name, rounds - 1)

        assert most == dict.fromkeys(names(few)[1:], 1)


def test_messages_of_an_actor_keep_their_order() -> None:
    count = 2_000
    with Trial() as trial:
        trial.start(*(trial.worker(name) for name in names(3)))
        for number in range(count):
            for name in names(3):
                trial.address(name).tell(Note(value=number))
        for name in names(3):
            trial.noted(name, count - 1)
            assert trial.values(name) == list(range(count))


def test_an_actor_that_always_has_something_to_read_lets_others_have_their_turn() -> None:
    def again(worker: Worker) -> None:
        if not trial.gate.is_set():
            worker.life.me.tell(Do(act=again))

    with Trial() as trial:
        trial.start(*(trial.worker(name) for name in names(2)))
        trial.address("a0").tell(Do(act=again))
        trial.address("a1").tell(Note(value=1))
        trial.noted("a1", 1)
        trial.gate.set()


def test_one_that_hangs_is_cut_off_and_its_thread_goes_on_with_the_line_when_it_comes_back() -> None:
    clock = ManualClock()
    with Trial(clock) as trial:
        trial.start(*(trial.worker(name) for name in names(2)), policy=_TOLERANT)
        trial.address("a0").tell(Do(act=trial.hang))
        trial.noted("a0", "hangs")
        clock.advance(_TOO_LONG)
        trial.look()
        trial.started("a0", 2)
        trial.address("a0").tell(Note(value=1))
        trial.address("a1").tell(Note(value=1))
        trial.noted("a0", 1, incarnation=2)
        trial.noted("a1", 1, incarnation=1)

        assert trial.ended("a0").reason is EndReason.HANG
        assert "hang" in trial.ended("a0").stack
        assert trial.root.view("a0").zombies == 1
        trial.gate.set()
        wait_until(lambda: trial.root.view("a0").zombies == 0)
        trial.address("a0").tell(Note(value=2))
        trial.noted("a0", 2, incarnation=2)


def test_an_idle_actor_outlives_the_thread_that_served_it_last() -> None:
    with Trial() as trial:
        trial.start(*(trial.worker(name) for name in names(2)), policy=_TOLERANT)
        trial.started("a1")
        trial.idle("a1")
        gone = threading.Thread(target=lambda: None)
        gone.start()
        gone.join()
        trial.address("a1").tell(Do(act=lambda worker: setattr(worker.life.port, "thread", gone)))
        trial.idle("a1")
        trial.look()
        trial.address("a0").tell(Note(value=1))
        trial.noted("a0", 1)
        trial.address("a1").tell(Note(value=1))
        trial.noted("a1", 1, incarnation=1)

        assert trial.root.view("a1").state is ChildState.RUNNING


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_thread_on_which_something_breaks_outside_every_hook_is_replaced() -> None:
    def break_off(worker: Worker) -> None:
        worker.act_on = sys.exit  # type: ignore[method-assign,assignment] # what no hook can do

    with Trial() as trial:
        trial.start(*(trial.worker(name) for name in names(2)), policy=_TOLERANT)
        trial.address("a0").tell(Do(act=break_off))
        trial.address("a0").tell(Note(value=1))
        trial.address("a1").tell(Note(value=1))
        trial.noted("a1", 1, incarnation=1)
        wait_until(lambda: look_until_restarted(trial))
        trial.started("a0", 2)

        assert "without a word" in trial.ended("a0").error
        assert shared_threads(trial) >= 1


def test_a_life_begins_with_no_context_variable_set() -> None:
    who: ContextVar[str] = ContextVar("who", default="nobody")

    def started(worker: Worker) -> None:
        worker.note(who.get())
        who.set(worker.life.path)

    with Trial() as trial:
        trial.start(*(trial.worker(name, Script(started=started)) for name in names(3)))
        for name in names(3):
            trial.noted(name, "nobody")


def test_crashes_and_their_restarts_leave_the_neighbours_alone() -> None:
    crashes = 100
    with Trial() as trial:
        trial.start(*(trial.worker(name) for name in names(2)), policy=_TOLERANT)
        for number in range(crashes):
            trial.address("a0").tell(crash(ValueError()))
            trial.address("a1").tell(Note(value=number))
        trial.started("a0", crashes + 1)
        trial.noted("a1", crashes - 1)

        assert trial.values("a1") == list(range(crashes))
        assert trial.root.view("a1").incarnation == 1


def test_none_of_the_threads_is_left_after_the_end() -> None:
    before = set(pykka.ActorRegistry.get_all())
    with Trial() as trial:
        trial.start(*(trial.worker(name) for name in names(4)))
        for name in names(4):
            trial.address(name).tell(steps(tell_thread))
    wait_until(lambda: set(pykka.ActorRegistry.get_all()) <= before)
