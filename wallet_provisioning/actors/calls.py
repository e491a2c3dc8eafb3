"""Calls to Circle as a Circle actor sees them: what it needs of the client, and what answers mean."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Protocol
from uuid import UUID

from opentelemetry import baggage, context, trace

from wallet_provisioning.actors.results import Assignment, ChainResult
from wallet_provisioning.actors.waiting import Ask, UserKey
from wallet_provisioning.actors.walletset import Prepared
from wallet_provisioning.http.circle.answers import (
    CallFailed,
    Certainty,
    Fulfilled,
    KeyRefused,
    WalletOrder,
    WalletSetMade,
)
from wallet_provisioning.http.circle.breaker import OUTAGE, Permit
from wallet_provisioning.jobs.errors import ErrorType
from wallet_provisioning.jobs.outcomes import Failed, Outcome, Waiting
from wallet_provisioning.store.wallets import StoredMember, StoredRequest

_AFTER_PROBE = timedelta(seconds=1)  # the breaker then says how long


class CircleCalls(Protocol):
    """What the actor needs of Circle's client; every coroutine runs beside the actors."""

    async def create_wallet_set(self, *, chain: str, key: UUID, name: str) -> WalletSetMade | CallFailed:
        """Make the wallet set, or find out that it was made under this key."""
        ...

    async def fulfil(
        self, order: WalletOrder, *, chain: str, look_up_first: bool
    ) -> Fulfilled | KeyRefused | CallFailed:
        """Have the wallets of an order made, or find those that were."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class CallEnded:
    """The call for a batch ended. An incarnation knows its own batches, and no predecessor's."""

    batch: "Batch"
    answer: Fulfilled | KeyRefused | CallFailed


@dataclass(frozen=True, slots=True, kw_only=True)
class SetCallEnded:
    """The call for the wallet set ended."""

    answer: Prepared | CallFailed
    permit: Permit


@dataclass(frozen=True, slots=True, kw_only=True)
class SetCall:
    """The call for the wallet set, on its way."""

    permit: Permit
    since: timedelta


@dataclass(slots=True, kw_only=True, eq=False)
class Batch:
    """A stored request on its way, and those in this daemon who wait for it."""

    request: StoredRequest
    permit: Permit
    since: timedelta
    asks: dict[UserKey, Ask] = field(default_factory=dict)
    _users: frozenset[UserKey] = field(init=False)

    def __post_init__(self) -> None:
        """Note whose wallets are asked for."""
        self._users = frozenset([member.user_id.int for member in self.request.members])

    def ask_of(self, member: StoredMember) -> Ask | None:
        """Return who here asked for a member's wallet, None where its job isn't in hand here."""
        return self.asks.get(member.user_id.int)

    def holds(self, assignment: Assignment) -> bool:
        """Return whether this very attempt waits for the call."""
        ask = self.asks.get(assignment.job.user_id.int)
        return ask is not None and ask.assignment.key == assignment.key

    def join(self, ask: Ask) -> Ask | None:
        """Let an ask wait for this call; return the one that gives way: of two attempts the later waits."""
        replaced = self.asks.get(ask.user_key)
        if replaced is not None and ask.is_earlier_than(replaced):
            return ask
        self.asks[ask.user_key] = ask
        return replaced

    def makes_wallet_for(self, ask: Ask) -> bool:
        """Return whether the wallet that is wished for is among those that are asked for."""
        return ask.user_key in self._users

    def unanswered(self, outcomes: Mapping[str, Outcome]) -> list[Ask]:
        """Return those who asked for a member that has no outcome."""
        asks = (self.ask_of(member) for member in self.request.members if member.ref_id not in outcomes)
        return [ask for ask in asks if ask is not None]


def order_of(request: StoredRequest) -> WalletOrder:
    """Return what is sent for a stored request: always the same."""
    return WalletOrder(
        idempotency_key=request.idempotency_key,
        wallet_set_id=request.wallet_set_id,
        blockchain=request.blockchain,
        account_type=request.account_type,
        members=request.members,
        age=request.age,
    )


def broken_call(error: Exception) -> CallFailed:
    """Return what a defect of the client means: nobody knows whether the request was sent."""
    return CallFailed(
        error_type=ErrorType.NETWORK,
        message=f"the call ended without an answer: {type(error).__name__}",
        certainty=Certainty.AMBIGUOUS,
    )


def lost_call() -> CallFailed:
    """Return what it means that a call's end was never heard of."""
    return CallFailed(
        error_type=ErrorType.TIMEOUT,
        message="the end of the call was never heard of",
        certainty=Certainty.AMBIGUOUS,
    )


def is_refused_for_good(answer: CallFailed) -> bool:
    """Return whether Circle said a definite no to the request itself."""
    is_definite = answer.certainty is Certainty.REFUSED and not answer.is_configuration
    return is_definite and not answer.error_type.is_retryable


def failure_of(answer: CallFailed, wait: timedelta, *, is_probe: bool = False) -> Outcome:
    """Return what a failed call means for a member.

    A wrong configuration is nobody's attempt, nor is a probe of a breaker that is about to open again, nor
    a call that Circle's rate limits kept from being sent. One that Circle answered with 429 is.
    """
    if answer.is_configuration:
        return Waiting(message=_quotable(answer), delay=wait, circle_request_id=answer.circle_request_id)
    if answer.error_type is ErrorType.CIRCLE_RATE_LIMIT and answer.http_status is None:
        delay = answer.retry_after or _AFTER_PROBE
        return Waiting(message=answer.message, delay=delay, error_type=answer.error_type)
    if is_probe and answer.error_type in OUTAGE:
        return Waiting(
            message=_quotable(answer), delay=_AFTER_PROBE, circle_request_id=answer.circle_request_id
        )
    return Failed(
        error_type=answer.error_type,
        message=answer.message,
        not_before=answer.retry_after,
        circle_request_id=answer.circle_request_id,
    )


def _quotable(answer: CallFailed) -> str:
    """Return the message with the id that Circle's support asks for."""
    if answer.circle_request_id is None:
        return answer.message
    return f"{answer.message} (request {answer.circle_request_id})"


def result_of(batch: Batch, member: StoredMember, ask: Ask | None, outcome: Outcome) -> ChainResult:
    """Return how the wallet of one member of a batch ended, for whoever asked for it here."""
    return ChainResult(
        user_id=member.user_id,
        chain=batch.request.chain,
        outcome=outcome,
        assignment=None if ask is None else ask.assignment,
        job_id=member.job_id,
        request_id=batch.request.id,
    )


def error_type_of(outcome: Outcome) -> str | None:
    """Return what a span calls an outcome that isn't a wallet."""
    match outcome:
        case Failed(error_type=error_type):
            return error_type
        case Waiting(error_type=error_type):
            return error_type
        case _:
            return None


@contextmanager
def on_behalf_of(ask: Ask | None, actor: str) -> Iterator[None]:
    """Let what is begun inside belong to the trace of an ask, and its log lines name the ask's job.

    A call for many names the one that has waited longest; the others' timelines have its request id.
    """
    if ask is None:
        yield
        return
    job = ask.assignment.job
    current = trace.set_span_in_context(ask.span)
    for name, value in (("job_id", job.id), ("user_id", job.user_id), ("actor", actor)):
        current = baggage.set_baggage(name, str(value), current)
    token = context.attach(current)
    try:
        yield
    finally:
        context.detach(token)
