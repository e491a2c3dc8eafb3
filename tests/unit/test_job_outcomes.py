"""What the ends of a job's chains mean for the job."""

from datetime import timedelta
from itertools import permutations
from random import Random
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wallet_provisioning.jobs.backoff import Backoff
from wallet_provisioning.jobs.errors import ErrorType
from wallet_provisioning.jobs.moves import ClaimedJob, Failure, Move
from wallet_provisioning.jobs.outcomes import Failed, Live, Outcome, Waiting, conclude
from wallet_provisioning.jobs.states import MoveName

BACKOFF = Backoff(base=timedelta(minutes=1), maximum=timedelta(minutes=30), jitter=0)
LIVE = Live(
    blockchain="ETH-SEPOLIA",
    address="0x" + "a" * 40,
    circle_wallet_id=uuid4(),
    wallet_set_id=uuid4(),
    account_type="SCA",
)
RETRYABLE = Failed(error_type=ErrorType.CIRCLE_5XX, message="503")
FOR_GOOD = Failed(error_type=ErrorType.CIRCLE_4XX, message="code 2")
WAITING = Waiting(message="5 calls in a row failed", delay=timedelta(seconds=7))


def job(*, attempt: int = 1, earlier_failure: Failure | None = None) -> ClaimedJob:
    return ClaimedJob(
        id=uuid4(),
        user_id=uuid4(),
        chains=("ETH", "SOL", "APTOS"),
        epoch=1,
        revision=0,
        attempt=attempt,
        max_attempts=5,
        crash_count=0,
        earlier_failure=earlier_failure,
        traceparent=None,
    )


def end(*outcomes: Outcome, attempt: int = 1, earlier_failure: Failure | None = None) -> Move:
    claimed = job(attempt=attempt, earlier_failure=earlier_failure)
    return conclude(claimed, dict(zip(claimed.chains, outcomes, strict=False)), BACKOFF, Random(1))


def test_a_job_is_completed_when_every_chain_is_live() -> None:
    assert end(LIVE, LIVE, LIVE).name is MoveName.COMPLETE


def test_a_job_is_retried_while_any_chain_may_still_succeed() -> None:
    move = end(FOR_GOOD, RETRYABLE, LIVE)
    assert move.name is MoveName.SCHEDULE_RETRY
    assert move.failure == Failure(error_type=ErrorType.CIRCLE_5XX, message="SOL: 503")


def test_a_job_fails_when_a_chain_failed_for_good_and_none_can_be_retried() -> None:
    move = end(LIVE, FOR_GOOD, LIVE)
    assert move.name is MoveName.FAIL
    assert move.failure == Failure(error_type=ErrorType.CIRCLE_4XX, message="SOL: code 2")


def test_a_job_fails_over_a_chain_that_failed_in_an_earlier_attempt() -> None:
    earlier = Failure(error_type=ErrorType.VALIDATION, message="SOL: address")
    assert end(LIVE, earlier_failure=earlier).failure == earlier


def test_the_last_attempt_fails_the_job() -> None:
    move = end(RETRYABLE, LIVE, LIVE, attempt=5)
    assert move.name is MoveName.FAIL
    assert move.failure is not None
    assert move.failure.error_type is ErrorType.CIRCLE_5XX


def test_a_rate_limit_uses_an_attempt_up_the_last_one_too() -> None:
    asked = Failed(error_type=ErrorType.CIRCLE_RATE_LIMIT, message="429", not_before=timedelta(hours=1))
    early = end(asked, LIVE, LIVE, attempt=4)
    assert (early.name, early.due_in) == (MoveName.SCHEDULE_RETRY, timedelta(hours=1))
    last = end(asked, WAITING, LIVE, attempt=5)
    assert last.name is MoveName.FAIL
    assert last.failure == Failure(error_type=ErrorType.CIRCLE_RATE_LIMIT, message="ETH: 429")


def test_a_job_waits_where_only_breakers_are_in_the_way() -> None:
    later = Waiting(message="later", delay=timedelta(minutes=1))
    move = end(later, WAITING, LIVE, attempt=5)
    assert move.name is MoveName.WAIT_FOR_CIRCUIT
    assert move.due_in == WAITING.delay
    assert move.failure == Failure(error_type=ErrorType.CIRCUIT_OPEN, message=f"SOL: {WAITING.message}")


def test_a_failure_for_good_does_not_stop_a_chain_that_waits() -> None:
    assert end(FOR_GOOD, WAITING, LIVE).name is MoveName.WAIT_FOR_CIRCUIT


@pytest.mark.parametrize(("attempt", "minutes"), [(1, 1), (2, 2), (3, 4), (4, 8)])
def test_the_delay_doubles(attempt: int, minutes: int) -> None:
    assert end(RETRYABLE, LIVE, LIVE, attempt=attempt).due_in == timedelta(minutes=minutes)


def test_retry_after_is_the_floor_of_the_delay() -> None:
    asked = Failed(error_type=ErrorType.CIRCLE_RATE_LIMIT, message="429", not_before=timedelta(hours=1))
    assert end(asked, RETRYABLE, LIVE).due_in == timedelta(hours=1)


def test_a_short_retry_after_does_not_shorten_the_delay() -> None:
    asked = Failed(error_type=ErrorType.CIRCLE_RATE_LIMIT, message="429", not_before=timedelta(seconds=1))
    assert end(asked, LIVE, LIVE).due_in == timedelta(minutes=1)


def test_the_order_in_which_chains_end_does_not_matter() -> None:
    claimed = job()
    outcomes: list[Outcome] = [FOR_GOOD, RETRYABLE, WAITING]
    pairs = list(zip(claimed.chains, outcomes, strict=True))
    ends = [conclude(claimed, dict(order), BACKOFF, Random(1)) for order in permutations(pairs)]
    assert all(each == ends[0] for each in ends)


@given(
    attempt=st.integers(1, 400),
    base=st.timedeltas(timedelta(milliseconds=1), timedelta(hours=1)),
    factor=st.integers(1, 1000),
    jitter=st.floats(0, 0.99),
    seed=st.integers(),
)
def test_a_delay_stays_within_its_bounds(
    attempt: int, base: timedelta, factor: int, jitter: float, seed: int
) -> None:
    backoff = Backoff(base=base, maximum=base * factor, jitter=jitter)
    assert base <= backoff.delay_after(attempt, Random(seed)) <= base * factor


def test_jitter_spreads_the_delays() -> None:
    backoff = Backoff(base=timedelta(minutes=1), maximum=timedelta(minutes=30), jitter=0.1)
    delays = [backoff.delay_after(2, Random(seed)) for seed in range(200)]
    assert min(delays) < timedelta(seconds=111)
    assert max(delays) > timedelta(seconds=129)
    assert all(timedelta(seconds=108) <= delay <= timedelta(seconds=132) for delay in delays)
