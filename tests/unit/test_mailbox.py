"""The mailbox: lanes, fence, quiet tells, and what becomes of letters that nobody reads."""

import threading
from contextvars import copy_context
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wallet_provisioning.clock import ManualClock, SystemClock
from wallet_provisioning.supervision.mailbox import Lane, Letter, Mailbox, Port

_DEADLINE = timedelta(seconds=15)
_PATIENCE = 20.0


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def mailbox(clock: ManualClock) -> Mailbox:
    return Mailbox(clock)


def put(mailbox: Mailbox, message: object, lane: Lane = Lane.WORK, *, quiet: bool = False) -> bool:
    return mailbox.put(lane, message, copy_context(), quiet=quiet)


def take(mailbox: Mailbox, port: Port) -> object:
    letter = mailbox.take(port)
    return None if letter is None else letter.message


class Reader:
    """A thread that takes until it is revoked."""

    def __init__(self, mailbox: Mailbox) -> None:
        self.mailbox = mailbox
        self.port = mailbox.open_port()
        self.read: list[object] = []
        self.changed = threading.Condition()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self) -> None:
        while isinstance(taken := self.mailbox.take(self.port), Letter):
            with self.changed:
                self.read.append(taken.message)
                self.changed.notify()

    def wait_for(self, count: int) -> list[object]:
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.read) >= count, _PATIENCE)
            return list(self.read)

    def is_parked(self) -> bool:
        return self.mailbox._parked is not None


def wait_until_parked(reader: Reader) -> None:
    deadline = SystemClock().seconds() + _PATIENCE
    while not reader.is_parked():
        assert SystemClock().seconds() < deadline


# Order and lanes.


def test_control_comes_before_news_and_news_before_work(mailbox: Mailbox) -> None:
    put(mailbox, "work")
    put(mailbox, "news", Lane.NEWS)
    put(mailbox, "control", Lane.CONTROL)
    port = mailbox.open_port()
    put(mailbox, "stop", Lane.CONTROL)

    assert [take(mailbox, port) for _ in range(3)] == ["stop", "news", "work"]


@given(st.lists(st.tuples(st.sampled_from([Lane.NEWS, Lane.WORK]), st.integers())))
def test_each_lane_keeps_the_order_of_its_puts(puts: list[tuple[Lane, int]]) -> None:
    mailbox = Mailbox(ManualClock())
    for lane, value in puts:
        put(mailbox, (lane, value), lane)
    port = mailbox.open_port()

    assert [take(mailbox, port) for _ in puts] == sorted(puts, key=lambda each: each[0])


def test_each_senders_order_is_kept_under_many_senders() -> None:
    mailbox = Mailbox(SystemClock())
    reader = Reader(mailbox)

    def send(sender: int) -> None:
        for number in range(500):
            put(mailbox, (sender, number))

    senders = [threading.Thread(target=send, args=(sender,)) for sender in range(8)]
    for each in senders:
        each.start()
    read = reader.wait_for(8 * 500)

    for sender in range(8):
        assert [each for each in read if isinstance(each, tuple) and each[0] == sender] == [
            (sender, number) for number in range(500)
        ]
    mailbox.close()


# The fence.


def test_a_port_that_was_replaced_is_served_no_more(mailbox: Mailbox) -> None:
    old = mailbox.open_port()
    new = mailbox.open_port()
    put(mailbox, "message")

    assert take(mailbox, old) is None
    assert take(mailbox, new) == "message"


@pytest.mark.parametrize("how", ["revoke", "replace", "close"])
def test_a_parked_reader_wakes_and_ends_when_it_is_cut_off(how: str) -> None:
    mailbox = Mailbox(SystemClock())
    reader = Reader(mailbox)
    wait_until_parked(reader)

    match how:
        case "revoke":
            assert mailbox.revoke(reader.port)
        case "replace":
            mailbox.open_port()
        case _:
            mailbox.close()

    reader.thread.join(_PATIENCE)
    assert not reader.thread.is_alive()


def test_revoking_twice_says_that_the_second_did_nothing(mailbox: Mailbox) -> None:
    port = mailbox.open_port()

    assert mailbox.revoke(port)
    assert not mailbox.revoke(port)


def test_an_old_port_cannot_revoke_its_successor(mailbox: Mailbox) -> None:
    old, new = mailbox.open_port(), mailbox.open_port()

    assert not mailbox.revoke(old)
    assert mailbox.is_held_by(new)


def test_a_message_in_hand_is_overdue_only_after_its_deadline(mailbox: Mailbox, clock: ManualClock) -> None:
    port = mailbox.open_port()
    put(mailbox, "slow")
    take(mailbox, port)

    clock.advance(_DEADLINE)
    assert not mailbox.revoke_overdue(port, _DEADLINE)
    clock.advance(timedelta(microseconds=1000))
    assert mailbox.revoke_overdue(port, _DEADLINE)
    assert not mailbox.revoke_overdue(port, _DEADLINE)
    assert [letter.message for letter in port.in_hand] == ["slow"]
    assert take(mailbox, port) is None
    assert [letter.message for letter in port.in_hand] == ["slow"]


def test_an_idle_reader_is_never_overdue(clock: ManualClock) -> None:
    mailbox = Mailbox(clock)
    reader = Reader(mailbox)
    wait_until_parked(reader)

    clock.advance(timedelta(days=1))

    assert not mailbox.revoke_overdue(reader.port, _DEADLINE)
    mailbox.close()


def test_a_new_port_is_busy_with_its_start_until_it_takes(mailbox: Mailbox, clock: ManualClock) -> None:
    port = mailbox.open_port()
    clock.advance(_DEADLINE + timedelta(seconds=1))

    assert mailbox.revoke_overdue(port, _DEADLINE)


def test_no_message_is_served_twice_or_lost_while_readers_replace_each_other() -> None:
    mailbox = Mailbox(SystemClock())
    read: list[object] = []
    lock = threading.Lock()

    def run(port: Port) -> None:
        while isinstance(taken := mailbox.take(port), Letter):
            with lock:
                read.append(taken.message)

    total = 5000
    threads: list[threading.Thread] = []

    def replace() -> None:
        for _ in range(100):
            thread = threading.Thread(target=run, args=(mailbox.open_port(),), daemon=True)
            threads.append(thread)
            thread.start()

    replacer = threading.Thread(target=replace)
    replacer.start()
    for number in range(total):
        put(mailbox, number)
    replacer.join()
    last = Reader(mailbox)
    put(mailbox, "end")
    last.wait_for(1)
    while "end" not in last.read:
        last.wait_for(len(last.read) + 1)

    mailbox.close()
    for thread in threads:
        thread.join(_PATIENCE)
    seen = [*read, *(each for each in last.read if each != "end")]
    assert sorted(each for each in seen if isinstance(each, int)) == list(range(total))


# What dies with an incarnation.


def test_a_stop_that_its_addressee_did_not_read_does_not_stop_the_successor(mailbox: Mailbox) -> None:
    mailbox.open_port()
    put(mailbox, "stop", Lane.CONTROL)
    put(mailbox, "work")

    assert take(mailbox, mailbox.open_port()) == "work"


def test_a_message_to_itself_is_read_by_its_sending_incarnation_and_by_no_other(
    mailbox: Mailbox,
) -> None:
    old = mailbox.open_port()
    mailbox.put_own(old, "first", copy_context())
    assert take(mailbox, old) == "first"
    mailbox.put_own(old, "second", copy_context())
    put(mailbox, "work")
    new = mailbox.open_port()
    mailbox.put_own(old, "third", copy_context())

    assert take(mailbox, new) == "work"
    assert mailbox.depth() == 0


# Quiet tells.


def test_a_quiet_message_wakes_nobody_and_is_read_with_the_next() -> None:
    mailbox = Mailbox(SystemClock())
    reader = Reader(mailbox)
    wait_until_parked(reader)

    put(mailbox, "quiet", quiet=True)
    assert reader.is_parked()
    assert mailbox.depth() == 1
    put(mailbox, "loud")

    assert reader.wait_for(2) == ["quiet", "loud"]
    mailbox.close()


def test_a_quiet_message_wakes_a_reader_that_is_loud() -> None:
    mailbox = Mailbox(SystemClock())
    reader = Reader(mailbox)
    reader.port.is_loud = True
    wait_until_parked(reader)

    put(mailbox, "quiet", quiet=True)

    assert reader.wait_for(1) == ["quiet"]
    mailbox.close()


def test_a_quiet_message_that_waits_already_is_read_before_parking(mailbox: Mailbox) -> None:
    put(mailbox, "quiet", quiet=True)

    assert take(mailbox, mailbox.open_port()) == "quiet"


# Taking all that waits.


def test_take_waiting_takes_all_work_and_leaves_control_and_news(mailbox: Mailbox) -> None:
    port = mailbox.open_port()
    for number in range(3):
        put(mailbox, number)
    take(mailbox, port)
    put(mailbox, "news", Lane.NEWS)

    assert [letter.message for letter in mailbox.take_waiting(port)] == [1, 2]
    assert [letter.message for letter in port.in_hand] == [0, 1, 2]
    assert take(mailbox, port) == "news"


def test_take_waiting_gives_nothing_to_a_port_that_was_cut_off(mailbox: Mailbox) -> None:
    old = mailbox.open_port()
    put(mailbox, "work")
    mailbox.open_port()

    assert mailbox.take_waiting(old) == []
    assert mailbox.depth() == 1


# Closing.


def test_closing_returns_news_and_work_and_refuses_what_comes_later(mailbox: Mailbox) -> None:
    port = mailbox.open_port()
    put(mailbox, "stop", Lane.CONTROL)
    put(mailbox, "work")
    put(mailbox, "news", Lane.NEWS)
    mailbox.put_own(port, "timer", copy_context())

    assert [letter.message for letter in mailbox.close()] == ["news", "work"]
    assert not put(mailbox, "late")
    assert mailbox.depth() == 0
    assert mailbox.close() == []


def test_a_new_port_opens_a_closed_mailbox_again(mailbox: Mailbox) -> None:
    mailbox.close()
    port = mailbox.open_port()

    assert put(mailbox, "again")
    assert take(mailbox, port) == "again"


# What an operator sees.


def test_depth_and_age_are_those_of_what_waits(mailbox: Mailbox, clock: ManualClock) -> None:
    assert mailbox.oldest_age() is None
    put(mailbox, "first")
    clock.advance(timedelta(seconds=3))
    put(mailbox, "second", Lane.NEWS)

    assert mailbox.depth() == 2
    assert mailbox.oldest_age() == timedelta(seconds=3)
