"""Death watch: whoever watches is told once, whatever way the other ends."""

import asyncio
import threading
from datetime import timedelta

import pytest

from tests.support_supervision import AT_ONCE, Do, Note, Noted, Script, Trial, Worker, busy, crash, steps
from wallet_provisioning.clock import ManualClock
from wallet_provisioning.supervision.actor import recipe
from wallet_provisioning.supervision.address import Address
from wallet_provisioning.supervision.child import Child
from wallet_provisioning.supervision.incidents import Undeliverable
from wallet_provisioning.supervision.life import Life
from wallet_provisioning.supervision.orders import Refused, RemoveChild, Removed
from wallet_provisioning.supervision.reply import Reply
from wallet_provisioning.supervision.restarts import Delay, Intensity, Restart
from wallet_provisioning.supervision.snapshot import EndReason
from wallet_provisioning.supervision.supervisor import Policy
from wallet_provisioning.supervision.testing import Signals
from wallet_provisioning.supervision.watching import Down

_TOO_LONG = timedelta(seconds=16)


def watch(trial: Trial, watcher: str, watched: str) -> None:
    """Have one worker watch another, and wait until it does."""
    other = trial.address(watched)
    trial.address(watcher).tell(
        steps(lambda worker: worker.watch(other), lambda worker: worker.note(f"watches {watched}"))
    )
    trial.noted(watcher, f"watches {watched}")


def told(trial: Trial, watcher: str, count: int = 1) -> Down:
    noted = trial.notes.wait_for(
        lambda note: note.path == watcher and isinstance(note.value, Down), count=count
    )
    assert isinstance(noted.value, Down)
    return noted.value


def all_told(trial: Trial, watcher: str) -> list[object]:
    trial.address(watcher).tell(Note(value="last"))
    trial.noted(watcher, "last")
    return trial.values(watcher, Down)


def test_a_crash_is_told_once_with_its_error() -> None:
    with Trial() as trial:
        trial.start(trial.worker("a"), trial.worker("w"))
        watch(trial, "w", "a")
        for incarnation in (1, 2):
            trial.address("a").tell(crash(ValueError("why")))
            trial.started("a", incarnation + 1)
        down = Down(path="a", incarnation=1, reason=EndReason.CRASH, error="ValueError: why")

        assert told(trial, "w") == down
        assert all_told(trial, "w") == [down]


def test_a_stop_in_good_order_has_no_reason() -> None:
    with Trial() as trial:
        trial.start(trial.worker("a"), trial.worker("w"))
        watch(trial, "w", "a")
        trial.root.stop_one("a")

        assert told(trial, "w") == Down(path="a", incarnation=1, reason=None, error=None)


def test_a_hang_is_told_when_the_thread_is_given_up() -> None:
    clock = ManualClock()
    with Trial(clock) as trial:
        trial.start(trial.worker("a"), trial.worker("w"))
        watch(trial, "w", "a")
        trial.address("a").tell(Do(act=trial.hang))
        trial.noted("a", "hangs")
        clock.advance(_TOO_LONG)
        trial.look()

        assert told(trial, "w").reason is EndReason.HANG
        trial.gate.set()
        assert len(all_told(trial, "w")) == 1


def test_a_child_that_had_been_stopped_for_good_is_told_of_at_once() -> None:
    with Trial() as trial:
        trial.start(trial.worker("a", restart=Restart.TEMPORARY), trial.worker("w"))
        trial.address("a").tell(crash(ValueError()))
        trial.ended("a")
        trial.idle("/")
        watch(trial, "w", "a")

        assert told(trial, "w") == Down(path="a", incarnation=1, reason=None, error=None)


def test_a_child_that_is_restarting_is_watched_in_its_next_life() -> None:
    policy = Policy(delay=Delay(base=timedelta(milliseconds=50), quiet=timedelta(hours=1)))
    with Trial() as trial:
        trial.start(trial.worker("a"), trial.worker("w"), policy=policy)
        trial.address("a").tell(crash(ValueError()))
        trial.started("a", 2)
        trial.address("a").tell(crash(ValueError()))
        trial.ended("a", 2)
        watch(trial, "w", "a")
        trial.started("a", 3)
        trial.root.stop_one("a")

        assert told(trial, "w").incarnation == 3


def test_one_that_will_never_come_back_is_told_when_it_is_closed() -> None:
    policy = Policy(delay=Delay(base=timedelta(hours=1), maximum=timedelta(hours=1)))
    heard: list[Down] = []
    with Trial() as trial:
        trial.start(trial.worker("a"), policy=policy)
        for incarnation in (1, 2):
            trial.address("a").tell(crash(ValueError()))
            trial.ended("a", incarnation)
        mailbox = trial.places._mailboxes["a"]
        mailbox.watch(heard.append)
        trial.root.stop()
        trial.ends.wait_until(bool)

        assert heard == [Down(path="a", incarnation=2, reason=None, error=None)]


def not_twice(worker: Worker) -> None:
    if worker.life.incarnation == 2:
        msg = "not twice"
        raise ValueError(msg)


class Picky(Worker):
    """A worker whose constructor fails in its second life."""

    def __init__(self, life: Life, *, notes: Signals[Noted], script: Script) -> None:
        super().__init__(life, notes=notes, script=script)
        not_twice(self)


@pytest.mark.parametrize(
    ("kind", "script"), [(Picky, Script()), (Worker, Script(started=not_twice))], ids=["constructor", "hook"]
)
def test_a_start_that_failed_is_told_as_such(kind: type[Worker], script: Script) -> None:
    told_in_row: list[tuple[int, EndReason | None]] = []
    with Trial() as trial:
        trial.start(Child(id="a", recipe=recipe(kind, notes=trial.notes, script=script)))
        trial.started("a")
        mailbox = trial.places._mailboxes["a"]

        def watch_on(down: Down) -> None:
            told_in_row.append((down.incarnation, down.reason))
            if down.reason is not None:
                mailbox.watch(watch_on)

        mailbox.watch(watch_on)
        trial.address("a").tell(crash(ValueError("first")))
        trial.started("a", 3)

        assert told_in_row == [(1, EndReason.CRASH), (2, EndReason.START_FAILED)]


def test_news_of_an_end_comes_before_all_work() -> None:
    gate = threading.Event()
    with Trial() as trial:
        trial.start(trial.worker("a"), trial.worker("w"))
        watch(trial, "w", "a")
        trial.address("w").tell(busy(gate))
        trial.noted("w", "busy")
        trial.address("w").tell(Note(value=1))
        trial.address("a").tell(crash(ValueError()))
        trial.started("a", 2)
        gate.set()
        trial.noted("w", 1)

        order = [noted.value for noted in trial.notes.all() if noted.path == "w"]
        assert isinstance(order[-2], Down)


def test_a_watch_dies_with_the_incarnation_that_set_it() -> None:
    with Trial() as trial:
        trial.start(trial.worker("a"), trial.worker("w"))
        watch(trial, "w", "a")
        trial.address("w").tell(crash(ValueError()))
        trial.started("w", 2)
        trial.address("a").tell(crash(ValueError()))
        trial.started("a", 2)

        assert all_told(trial, "w") == []
        assert not any(isinstance(heard, Undeliverable) for heard in trial.heard.all())


def test_news_that_waited_for_an_incarnation_is_not_read_by_its_successor() -> None:
    gate = threading.Event()
    with Trial() as trial:
        trial.start(trial.worker("a"), trial.worker("w"))
        watch(trial, "w", "a")
        trial.address("w").tell(steps(busy(gate).act, crash(ValueError()).act))
        trial.noted("w", "busy")
        trial.address("a").tell(crash(ValueError()))
        trial.started("a", 2)
        gate.set()
        trial.started("w", 2)

        assert all_told(trial, "w") == []


def test_a_watch_that_was_taken_back_is_not_told() -> None:
    with Trial() as trial:
        trial.start(trial.worker("a"), trial.worker("w"))
        other = trial.address("a")
        trial.address("w").tell(Do(act=lambda worker: worker.watch(other)()))
        trial.address("w").tell(Note(value=1))
        trial.noted("w", 1)
        trial.address("a").tell(crash(ValueError()))
        trial.started("a", 2)

        assert all_told(trial, "w") == []


def test_an_address_may_be_told_whoever_lives_there() -> None:
    with Trial() as trial:
        watcher: Address[Down] = trial.places.address("w")
        trial.start(trial.worker("a"), trial.worker("w"))
        trial.started("w")
        trial.address("a").watch(watcher)
        trial.address("w").tell(crash(ValueError()))
        trial.started("w", 2)
        trial.address("a").tell(crash(ValueError()))

        assert told(trial, "w").incarnation == 1


def test_actors_that_watch_each_other_hear_of_each_other() -> None:
    with Trial() as trial:
        trial.start(trial.worker("a"), trial.worker("b"))
        watch(trial, "a", "b")
        watch(trial, "b", "a")
        trial.address("a").tell(crash(ValueError()))
        trial.address("b").tell(Do(act=lambda worker: worker.note("goes on")))
        trial.noted("b", "goes on")

        assert told(trial, "b").path == "a"
        assert trial.root.view("b").incarnation == 1


def test_a_supervisor_and_what_goes_down_with_it_can_be_watched() -> None:
    policy = Policy(intensity=Intensity(limit=0), delay=AT_ONCE)
    with Trial() as trial:
        trial.start(
            trial.supervisor("sub", trial.worker("b"), trial.worker("c"), policy=policy), trial.worker("w")
        )
        for path in ("sub", "sub/c"):
            watch(trial, "w", path)
        trial.address("sub/b").tell(crash(ValueError()))
        trial.started("sub", 2)
        told(trial, "w", count=2)

        ends = {down.path: down.reason for down in trial.values("w", Down) if isinstance(down, Down)}
        assert ends == {"sub/c": None, "sub": EndReason.CRASH}


async def test_the_removal_of_a_child_is_told() -> None:
    reply: Reply[Removed | Refused] = Reply(asyncio.get_running_loop())
    with Trial() as trial:
        trial.start(trial.worker("a"), trial.worker("w"))
        watch(trial, "w", "a")
        trial.order("/").tell(RemoveChild(child="a", reply=reply))
        await reply.get(20)

        assert told(trial, "w").reason is None


def test_no_end_is_missed_or_told_twice_under_load() -> None:
    policy = Policy(delay=AT_ONCE, intensity=Intensity(limit=100_000))
    with Trial() as trial:
        trial.start(trial.worker("a"), trial.worker("w"), policy=policy)
        other = trial.address("a")

        def watch_again(worker: Worker) -> None:
            worker.watch(other)
            worker.note("watches")

        for number in range(1, 201):
            trial.address("w").tell(Do(act=watch_again))
            trial.notes.wait_for(lambda note: note.value == "watches", count=number)
            other.tell(crash(ValueError()))
            told(trial, "w", count=number)

        assert [down.incarnation for down in all_told(trial, "w") if isinstance(down, Down)] == [
            *range(1, 201)
        ]
