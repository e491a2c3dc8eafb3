from datetime import UTC, datetime, timedelta

import pytest

from wallet_provisioning.clock import ManualClock
from wallet_provisioning.store.queue_front import QueueFront

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
LONG = timedelta(milliseconds=11)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


def test_the_whole_queue_is_looked_at_first(clock: ManualClock) -> None:
    assert QueueFront(clock).since() is None


def test_a_look_that_is_cheap_is_made_at_the_whole_queue_each_time(clock: ManualClock) -> None:
    front = QueueFront(clock)
    front.looked(since=None, took=timedelta(milliseconds=12), jobs=100, last=NOON)

    assert front.since() is None
    assert front.whole_again_in() == timedelta()


def test_after_a_dear_look_claims_go_on_from_where_it_came_to(clock: ManualClock) -> None:
    front = QueueFront(clock)
    front.looked(since=None, took=LONG, jobs=10, last=NOON)

    assert front.since() == NOON - timedelta(seconds=1)
    assert front.whole_again_in() == timedelta(seconds=4)


def test_a_look_from_the_front_moves_it_and_nothing_else(clock: ManualClock) -> None:
    front = QueueFront(clock)
    front.looked(since=None, took=LONG, jobs=10, last=NOON)
    clock.advance(LONG)
    front.looked(since=front.since(), took=LONG, jobs=10, last=NOON + LONG)
    front.looked(since=front.since(), took=LONG, jobs=10, last=None)

    assert front.since() == NOON + LONG - timedelta(seconds=1)
    assert front.whole_again_in() == timedelta(seconds=4) - LONG


def test_the_whole_queue_is_looked_at_again_after_a_while(clock: ManualClock) -> None:
    front = QueueFront(clock)
    front.looked(since=None, took=LONG, jobs=10, last=NOON)
    clock.advance(timedelta(seconds=4))

    assert front.since() is None


def test_a_job_that_was_returned_is_looked_for_at_once(clock: ManualClock) -> None:
    front = QueueFront(clock)
    front.looked(since=None, took=LONG, jobs=10, last=NOON)
    front.look_back()

    assert front.since() is None


def test_an_empty_queue_has_no_front(clock: ManualClock) -> None:
    front = QueueFront(clock)
    front.looked(since=None, took=LONG, jobs=10, last=None)

    assert front.since() is None


@pytest.mark.parametrize(("took", "pause"), [(0.102, 10), (0.502, 10), (1.002, 20)])
def test_the_pause_is_ten_seconds_or_twenty_times_the_look(
    clock: ManualClock, took: float, pause: float
) -> None:
    front = QueueFront(clock)
    front.looked(since=None, took=timedelta(seconds=took), jobs=0, last=NOON)

    assert front.whole_again_in() == timedelta(seconds=pause)
