"""How the work on one chain ended, and what that means for the job: pure values, matched in one place."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from random import Random
from typing import TypeAlias
from uuid import UUID

from wallet_provisioning.jobs import moves
from wallet_provisioning.jobs.backoff import Backoff
from wallet_provisioning.jobs.errors import ErrorType
from wallet_provisioning.jobs.moves import ClaimedJob, Failure, Move


@dataclass(frozen=True, slots=True, kw_only=True)
class Live:
    """The wallet exists at Circle. `adopted` where a look-up found it rather than an answer."""

    blockchain: str
    address: str
    circle_wallet_id: UUID
    wallet_set_id: UUID
    account_type: str
    adopted: bool = False
    circle_request_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """The chain failed; its error type says whether another attempt can help.

    `not_before` is how long Circle asked to be left alone (`Retry-After`).
    """

    error_type: ErrorType
    message: str
    not_before: timedelta | None = None
    circle_request_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """The chain can't be tried now and that is not the job's fault; `delay` until it may be.

    `error_type` says what is in the way: an open breaker, or limits of Circle's that kept the call unsent.
    """

    message: str
    delay: timedelta
    circle_request_id: str | None = None
    error_type: ErrorType = ErrorType.CIRCUIT_OPEN


Outcome: TypeAlias = Live | Failed | Waiting


def conclude(job: ClaimedJob, outcomes: Mapping[str, Outcome], backoff: Backoff, chance: Random) -> Move:
    """Return the move that ends this attempt, given how each chain that was claimed ended.

    Retried while any chain may still succeed and attempts remain, put back where only breakers are in
    the way (not all at one moment), failed where any chain failed for good, else completed. A 429 of Circle's
    uses its attempt up like any error that may pass, the last one too.
    """
    if job.earlier_failure is None and all(isinstance(outcome, Live) for outcome in outcomes.values()):
        return moves.complete(job)
    retryable = _first(job, outcomes, is_retryable=True)
    if retryable is not None and job.attempt < job.max_attempts:
        asked = _longest(outcome.not_before for outcome in outcomes.values() if isinstance(outcome, Failed))
        delay = max(asked, backoff.delay_after(job.attempt, chance))
        return moves.schedule_retry(job, retryable, delay)
    if retryable is not None:
        return moves.fail(job, retryable)
    waiting = [(chain, outcome) for chain, outcome in outcomes.items() if isinstance(outcome, Waiting)]
    if waiting:
        chain, first = min(waiting, key=lambda pair: pair[1].delay)
        spread = first.delay * chance.uniform(0, backoff.jitter)
        message = f"{chain}: {first.message}"
        return moves.wait_for_circuit(
            job,
            message,
            first.delay + spread,
            first.error_type,
            circle_request_id=first.circle_request_id,
        )
    for_good = _first(job, outcomes, is_retryable=False) or job.earlier_failure
    if for_good is not None:
        return moves.fail(job, for_good)
    return moves.complete(job)


def _first(job: ClaimedJob, outcomes: Mapping[str, Outcome], *, is_retryable: bool) -> Failure | None:
    for chain in job.chains:
        outcome = outcomes.get(chain)
        if isinstance(outcome, Failed) and outcome.error_type.is_retryable is is_retryable:
            return Failure(
                error_type=outcome.error_type,
                message=f"{chain}: {outcome.message}",
                circle_request_id=outcome.circle_request_id,
            )
    return None


def _longest(delays: Iterable[timedelta | None]) -> timedelta:
    return max((delay for delay in delays if delay is not None), default=timedelta())
