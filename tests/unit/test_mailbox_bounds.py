"""Bounded mailboxes: what happens to one message too many. Nobody ever waits for room."""

import asyncio
import threading
from collections.abc import Callable
from contextvars import copy_context
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support_supervision import Do, Note, Trial, Worker, busy, crash
from wallet_provisioning.clock import ManualClock
from wallet_provisioning.supervision.address import Address
from wallet_provisioning.supervision.bounds import Bound, MailboxFullError, Overflow
from wallet_provisioning.supervision.incidents import Incident, Undeliverable, Why
from wallet_provisioning.supervision.letters import Lane, Letter, Port
from wallet_provisioning.supervision.mailbox import Mailbox

FULL = Undeliverable(path="a", message="Note", why=Why.FULL)


def bounded(capacity: int, overflow: Overflow) -> tuple[Mailbox, list[object]]:
    mailbox = Mailbox(ManualClock(), "a")
    lost: list[object] = []
    mailbox.limit(Bound(capacity=capacity, overflow=overflow), lambda letter: lost.append(letter.message))
    return mailbox, lost


def put(mailbox: Mailbox, message: object, lane: Lane = Lane.WORK) -> bool:
    return mailbox.put(lane, message, copy_context())


def read_all(mailbox: Mailbox, port: Port) -> list[object]:
    return [read_one(mailbox, port) for _ in range(mailbox.depth())]


def read_one(mailbox: Mailbox, port: Port) -> object:
    letter = mailbox.take(port)
    assert isinstance(letter, Letter)
    return letter.message


# The mailbox alone.


def test_the_newest_is_dropped_and_the_putter_hears_of_it() -> None:
    mailbox, lost = bounded(2, Overflow.DROP_NEWEST)

    assert [put(mailbox, number) for number in range(4)] == [True, True, False, False]
    assert read_all(mailbox, mailbox.open_port()) == [0, 1]
    assert lost == []


def test_the_oldest_makes_room_and_is_handed_over() -> None:
    mailbox, lost = bounded(2, Overflow.DROP_OLDEST)

    assert all(put(mailbox, number) for number in range(4))
    assert read_all(mailbox, mailbox.open_port()) == [2, 3]
    assert lost == [0, 1]


def test_a_refused_message_comes_back_whole_and_its_values_are_not_in_the_text() -> None:
    mailbox, _ = bounded(1, Overflow.REFUSE)
    message = Note(value="secret")
    put(mailbox, message)

    with pytest.raises(MailboxFullError) as refused:
        put(mailbox, message)
    assert refused.value.message is message
    assert str(refused.value) == "a has 1 messages waiting and refuses a Note"


@pytest.mark.parametrize("overflow", Overflow)
def test_control_and_news_always_get_in(overflow: Overflow) -> None:
    mailbox, lost = bounded(1, overflow)
    put(mailbox, "work")
    for number in range(10):
        assert put(mailbox, number, Lane.NEWS)
    port = mailbox.open_port()
    assert put(mailbox, "stop", Lane.CONTROL)

    assert read_all(mailbox, port) == ["stop", *range(10), "work"]
    assert lost == []


@pytest.mark.parametrize("overflow", [Overflow.DROP_NEWEST, Overflow.DROP_OLDEST])
def test_an_actors_own_timers_get_in_and_are_never_dropped(overflow: Overflow) -> None:
    mailbox, lost = bounded(1, overflow)
    port = mailbox.open_port()
    for number in range(3):
        mailbox.put_own(port, f"timer {number}", copy_context())

    assert not put(mailbox, "work")
    assert read_all(mailbox, port) == ["timer 0", "timer 1", "timer 2"]
    assert lost == []


@given(
    capacity=st.integers(1, 5),
    overflow=st.sampled_from([Overflow.DROP_NEWEST, Overflow.DROP_OLDEST]),
    acts=st.lists(st.booleans()),
)
def test_every_message_is_read_or_lost_and_the_order_is_kept(
    capacity: int, overflow: Overflow, acts: list[bool]
) -> None:
    mailbox, lost = bounded(capacity, overflow)
    port = mailbox.open_port()
    read: list[object] = []
    kept = [number for number, is_put in enumerate(acts) if is_put]
    for number, is_put in enumerate(acts):
        if is_put and not put(mailbox, number):
            lost.append(number)
        elif not is_put and mailbox.depth():
            read.append(read_one(mailbox, port))
        assert mailbox.depth() <= capacity
    read += read_all(mailbox, port)

    assert read == [number for number in kept if number in read]
    assert {*read, *lost} == {*kept}
    assert len(read) + len(lost) == len(kept)


@pytest.mark.parametrize("capacity", [0, -1])
def test_a_mailbox_that_could_hold_nothing_is_refused(capacity: int) -> None:
    with pytest.raises(ValueError, match="at least one"):
        Bound(capacity=capacity)


# In a tree.


class Bounded(Trial):
    """A trial whose only worker is busy, and has a mailbox for two."""

    def __init__(self, overflow: Overflow) -> None:
        super().__init__()
        child = replace(self.worker("a"), bound=Bound(capacity=2, overflow=overflow))
        self.start(child)
        self.busy = threading.Event()
        self.address("a").tell(busy(self.busy))
        self.noted("a", "busy")

    def lost(self) -> list[Incident]:
        return [heard for heard in self.heard.all() if isinstance(heard, Undeliverable)]


def test_drop_newest_makes_a_dead_letter_and_does_not_disturb_the_teller() -> None:
    with Bounded(Overflow.DROP_NEWEST) as trial:
        for number in range(5):
            trial.address("a").tell(Note(value=number))
        trial.busy.set()
        trial.noted("a", 1)
        trial.idle("a")

        assert trial.values("a") == [0, 1]
        assert trial.lost() == [FULL] * 3
        assert trial.root.view("a").dead_letters == 3


def test_drop_oldest_makes_a_dead_letter_of_what_waited_longest() -> None:
    with Bounded(Overflow.DROP_OLDEST) as trial:
        for number in range(5):
            trial.address("a").tell(Note(value=number))
        trial.busy.set()
        trial.noted("a", 4)

        assert trial.values("a") == [3, 4]
        assert trial.lost() == [FULL] * 3


def test_refuse_raises_in_tell_and_says_no_in_offer() -> None:
    with Bounded(Overflow.REFUSE) as trial:
        address = trial.address("a")
        assert [address.offer(Note(value=number)) for number in range(4)] == [True, True, False, False]
        for tell in (address.tell, address.tell_quietly):
            with pytest.raises(MailboxFullError):
                tell(Note(value=9))
        trial.busy.set()
        trial.noted("a", 1)
        trial.idle("a")

        assert trial.values("a") == [0, 1]
        assert trial.lost() == []
        assert address.offer(Note(value=5))
        trial.noted("a", 5)


async def _work() -> Note:
    await asyncio.sleep(0)
    return Note(value="late")


def _submit(trial: Trial) -> None:
    trial.runtime.submit(_work, trial.address("a"), lambda error: Note(value=str(error)))


def _later(trial: Trial) -> None:
    trial.runtime.later(timedelta(), trial.address("a"), Note(value="late"))


@pytest.mark.parametrize("send", [_submit, _later])
def test_what_the_runtime_can_not_deliver_is_a_dead_letter(send: Callable[[Trial], None]) -> None:
    with Bounded(Overflow.REFUSE) as trial:
        for number in range(2):
            trial.address("a").tell(Note(value=number))
        send(trial)

        trial.heard.wait_for(lambda heard: heard == FULL)
        trial.busy.set()


def test_a_bound_holds_through_restarts() -> None:
    with Bounded(Overflow.DROP_NEWEST) as trial:
        trial.address("a").tell(crash(ValueError()))
        trial.busy.set()
        trial.started("a", 2)
        gate = threading.Event()
        trial.address("a").tell(busy(gate))
        trial.noted("a", "busy", 2)
        for number in range(3):
            trial.address("a").tell(Note(value=number))
        gate.set()

        assert trial.lost() == [FULL]


def test_a_timer_reaches_an_actor_whose_mailbox_is_full() -> None:
    with Bounded(Overflow.REFUSE) as trial:
        address: Address[Do | Note] = trial.places.address("a")

        def set_timer(worker: Worker) -> None:
            for number in range(2):
                address.offer(Note(value=number))
            worker.tell_later(timedelta(), Note(value="rings"))

        trial.address("a").tell(Do(act=set_timer))
        trial.busy.set()

        trial.noted("a", "rings")
