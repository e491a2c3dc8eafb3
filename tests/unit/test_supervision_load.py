"""Many messages, many blows, many lives: what the design promises holds in bulk."""

import itertools
import random
import threading
from datetime import timedelta

import pytest

from tests.support_supervision import AT_ONCE, Do, Note, Trial, crash, wait_until
from wallet_provisioning.clock import ManualClock
from wallet_provisioning.supervision.incidents import ChildEnded
from wallet_provisioning.supervision.restarts import Intensity
from wallet_provisioning.supervision.snapshot import EndReason
from wallet_provisioning.supervision.supervisor import Policy

_TOO_LONG = timedelta(seconds=16)
_TOLERANT = Policy(delay=AT_ONCE, intensity=Intensity(limit=100_000), zombie_limit=100_000)


def by_sender(values: list[object]) -> dict[int, list[int]]:
    """Return what each sender's messages were, in the order of their reading."""
    read: dict[int, list[int]] = {}
    for value in values:
        assert isinstance(value, tuple)
        sender, number = value
        read.setdefault(sender, []).append(number)
    return read


@pytest.mark.parametrize("seed", range(3))
def test_crashes_under_load_lose_the_crashing_messages_and_no_other(seed: int) -> None:
    chance = random.Random(seed)
    senders, each, every = 4, 2000, 100
    with Trial() as trial:
        trial.start(trial.supervisor("sub", trial.worker("b"), policy=_TOLERANT), policy=_TOLERANT)
        fatal = [set(chance.sample(range(each), each // every)) for _ in range(senders)]

        def send(sender: int) -> None:
            for number in range(each):
                deadly = number in fatal[sender]
                message = crash(ValueError()) if deadly else Note(value=(sender, number))
                trial.address("sub/b").tell(message)

        threads = [threading.Thread(target=send, args=(sender,)) for sender in range(senders)]
        for thread in threads:
            thread.start()
        for _ in range(10):
            trial.root.kill("sub", hang=False, reason="a test")
        for thread in threads:
            thread.join()
        trial.address("sub/b").tell(Note(value="end"))
        trial.noted("sub/b", "end")

        read = by_sender(trial.values("sub/b", tuple))
        for sender in range(senders):
            assert read[sender] == [number for number in range(each) if number not in fatal[sender]]
        crashes = senders * each // every
        trial.heard.wait_for(
            lambda heard: isinstance(heard, ChildEnded) and heard.path == "sub/b", count=crashes
        )
        assert trial.root.view("sub/b").incarnation == crashes + 1


def test_hangs_under_load_lose_the_hung_messages_and_no_other() -> None:
    clock = ManualClock()
    hangs, between = 40, 100
    with Trial(clock) as trial:
        trial.start(trial.worker("a"), policy=_TOLERANT)
        numbers = itertools.count()
        for hang in range(1, hangs + 1):
            for _ in range(between):
                trial.address("a").tell(Note(value=next(numbers)))
            trial.address("a").tell(Do(act=trial.hang))
            trial.noted("a", "hangs", incarnation=hang)
            clock.advance(_TOO_LONG)
            trial.look()
            trial.started("a", hang + 1)
        trial.address("a").tell(Note(value=next(numbers)))
        trial.noted("a", hangs * between)

        assert trial.values("a") == list(range(hangs * between + 1))
        assert trial.root.view("a").zombies == hangs
        reasons = [heard.reason for heard in trial.heard.all() if isinstance(heard, ChildEnded)]
        assert reasons == [EndReason.HANG] * hangs
        trial.gate.set()
        wait_until(lambda: trial.root.view("a").zombies == 0)


def test_a_stop_in_the_middle_of_load_ends_in_time_and_accounts_for_every_message() -> None:
    with Trial() as trial:
        trial.start(trial.worker("a"), policy=_TOLERANT)
        trial.started("a")
        total = 20_000

        def send() -> None:
            for number in range(total):
                trial.address("a").tell(Note(value=number))

        sender = threading.Thread(target=send)
        sender.start()
        trial.notes.wait_until(lambda noted: len(noted) > 100)
        trial.root.stop()
        assert trial.ends.wait_until(bool) == [None]
        sender.join()

        read = trial.values("a")
        lost = [heard for heard in trial.heard.all() if type(heard).__name__ == "Undeliverable"]
        assert read == list(range(len(read)))
        assert len(read) + len(lost) == total


def test_a_thousand_starts_and_stops_leak_no_thread() -> None:
    before = threading.active_count()
    with Trial() as trial:
        trial.start(trial.supervisor("sub", trial.worker("b"), trial.worker("c")), policy=_TOLERANT)
        for incarnation in range(1, 1001):
            trial.started("sub", incarnation)
            trial.root.stop_one("sub")
            if incarnation % 100 == 0:
                trial.heard._noted.clear()
                trial.notes._noted.clear()
        trial.started("sub", 1001)
        assert threading.active_count() <= before + 5 + 3
        assert trial.root.view("sub/c").incarnation == 1001
    for thread in threading.enumerate():
        if thread.name in {"/", "sub", "sub/b", "sub/c", "io"}:
            thread.join(20)

    assert threading.active_count() <= before


def test_many_trees_start_and_stop_at_any_moment() -> None:
    """The stop comes before, in the middle of and after the boot."""
    for round_ in range(60):
        with Trial() as trial:
            trial.start(
                *(trial.worker(str(number)) for number in range(4)), policy=Policy(stops_together=True)
            )
            if round_ % 3 == 1:
                trial.started("1")
            if round_ % 3 == 2:
                trial.started("3")
            trial.root.stop()
            assert trial.ends.wait_until(bool) == [None]
            started = sorted(noted.path for noted in trial.notes.all() if noted.value == "started")
            stopped = sorted(noted.path for noted in trial.notes.all() if noted.value == "stopped")
            assert started == stopped
