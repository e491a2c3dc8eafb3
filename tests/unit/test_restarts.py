"""The policy of restarts against plain models of it."""

from datetime import timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from wallet_provisioning.supervision.restarts import (
    Delay,
    Intensity,
    Restart,
    Strategy,
    affected,
    is_restarted,
)

_times = st.lists(st.integers(0, 500), max_size=60).map(
    lambda seconds: [timedelta(seconds=each) for each in sorted(seconds)]
)


@given(limit=st.integers(0, 50))
def test_the_intensity_allows_its_limit_and_not_one_more(limit: int) -> None:
    intensity = Intensity(limit=limit, period=timedelta(seconds=60))
    now = timedelta(seconds=100)

    assert not intensity.is_exceeded([now] * limit, now)
    assert intensity.is_exceeded([now] * (limit + 1), now)


def test_a_failure_counts_for_the_period_and_not_longer() -> None:
    intensity = Intensity(limit=0, period=timedelta(seconds=60))

    assert intensity.is_exceeded([timedelta(seconds=0)], timedelta(seconds=60))
    assert not intensity.is_exceeded([timedelta(seconds=0)], timedelta(seconds=61))


@given(times=_times, limit=st.integers(0, 20))
def test_only_failures_within_the_period_count(times: list[timedelta], limit: int) -> None:
    intensity = Intensity(limit=limit, period=timedelta(seconds=60))
    now = times[-1] if times else timedelta()
    recent = [at for at in times if at >= now - timedelta(seconds=60)]

    assert intensity.is_exceeded(times, now) == (len(recent) > limit)


def test_the_first_failure_is_mended_at_once_and_the_pause_doubles_to_its_maximum() -> None:
    delay = Delay(base=timedelta(milliseconds=50), maximum=timedelta(seconds=2))
    row = [timedelta(seconds=each) for each in range(9)]

    pauses = [delay.before(row[: count + 1]) / timedelta(milliseconds=1) for count in range(9)]

    assert pauses == [0, 50, 100, 200, 400, 800, 1600, 2000, 2000]


def test_quiet_resets_the_pause_and_one_moment_less_does_not() -> None:
    delay = Delay(quiet=timedelta(seconds=10))
    busy = [timedelta(seconds=each) for each in range(5)]

    assert delay.before([*busy, timedelta(seconds=14)]) == timedelta()
    assert delay.before([*busy, timedelta(seconds=13.999)]) > delay.before(busy)


@given(times=_times)
def test_the_pause_depends_on_the_last_row_of_failures_alone(times: list[timedelta]) -> None:
    delay = Delay()
    last_row = 0
    for earlier, later in pairwise(times):
        last_row = last_row + 1 if later - earlier < delay.quiet else 0

    pause = delay.before(times)

    assert timedelta() <= pause <= delay.maximum
    assert (pause == timedelta()) == (last_row == 0)
    if last_row:
        assert pause == delay.before(times[-last_row - 1 :])


def test_no_history_means_no_pause() -> None:
    assert Delay().before([]) == timedelta()


def test_a_very_long_row_of_failures_does_not_overflow() -> None:
    assert Delay().before([timedelta()] * 1001) == Delay().maximum


def test_who_is_restarted_after_what() -> None:
    table = {
        (restart, in_good_order): is_restarted(restart, in_good_order=in_good_order)
        for restart in Restart
        for in_good_order in (True, False)
    }

    assert table == {
        (Restart.PERMANENT, True): True,
        (Restart.PERMANENT, False): True,
        (Restart.TRANSIENT, True): False,
        (Restart.TRANSIENT, False): True,
        (Restart.TEMPORARY, True): False,
        (Restart.TEMPORARY, False): False,
    }


@given(order=st.lists(st.text(min_size=1), min_size=1, unique=True), data=st.data())
def test_who_restarts_with_whom(order: list[str], data: st.DataObject) -> None:
    ended = data.draw(st.sampled_from(order))

    assert affected(Strategy.ONE_FOR_ONE, order, ended) == (ended,)
    assert affected(Strategy.ONE_FOR_ALL, order, ended) == tuple(order)
    rest = affected(Strategy.REST_FOR_ONE, order, ended)
    assert rest[0] == ended
    assert tuple(order[: order.index(ended)]) + rest == tuple(order)
