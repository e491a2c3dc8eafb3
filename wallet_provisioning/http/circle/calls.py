"""The one door to Circle: every call passes the budget, is traced, timed, told of and read here.

A 429 slows the account down and is no end of a call: while the gate is closed for a few seconds only, the
call waits and is sent again, for five seconds at most. It ends as `circle_rate_limit` where Circle asks for
more than that, goes on refusing, or too many calls are being repeated already. A call that gets no turn in
time was never sent; one that was refused before stays refused, though its repeat gets no turn.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Protocol, TypeVar
from uuid import UUID, uuid4

from opentelemetry.trace import Tracer

from wallet_provisioning.clock import Clock
from wallet_provisioning.http.circle.account import Account
from wallet_provisioning.http.circle.answers import CallFailed, Certainty
from wallet_provisioning.http.circle.budget import GATE_PATIENCE, Kind, NoTurn, Sleep, Turn
from wallet_provisioning.http.circle.errors import read_error
from wallet_provisioning.http.circle.protocol import Answer, Call, Operation
from wallet_provisioning.http.circle.retries import RetryBudget
from wallet_provisioning.http.circle.secret import Scrubber
from wallet_provisioning.http.circle.tracing import CallTracer, End, propagate, tell_end
from wallet_provisioning.http.circle.transport import CONNECTIONS, LostError, Transport
from wallet_provisioning.http.circle.wire import BrokenAnswerError
from wallet_provisioning.jobs.errors import ErrorType
from wallet_provisioning.telemetry.events import CircleCalled, CircleRetried, Emit

T = TypeVar("T")

# How long a call waits gates out and is sent again while Circle refuses it, from the first refusal.
_REFUSED_FOR = timedelta(seconds=5)
# Readers that nobody waits for: they go behind all others, over connections of their own.
_BACKGROUND = frozenset({Operation.LIST_WALLETS, Operation.GET_WALLET})


class Allowance(Protocol):
    """What gives calls their turn: `Budget`."""

    async def take(self, kind: Kind, *, chain: str, size: int, background: bool) -> Turn | NoTurn:
        """Return when one more call of this kind may be sent, or will not be for long."""
        ...

    def gate_remaining(self) -> timedelta:
        """Return how long the account makes no call at all."""
        ...

    async def aclose(self) -> None:
        """Let go of whatever it holds."""
        ...


class Wire(Protocol):
    """What carries a call to Circle and its answer back: `Transport`, or a simulated one."""

    async def send(self, call: Call, *, chain: str, headers: dict[str, str]) -> Answer:
        """Send one request. Raises `LostError`."""
        ...

    async def aclose(self) -> None:
        """Close every connection."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What a test puts in place of the real thing. None means the program's own."""

    new_id: Callable[[], UUID] = uuid4
    sleep: Sleep = asyncio.sleep
    tracer: Tracer | None = None
    wire: Wire | None = None


@dataclass(slots=True)
class Refusals:
    """What Circle's 429s have cost one call so far: the latest, and until when it may be sent again."""

    latest: CallFailed | None = None
    until: timedelta | None = None

    def stands(self, result: CallFailed) -> CallFailed:
        """Return how the call ended: a repeat that got no turn doesn't undo that the call was refused."""
        if self.latest is None or not _is_unsent(result):
            return result
        asked = max(result.retry_after or timedelta(), self.latest.retry_after or timedelta())
        self.latest = replace(self.latest, retry_after=asked or None)
        return self.latest


class Door:
    """Sends calls, and turns everything that can happen to one into a value. Used on one asyncio loop."""

    def __init__(
        self,
        account: Account,
        *,
        clock: Clock,
        budget: Allowance,
        emit: Emit,
        parts: Parts,
    ) -> None:
        """Prepare; nothing is sent."""
        self._clock = clock
        self._budget = budget
        self._emit = emit
        self._new_id = parts.new_id
        self._scrubber = Scrubber(account)
        self._wire: Wire = parts.wire or Transport(account)
        self._tracer = CallTracer(account.base_url, parts.tracer)
        self._longest_wait = account.timeouts.turn
        self._retries = RetryBudget()
        # A call that took its turn must go out at once, so it first takes a place among the connections.
        self._places: defaultdict[str, asyncio.Semaphore] = defaultdict(_places)

    async def send(self, call: Call, *, chain: str, read: Callable[[Answer], T]) -> T | CallFailed:
        """Send a call and return what `read` makes of a successful answer, or how it failed."""
        refusals = Refusals()
        while True:
            result = await self.send_once(call, chain=chain, read=read, refusals=refusals)
            if not isinstance(result, CallFailed):
                return result
            if not self.may_repeat_refused(call, chain, result, refusals):
                return result

    async def send_once(
        self,
        call: Call,
        *,
        chain: str,
        read: Callable[[Answer], T],
        refusals: Refusals,
        is_first: bool = True,
    ) -> T | CallFailed:
        """Send a call a single time; `is_first` is False where it is sent again."""
        result = await self._send_in_turn(call, chain, read, self._patience(refusals), is_first=is_first)
        return refusals.stands(result) if isinstance(result, CallFailed) else result

    async def _send_in_turn(
        self, call: Call, chain: str, read: Callable[[Answer], T], patience: timedelta, *, is_first: bool
    ) -> T | CallFailed:
        turn = await self._take_turn(call, chain, patience)
        if isinstance(turn, CallFailed):
            return turn
        if is_first:
            self._retries.earn(self._clock.seconds())
        try:
            return await self._send_now(call, chain, read, turn)
        finally:
            turn.ended(is_answer=False)
            self._places[_line(call, chain)].release()

    def may_repeat_refused(self, call: Call, chain: str, failed: CallFailed, refusals: Refusals) -> bool:
        """Return whether a call that met a 429 shall be sent again; `refusals` learns of this one."""
        if failed.error_type is not ErrorType.CIRCLE_RATE_LIMIT or failed is refusals.latest:
            return False
        if failed.http_status is None:
            return False
        now, shut_for = self._clock.monotonic(), self._budget.gate_remaining()
        refusals.latest = failed
        if refusals.until is None:
            refusals.until = now + min(_REFUSED_FOR, self._longest_wait)
        is_late = now >= refusals.until or now + shut_for > refusals.until
        is_shut = shut_for > timedelta(seconds=GATE_PATIENCE)
        return not is_late and not is_shut and self.may_repeat(call, chain, failed)

    def _patience(self, refusals: Refusals) -> timedelta:
        """Return how long a call may wait for its turn: one that was refused until its time is over."""
        if refusals.until is None:
            return self._longest_wait
        return max(timedelta(), refusals.until - self._clock.monotonic())

    def may_repeat(self, call: Call, chain: str, failed: CallFailed) -> bool:
        """Return whether the retry budget lets a call be sent again, and tell of it."""
        allowed = self._retries.spend(self._clock.seconds())
        self._emit(
            CircleRetried(
                chain=chain, operation=call.operation.value, why=failed.error_type.value, allowed=allowed
            )
        )
        return allowed

    def note_replay(self) -> None:
        """Take note that a stored request is sent again by a later attempt."""
        self._retries.replay(self._clock.seconds())

    async def aclose(self) -> None:
        """Close every connection, and let go of the budget."""
        await self._wire.aclose()
        await self._budget.aclose()

    async def _take_turn(self, call: Call, chain: str, patience: timedelta) -> Turn | CallFailed:
        """Take a place among the connections, which the caller gives back, and then a turn."""
        places = self._places[_line(call, chain)]
        has_place = False
        turn: Turn | NoTurn | None = None
        try:
            async with asyncio.timeout(patience.total_seconds()):
                has_place = await places.acquire()
                turn = await self._budget.take(
                    call.operation.kind,
                    chain=chain,
                    size=call.wallets,
                    background=call.operation in _BACKGROUND,
                )
        except TimeoutError:
            return _no_turn("no turn among the calls to Circle in time", None)
        finally:
            if has_place and not isinstance(turn, Turn):
                places.release()
        if isinstance(turn, NoTurn):
            seconds = turn.retry_in.total_seconds()
            return _no_turn(f"Circle asked for no calls for another {seconds:.0f} s", turn.retry_in)
        return turn  # pyright: ignore[reportReturnType] # it loses sight of the value in `finally`

    async def _send_now(
        self, call: Call, chain: str, read: Callable[[Answer], T], turn: Turn
    ) -> T | CallFailed:
        started = self._clock.monotonic()
        with self._tracer.span(call, chain=chain) as span:
            answer = await self._exchange(call, chain, str(self._new_id()))
            if isinstance(answer, Answer):
                turn.ended()
            result = answer if isinstance(answer, CallFailed) else self._read(answer, read)
            _settle(turn, result)
            end = _end(answer, result)
            tell_end(span, end)
            self._emit(_called(call, chain, end, self._clock.monotonic() - started, turn.waited))
        return result

    async def _exchange(self, call: Call, chain: str, request_id: str) -> Answer | CallFailed:
        try:
            return await self._wire.send(call, chain=_line(call, chain), headers=_headers(call, request_id))
        except LostError as error:
            return CallFailed(
                error_type=error.error_type,
                message=str(error),
                certainty=error.certainty,
                circle_request_id=request_id,
            )

    def _read(self, answer: Answer, read: Callable[[Answer], T]) -> T | CallFailed:
        if not answer.is_success:
            return read_error(answer, now=self._clock.now(), scrub=self._scrubber.scrub)
        try:
            return read(answer)
        except BrokenAnswerError as error:
            return CallFailed(
                error_type=error.error_type,
                message=str(error),
                certainty=Certainty.AMBIGUOUS,
                http_status=answer.status,
                circle_request_id=answer.request_id,
            )


def _places() -> asyncio.Semaphore:
    return asyncio.Semaphore(CONNECTIONS)


def _is_unsent(failed: CallFailed) -> bool:
    return failed.error_type is ErrorType.CIRCLE_RATE_LIMIT and failed.certainty is Certainty.NOT_SENT


def _line(call: Call, chain: str) -> str:
    """Return whose connections a call uses."""
    return f"{chain} in the background" if call.operation in _BACKGROUND else chain


def _no_turn(message: str, retry_in: timedelta | None) -> CallFailed:
    return CallFailed(
        error_type=ErrorType.CIRCLE_RATE_LIMIT,
        message=message,
        certainty=Certainty.NOT_SENT,
        retry_after=retry_in,
    )


def _settle(turn: Turn, result: object) -> None:
    """Let the budget learn from an answer."""
    if not isinstance(result, CallFailed):
        turn.went_well()
    elif result.error_type is ErrorType.CIRCLE_RATE_LIMIT:
        turn.refused(result.retry_after)


def _headers(call: Call, request_id: str) -> dict[str, str]:
    """Return the headers of a request, all but the key."""
    headers = {"X-Request-Id": request_id, "Accept": "application/json"}
    if call.body is not None:
        headers["Content-Type"] = "application/json"
    propagate(headers)
    return headers


def _end(answer: Answer | CallFailed, result: object) -> End:
    if isinstance(answer, CallFailed):
        return End(status=None, request_id=answer.circle_request_id, failure=answer)
    failure = result if isinstance(result, CallFailed) else None
    return End(status=answer.status, request_id=answer.request_id, failure=failure)


def _called(call: Call, chain: str, end: End, duration: timedelta, waited: timedelta) -> CircleCalled:
    return CircleCalled(
        chain=chain,
        operation=call.operation.value,
        outcome=end.failure.error_type.value if end.failure else "success",
        duration=duration,
        kind=call.operation.kind.value,
        waited=waited,
        wallets=call.wallets,
        http_status=end.status,
        code=end.failure.code if end.failure else None,
        request_id=end.request_id,
        message=end.failure.message if end.failure else None,
    )
