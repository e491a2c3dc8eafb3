"""Threads that live one life after the other: how many there are, what is left on them, and their end."""

import gc
import threading
import weakref
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from datetime import timedelta

import pykka
import pytest

from tests.support_supervision import AT_ONCE, Do, Note, Script, Trial, Worker, crash, wait_until
from wallet_provisioning.clock import ManualClock
from wallet_provisioning.supervision.hosts import Spares
from wallet_provisioning.supervision.restarts import Intensity
from wallet_provisioning.supervision.supervisor import Policy
from wallet_provisioning.supervision.testing import Signals

_TOLERANT = Policy(delay=AT_ONCE, intensity=Intensity(limit=100_000), zombie_limit=100_000)
_TOO_LONG = timedelta(seconds=16)


@pytest.fixture
def spares() -> Iterator[Spares]:
    spares = Spares(most=2)
    yield spares
    spares.close()


class Lives:
    """Notes the thread of every life that it is asked for; a life lasts until it is ended."""

    def __init__(self) -> None:
        self.begun: Signals[threading.Thread] = Signals()
        self.gates: list[threading.Event] = []

    def one(self) -> Callable[[], None]:
        gate = threading.Event()
        self.gates.append(gate)

        def live() -> None:
            self.begun.note(threading.current_thread())
            gate.wait(20)

        return live

    def threads(self, count: int) -> list[threading.Thread]:
        return self.begun.wait_until(lambda noted: len(noted) == count)

    def end_all(self) -> None:
        for gate in self.gates:
            gate.set()


def wait_for_spares(spares: Spares, count: int) -> None:
    wait_until(lambda: len(spares._waiting) == count)


def registered() -> set[object]:
    return set(pykka.ActorRegistry.get_all())


# The hosts alone.


def test_a_life_begins_on_the_thread_of_one_that_has_ended(spares: Spares) -> None:
    lives = Lives()
    spares.host(lives.one())
    lives.end_all()
    wait_for_spares(spares, 1)
    spares.host(lives.one())
    lives.end_all()

    first, second = lives.threads(2)
    assert first is second


def test_a_life_waits_for_no_other(spares: Spares) -> None:
    lives = Lives()
    for _ in range(4):
        spares.host(lives.one())

    assert len(set(lives.threads(4))) == 4
    lives.end_all()


def test_no_more_threads_wait_than_there_is_room_for(spares: Spares) -> None:
    before = registered()
    lives = Lives()
    for _ in range(4):
        spares.host(lives.one())
    threads = lives.threads(4)
    lives.end_all()
    wait_for_spares(spares, 2)
    waiting = {host._thread for host in spares._waiting}
    for thread in set(threads) - waiting:
        thread.join(20)

    assert {thread for thread in threads if thread.is_alive()} == waiting
    assert {thread.name for thread in waiting if thread} == {"spare"}
    assert len(registered() - before) == 2


def test_none_is_left_after_the_close_be_it_in_the_middle_of_a_life() -> None:
    before = registered()
    spares, lives = Spares(), Lives()
    spares.host(lives.one())
    lives.end_all()
    wait_for_spares(spares, 1)
    spares.host(lives.one())
    spares.host(lives.one())
    threads = lives.threads(3)
    spares.close()
    lives.end_all()
    for thread in threads:
        thread.join(20)

    assert not any(thread.is_alive() for thread in threads)
    assert registered() <= before


def test_nothing_of_a_life_is_left_on_its_thread(spares: Spares) -> None:
    who: ContextVar[str] = ContextVar("who", default="nobody")
    seen: Signals[str] = Signals()

    class Thing:
        def live(self) -> None:
            who.set(f"{who.get()} and me")
            seen.note(who.get())

    def born() -> "weakref.ref[Thing]":
        thing = Thing()
        spares.host(thing.live)
        return weakref.ref(thing)

    for _ in range(2):
        thing = born()
        wait_for_spares(spares, 1)
        gc.collect()
        assert thing() is None

    assert seen.wait_until(lambda noted: len(noted) == 2) == ["nobody and me", "nobody and me"]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize("error", [ValueError, SystemExit, KeyboardInterrupt])
def test_a_life_that_breaks_takes_its_thread_along_and_no_other(
    spares: Spares, error: type[BaseException]
) -> None:
    before = registered()
    lives, longer = Lives(), Lives()
    spares.host(lives.one())
    lives.end_all()
    wait_for_spares(spares, 1)

    def live() -> None:
        lives.begun.note(threading.current_thread())
        raise error

    spares.host(longer.one())
    (other,) = longer.threads(1)
    spares.host(live)
    spares.host(live)
    first, *broken = lives.threads(3)
    for thread in broken:
        thread.join(20)
    longer.end_all()
    wait_for_spares(spares, 1)
    spares.host(longer.one())

    assert longer.threads(2) == [other, other]
    assert first is other
    assert len(set(broken)) == 2
    assert len(registered() - before) == 1
    longer.end_all()


def test_a_thread_that_was_stopped_from_outside_is_passed_over(spares: Spares) -> None:
    lives = Lives()
    spares.host(lives.one())
    lives.end_all()
    wait_for_spares(spares, 1)
    (host,) = spares._waiting
    host.leave()
    spares.host(lives.one())
    lives.end_all()

    first, second = lives.threads(2)
    assert first is not second


def test_what_a_host_is_told_from_outside_it_does_not_take_for_a_life(spares: Spares) -> None:
    lives = Lives()
    spares.host(lives.one())
    lives.end_all()
    wait_for_spares(spares, 1)
    (host,) = spares._waiting
    host.actor_ref.tell("hello")
    host.actor_ref.ask("are you there?", timeout=20)

    assert spares._waiting == [host]


# Below a supervisor.


def test_a_storm_of_crashes_starts_no_threads() -> None:
    crashes, threads = 300, Signals[threading.Thread]()
    script = Script(started=lambda _worker: threads.note(threading.current_thread()))
    with Trial() as trial:
        trial.start(trial.worker("a", script), policy=_TOLERANT)
        for number in range(crashes):
            trial.address("a").tell(crash(ValueError()))
            trial.started("a", number + 1)
        trial.started("a", crashes + 1)

        # As many as may wait and one that lives; nearly always it is two.
        assert len(set(threads.all())) <= 5


def test_a_thread_that_hangs_is_nobodys_spare_until_it_came_back() -> None:
    clock = ManualClock()
    where: dict[int, threading.Thread] = {}

    def started(worker: Worker) -> None:
        where[worker.life.incarnation] = threading.current_thread()

    with Trial(clock) as trial:
        trial.start(trial.worker("a", Script(started=started)), policy=_TOLERANT)
        trial.address("a").tell(Do(act=trial.hang))
        trial.noted("a", "hangs")
        clock.advance(_TOO_LONG)
        trial.look()
        trial.started("a", 2)
        trial.address("a").tell(crash(ValueError()))
        trial.started("a", 3)

        assert where[1] not in (where[2], where[3])
        assert trial.root.view("a").zombies == 1
        trial.gate.set()
        wait_until(lambda: any(host._thread is where[1] for host in trial.runtime._spares._waiting))
        # It is nobody's zombie any more, though its thread lives on and waits.
        assert trial.root.view("a").zombies == 0
        assert where[1].is_alive()


def test_a_report_never_shows_the_stack_of_a_life_that_came_after() -> None:
    with Trial() as trial:
        trial.start(trial.worker("a"), policy=_TOLERANT)
        trial.address("a").tell(Do(act=lambda worker: worker.life.mailbox.revoke(worker.life.port)))
        wait_for_spares(trial.runtime._spares, 1)
        trial.look()

        assert "without a word" in trial.ended("a").error
        assert trial.ended("a").stack == ""


def test_stopping_every_actor_of_the_process_by_pykka_costs_no_life() -> None:
    """Any other pykka actor can bring that about, by a mere `BaseException`."""
    with Trial() as trial:
        trial.start(trial.worker("a"), policy=_TOLERANT)
        trial.started("a")
        pykka.ActorRegistry.stop_all(block=False)
        for number in range(1, 4):
            trial.address("a").tell(Note(value=number))
            trial.address("a").tell(crash(ValueError()))
            trial.started("a", number + 1)

        assert trial.values("a") == [1, 2, 3]
