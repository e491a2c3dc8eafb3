"""The back-off behind the intake, and what it tells of Redis."""

from datetime import timedelta

from wallet_provisioning.clock import ManualClock
from wallet_provisioning.intake.hand import Hand
from wallet_provisioning.intake.link import Link
from wallet_provisioning.intake.pause import Pause
from wallet_provisioning.telemetry.events import DependencyBack, DependencyLost, Event

SECOND = timedelta(seconds=1)


def make_pause(clock: ManualClock) -> Pause:
    return Pause(clock, shortest=SECOND, longest=5 * SECOND)


def length(pause: Pause, clock: ManualClock) -> timedelta:
    begun = clock.monotonic()
    while not pause.is_over:
        clock.advance(timedelta(milliseconds=100))
    return clock.monotonic() - begun


def test_a_pause_doubles_up_to_its_longest_and_never_ends_for_good() -> None:
    clock = ManualClock()
    pause = make_pause(clock)
    lengths = []
    for _ in range(50):
        pause.extend()
        lengths.append(length(pause, clock) / SECOND)

    assert lengths[:4] == [1, 2, 4, 5]
    assert set(lengths[4:]) == {5}


def test_failures_within_one_pause_count_once() -> None:
    clock = ManualClock()
    pause = make_pause(clock)
    for _ in range(10):
        pause.extend()

    assert length(pause, clock) == SECOND


def test_success_ends_it_and_starts_from_the_shortest() -> None:
    clock = ManualClock()
    pause = make_pause(clock)
    for _ in range(3):
        pause.extend()
        length(pause, clock)

    pause.end()

    assert pause.is_over
    pause.extend()
    assert length(pause, clock) == SECOND


def test_a_lost_and_found_redis_is_told_once_each() -> None:
    clock, told = ManualClock(), list[Event]()
    link = Link(clock, told.append, make_pause(clock))

    link.note_success()
    link.note_failure(ConnectionError("refused"))
    may_try = [link.may_try]
    clock.advance(2 * SECOND)
    may_try.append(link.may_try)
    link.note_failure(ConnectionError("refused"))
    clock.advance(SECOND)
    link.note_success()
    link.note_success()

    assert told == [
        DependencyLost(name="redis", error="ConnectionError: refused"),
        DependencyBack(name="redis", after=3 * SECOND),
    ]
    may_try.append(link.may_try)
    assert may_try == [False, True, True]


def test_a_hand_knows_what_is_taken_by_nobody() -> None:
    hand = Hand()
    hand.take("a")
    hand.take("b")
    hand.drop(["b"])

    assert hand.strays({"a", "b", "c"}) == ["b", "c"]
    assert len(hand) == 1


def test_a_postponed_message_is_put_back_once() -> None:
    hand = Hand()
    hand.postpone("a")

    assert hand.was_postponed("a")
    assert not hand.was_postponed("a")


def test_what_is_owed_stays_in_hand_until_it_is_paid() -> None:
    hand, paid = Hand(), list[str]()
    hand.take("a")
    hand.owe("a", paid.append)

    for message_id, settle in hand.owed():
        settle(message_id)
        hand.drop([message_id])

    assert paid == ["a"]
    assert hand.owed() == []
    assert len(hand) == 0
