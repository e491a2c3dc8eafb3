from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wallet_provisioning.http.circle.answers import CallFailed, Certainty
from wallet_provisioning.http.circle.breaker import (
    Breaker,
    BreakerOptions,
    BreakerState,
    Change,
    Permit,
    Refusal,
)
from wallet_provisioning.jobs.errors import ErrorType

OPTIONS = BreakerOptions(
    consecutive_failures=3,
    failure_rate=0.5,
    minimum_calls=10,
    window=timedelta(seconds=30),
    open_for=timedelta(seconds=5),
    open_cap=timedelta(seconds=20),
    probes=2,
)
COUNTED = [ErrorType.CIRCLE_5XX, ErrorType.TIMEOUT, ErrorType.NETWORK]
UNCOUNTED = [ErrorType.CIRCLE_4XX, ErrorType.CIRCLE_RATE_LIMIT, ErrorType.VALIDATION]


def seconds(number: float) -> timedelta:
    return timedelta(seconds=number)


def failed(
    error_type: ErrorType = ErrorType.CIRCLE_5XX,
    *,
    is_configuration: bool = False,
    http_status: int | None = None,
) -> CallFailed:
    return CallFailed(
        error_type=error_type,
        message="out of order",
        certainty=Certainty.AMBIGUOUS,
        is_configuration=is_configuration,
        http_status=http_status,
    )


def call(breaker: Breaker, failure: CallFailed | None, at: float = 0) -> Change | None:
    return breaker.record(permit(breaker, at), failure, seconds(at))


def permit(breaker: Breaker, at: float = 0) -> Permit:
    admitted = breaker.admit(seconds(at))
    assert isinstance(admitted, Permit)
    return admitted


def refusal(breaker: Breaker, at: float) -> Refusal:
    refused = breaker.admit(seconds(at))
    assert isinstance(refused, Refusal)
    return refused


def opened(at: float = 0) -> Breaker:
    breaker = Breaker(OPTIONS)
    for _ in range(3):
        call(breaker, failed(), at)
    assert breaker.state is BreakerState.OPEN
    return breaker


@pytest.mark.parametrize("error_type", COUNTED)
def test_failures_in_a_row_open_it(error_type: ErrorType) -> None:
    breaker = Breaker(OPTIONS)
    assert call(breaker, failed(error_type)) is None
    assert call(breaker, failed(error_type)) is None
    change = call(breaker, failed(error_type))
    assert change == Change(
        before=BreakerState.CLOSED,
        after=BreakerState.OPEN,
        reason=f"3 calls in a row failed, the last: {error_type}: out of order",
    )
    assert breaker.reason == change.reason


def test_a_success_between_failures_ends_the_row() -> None:
    breaker = Breaker(OPTIONS)
    for outcome in [failed(), failed(), None, failed(), failed()]:
        assert call(breaker, outcome) is None


@given(st.lists(st.sampled_from(UNCOUNTED), max_size=60))
def test_a_4xx_a_429_and_a_broken_answer_never_open_it(errors: list[ErrorType]) -> None:
    breaker = Breaker(OPTIONS)
    assert all(call(breaker, failed(error)) is None for error in errors)


def test_a_429_leaves_a_row_of_failures_as_it_is() -> None:
    breaker = Breaker(OPTIONS)
    for error in [ErrorType.TIMEOUT, ErrorType.CIRCLE_RATE_LIMIT, ErrorType.TIMEOUT]:
        call(breaker, failed(error))
    assert call(breaker, failed(ErrorType.TIMEOUT)) is not None


def test_a_share_of_failures_opens_it_once_there_are_enough_calls() -> None:
    breaker = Breaker(OPTIONS)
    for at in range(9):
        assert call(breaker, failed() if at % 2 else None, at) is None
    change = call(breaker, failed(), 9)
    assert change is not None
    assert change.reason.startswith("5 of the last 10 calls failed")


def test_failures_older_than_the_window_no_longer_count() -> None:
    breaker = Breaker(OPTIONS)
    for at in [0, 1, 3, 4]:
        call(breaker, failed(), at)
        call(breaker, None, at)
    call(breaker, None, 31)
    call(breaker, None, 31)
    assert call(breaker, failed(), 31) is None


def test_an_error_of_the_configuration_opens_it_at_once() -> None:
    breaker = Breaker(OPTIONS)
    change = call(breaker, failed(ErrorType.CIRCLE_4XX, is_configuration=True, http_status=401))
    assert change is not None
    assert change.reason == (
        "the configuration is wrong: circle_4xx: out of order; "
        "check CIRCLE_API_KEY: it is wrong, revoked or of another environment"
    )


@pytest.mark.parametrize("http_status", [None, 404])
def test_no_advice_on_the_key_is_given_where_circle_refused_none(http_status: int | None) -> None:
    failure = failed(ErrorType.VALIDATION, is_configuration=True, http_status=http_status)
    change = call(Breaker(OPTIONS), failure)
    assert change is not None
    assert change.reason == "the configuration is wrong: validation: out of order"


def test_open_it_refuses_until_its_time_is_over_and_says_how_long() -> None:
    breaker = opened()
    assert refusal(breaker, 1).retry_in == seconds(4)
    assert refusal(breaker, 4.5).retry_in == seconds(0.5)
    assert refusal(breaker, 1).reason == breaker.reason
    first = permit(breaker, 5)
    assert first.is_probe
    assert first.change == Change(
        before=BreakerState.OPEN, after=BreakerState.HALF_OPEN, reason="its open time is over"
    )


def test_half_open_it_lets_a_few_probes_through() -> None:
    breaker = opened()
    first, second = permit(breaker, 5), permit(breaker, 5)
    assert second.change is None
    assert refusal(breaker, 5).retry_in == OPTIONS.open_for
    assert breaker.record(first, None, seconds(6)) is None
    assert isinstance(breaker.admit(seconds(6)), Refusal)
    change = breaker.record(second, None, seconds(6))
    assert change == Change(
        before=BreakerState.HALF_OPEN, after=BreakerState.CLOSED, reason="2 probes went well"
    )
    assert (breaker.state, breaker.reason, breaker.opened_at) == (BreakerState.CLOSED, "", None)


def test_one_failed_probe_opens_it_for_twice_as_long_up_to_the_cap() -> None:
    breaker = opened()
    at = 5.0
    for expected in [10, 20, 20, 20]:
        change = call(breaker, failed(ErrorType.TIMEOUT), at)
        assert change is not None
        assert change.reason == "a probe failed: timeout: out of order"
        assert refusal(breaker, at).retry_in == seconds(expected)
        at += expected


def test_once_closed_it_opens_for_the_short_time_again() -> None:
    breaker = opened()
    call(breaker, failed(), 5)
    call(breaker, None, 15)
    call(breaker, None, 15)
    for _ in range(3):
        call(breaker, failed(), 20)
    assert refusal(breaker, 20).retry_in == seconds(5)


def test_the_reason_for_opening_stays_while_it_is_half_open() -> None:
    breaker = opened()
    reason = breaker.reason
    permit(breaker, 5)
    assert breaker.state is BreakerState.HALF_OPEN
    assert breaker.reason == reason


def test_a_4xx_answers_a_probe_well_since_circle_works() -> None:
    breaker = opened()
    change = call(breaker, failed(ErrorType.CIRCLE_4XX), 5)
    assert change is not None
    assert change.after is BreakerState.CLOSED


def test_one_good_probe_closes_it_when_no_other_is_under_way() -> None:
    breaker = opened()
    first, second = permit(breaker, 5), permit(breaker, 5)
    assert breaker.record(first, None, seconds(5)) is None
    change = breaker.record(second, None, seconds(5))
    assert change is not None
    assert change.after is BreakerState.CLOSED


def test_a_429_and_a_call_given_up_free_a_probes_place_without_a_verdict() -> None:
    breaker = opened()
    first, second = permit(breaker, 5), permit(breaker, 5)
    breaker.record(first, failed(ErrorType.CIRCLE_RATE_LIMIT), seconds(5))
    breaker.release(second)
    assert breaker.state is BreakerState.HALF_OPEN
    assert permit(breaker, 5).is_probe
    assert permit(breaker, 5).is_probe
    assert isinstance(breaker.admit(seconds(5)), Refusal)


def test_results_of_calls_from_before_the_change_say_nothing() -> None:
    breaker = Breaker(OPTIONS)
    late = [permit(breaker) for _ in range(4)]
    for _ in range(3):
        call(breaker, failed())
    assert breaker.record(late[0], failed(), seconds(1)) is None
    permit(breaker, 5)
    assert breaker.record(late[1], None, seconds(5)) is None
    assert breaker.record(late[2], failed(), seconds(5)) is None
    breaker.release(late[3])
    assert breaker.state is BreakerState.HALF_OPEN


def test_a_new_incarnation_of_an_open_one_is_half_open() -> None:
    old = opened()
    heir, change = old.inherit()
    assert change is not None
    assert (change.before, change.after) == (BreakerState.OPEN, BreakerState.HALF_OPEN)
    assert heir.reason == old.reason
    assert permit(heir, 1).is_probe
    assert old.state is BreakerState.OPEN


def test_an_heirs_open_time_goes_on_growing() -> None:
    heir, _ = opened().inherit()
    call(heir, failed(), 1)
    assert refusal(heir, 1).retry_in == seconds(10)


def test_a_new_incarnation_of_a_closed_one_counts_on() -> None:
    old = Breaker(OPTIONS)
    call(old, failed())
    call(old, failed())
    heir, change = old.inherit()
    assert change is None
    assert call(heir, failed()) is not None
    assert old.state is BreakerState.CLOSED


def test_a_half_open_heir_has_all_its_probes_and_ignores_those_of_its_predecessor() -> None:
    old = opened()
    lost = [permit(old, 5), permit(old, 5)]
    heir, change = old.inherit()
    assert change is None
    assert heir.record(lost[0], failed(), seconds(6)) is None
    assert permit(heir, 6).is_probe
    assert permit(heir, 6).is_probe


OUTCOMES = st.sampled_from([None, *(failed(error) for error in COUNTED + UNCOUNTED)])


@given(st.lists(st.tuples(st.floats(0, 8), st.integers(0, 4), OUTCOMES), max_size=150))
def test_whatever_happens_its_rules_hold(steps: list[tuple[float, int, CallFailed | None]]) -> None:
    """Time passes, calls begin and end in any order; a place 0 begins one, another ends the oldest."""
    breaker, now, under_way = Breaker(OPTIONS), 0.0, list[Permit]()
    told = breaker.state
    for passes, choice, outcome in steps:
        now += passes
        if choice == 0 or not under_way:
            admitted = breaker.admit(seconds(now))
            change = admitted.change if isinstance(admitted, Permit) else None
            if isinstance(admitted, Permit):
                under_way.append(admitted)
            else:
                assert timedelta() < admitted.retry_in <= OPTIONS.open_cap
        else:
            change = breaker.record(under_way.pop(0), outcome, seconds(now))
        if change is not None:
            assert change.before is told
            told = change.after
        assert breaker.state is told
        newest = max((one.era for one in under_way), default=0)
        probing = [one for one in under_way if one.is_probe and one.era == newest]
        assert len(probing) <= OPTIONS.probes
        assert (breaker.opened_at is None) == (breaker.state is BreakerState.CLOSED)


@given(st.lists(OUTCOMES, max_size=80))
def test_it_always_finds_its_way_back_once_circle_works(history: list[CallFailed | None]) -> None:
    breaker, now = Breaker(OPTIONS), 0.0
    for outcome in history:
        admitted = breaker.admit(seconds(now))
        if isinstance(admitted, Permit):
            breaker.record(admitted, outcome, seconds(now))
        else:
            now += admitted.retry_in.total_seconds()
    for _ in range(OPTIONS.probes + 1):
        admitted = breaker.admit(seconds(now))
        if isinstance(admitted, Permit):
            breaker.record(admitted, None, seconds(now))
        now += OPTIONS.open_cap.total_seconds()
    assert breaker.state is BreakerState.CLOSED


def test_a_call_that_is_forced_through_is_counted_and_closes_it_once_circle_works() -> None:
    breaker = opened()
    assert isinstance(breaker.admit(seconds(1)), Refusal)
    for number in range(OPTIONS.probes):
        forced = breaker.admit_anyway(seconds(1))
        assert not forced.is_probe
        change = breaker.record(forced, None, seconds(1))
        assert (change is not None) == (number == OPTIONS.probes - 1)
    assert breaker.state is BreakerState.CLOSED


def test_a_forced_call_that_fails_keeps_it_open_from_then_on() -> None:
    breaker = opened()
    later = OPTIONS.open_for - seconds(1)
    assert breaker.record(breaker.admit_anyway(later), failed(), later) is None
    refused = breaker.admit(later + seconds(2))
    assert isinstance(refused, Refusal)
    assert "a forced call failed" in refused.reason


def test_it_can_be_tripped_once_and_let_probe_before_its_time() -> None:
    breaker = Breaker(OPTIONS)
    assert breaker.trip("the account is refused", seconds(0)) is not None
    assert breaker.trip("the account is refused", seconds(0)) is None
    assert breaker.let_probe("it is taken again") is not None
    assert breaker.state is BreakerState.HALF_OPEN
    assert breaker.let_probe("it is taken again") is None
