"""When a Circle actor sends what waits: complete waves at once, the rest after a moment."""

from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

from opentelemetry.trace import INVALID_SPAN

from wallet_provisioning.actors.results import Assignment
from wallet_provisioning.actors.waiting import FULL_BATCH, MOMENT, Ask, WaitingRoom, Wave
from wallet_provisioning.clock import ManualClock
from wallet_provisioning.jobs.moves import ClaimedJob
from wallet_provisioning.supervision.address import Address
from wallet_provisioning.supervision.mailbox import Mailbox

NOW = timedelta(seconds=100)


def ask(wave: Wave | None = None, *, since: timedelta = NOW, epoch: int = 1) -> Ask:
    job = ClaimedJob(
        id=uuid4(),
        user_id=uuid4(),
        chains=("ETH",),
        epoch=epoch,
        revision=0,
        attempt=1,
        max_attempts=5,
        crash_count=0,
        earlier_failure=None,
        traceparent=None,
    )
    holder: Address[object] = Address("jobs/1", Mailbox(ManualClock()), lambda _path, _message: None)
    assignment = Assignment(job=job, slot="jobs/1", holder=holder, span=INVALID_SPAN)
    return Ask(assignment=assignment, span=INVALID_SPAN, wave=wave, since=since)


def wave(number: int, size: int) -> Wave:
    return Wave(number=number, sizes={"ETH": size, "SOL": 1})


def test_an_empty_room_has_nothing_to_send() -> None:
    assert not WaitingRoom("ETH").is_ready(NOW)


def test_a_single_job_does_not_wait_for_company() -> None:
    room = WaitingRoom("ETH")
    room.add(ask(wave(1, 1)))
    assert room.is_ready(NOW)


def test_a_wave_waits_until_it_is_complete() -> None:
    room = WaitingRoom("ETH")
    room.add(ask(wave(1, 2)))
    assert not room.is_ready(NOW)
    room.add(ask(wave(1, 2)))
    assert room.is_ready(NOW)


def test_a_wave_that_stays_incomplete_goes_after_a_moment() -> None:
    room = WaitingRoom("ETH")
    room.add(ask(wave(1, 2)))
    assert not room.is_ready(NOW + MOMENT / 2)
    assert room.is_ready(NOW + MOMENT)


def test_a_full_batch_goes_at_once() -> None:
    room = WaitingRoom("ETH")
    for _ in range(FULL_BATCH):
        room.add(ask(wave(1, FULL_BATCH + 1)))
    assert room.is_ready(NOW)


def test_an_incomplete_wave_holds_a_complete_one_for_a_moment_only() -> None:
    room = WaitingRoom("ETH")
    room.add(ask(wave(1, 1)))
    room.add(ask(wave(2, 2)))
    assert not room.is_ready(NOW)
    assert room.is_ready(NOW + MOMENT)


def test_those_that_were_asked_for_again_wait_for_nobody() -> None:
    room = WaitingRoom("ETH")
    room.add(ask())
    assert room.is_ready(NOW)


def test_an_attempt_waits_once() -> None:
    room = WaitingRoom("ETH")
    first = ask(wave(1, 1))
    room.add(first)
    assert room.holds(first.assignment)
    room.add(first)
    assert len(room) == 1


def test_a_later_attempt_takes_the_place_of_an_earlier_one() -> None:
    room = WaitingRoom("ETH")
    early = ask()
    job = replace(early.assignment.job, epoch=2)
    late = replace(early, assignment=replace(early.assignment, job=job))
    assert room.add(early) is None
    assert room.add(late) == early
    assert not room.holds(early.assignment)
    assert room.take() == [late]


def test_the_first_to_come_is_the_first_to_go() -> None:
    room = WaitingRoom("ETH")
    asks = [ask(wave(1, 3)) for _ in range(3)]
    for each in asks:
        room.add(each)
    assert room.take(2) == asks[:2]
    assert room.take() == asks[2:]
    assert len(room) == 0


def test_what_is_put_back_goes_before_what_came_meanwhile() -> None:
    room = WaitingRoom("ETH")
    early, late = ask(), ask()
    room.add(early)
    taken = room.take()
    room.add(late)
    room.put_back(taken)
    assert room.take() == [early, late]


def test_of_a_wave_only_the_first_and_the_last_ask_wake_the_chain() -> None:
    together = wave(1, 4)
    assert [together.is_quiet("ETH") for _ in range(4)] == [False, True, True, False]


def test_an_ask_that_fills_a_batch_wakes_the_chain() -> None:
    together = wave(1, FULL_BATCH + 50)
    loud = [number for number in range(1, FULL_BATCH + 51) if not together.is_quiet("ETH")]
    assert loud == [1, FULL_BATCH, FULL_BATCH + 50]


def test_a_job_that_was_claimed_alone_wakes_the_chain() -> None:
    assert not wave(1, 1).is_quiet("ETH")


def test_each_chain_counts_its_own_asks() -> None:
    together = wave(1, 3)
    together.is_quiet("ETH")
    assert not together.is_quiet("SOL")
    assert together.is_quiet("ETH")
