"""The one door to Circle: every call passes the budget, is traced, timed, told of and read here."""

import asyncio
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol, TypeVar
from uuid import UUID, uuid4

from opentelemetry.trace import Tracer

from wallet_provisioning.clock import Clock
from wallet_provisioning.http.circle.account import Account
from wallet_provisioning.http.circle.answers import CallFailed, Certainty
from wallet_provisioning.http.circle.budget import Kind, Sleep
from wallet_provisioning.http.circle.errors import read_error
from wallet_provisioning.http.circle.protocol import Answer, Call
from wallet_provisioning.http.circle.secret import Scrubber
from wallet_provisioning.http.circle.tracing import CallTracer, End, propagate, tell_end
from wallet_provisioning.http.circle.transport import CONNECTIONS, LostError, Transport
from wallet_provisioning.http.circle.wire import BrokenAnswerError
from wallet_provisioning.telemetry.events import CircleCalled, Emit

T = TypeVar("T")


class Allowance(Protocol):
    """What gives calls their turn: `Budget`, or one that several daemons share."""

    async def take(self, kind: Kind) -> None:
        """Return when one more call of this kind may be sent."""


class Wire(Protocol):
    """What carries a call to Circle and its answer back: `Transport`, or a simulated one."""

    async def send(self, call: Call, *, chain: str, headers: dict[str, str]) -> Answer:
        """Send one request. Raises `LostError`."""

    async def aclose(self) -> None:
        """Close every connection."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What a test puts in place of the real thing. None means the program's own."""

    new_id: Callable[[], UUID] = uuid4
    sleep: Sleep = asyncio.sleep
    tracer: Tracer | None = None
    wire: Wire | None = None


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
        # A call that took its turn must go out at once, so it first takes a place among the connections.
        self._places: defaultdict[str, asyncio.Semaphore] = defaultdict(_places)

    async def send(self, call: Call, *, chain: str, read: Callable[[Answer], T]) -> T | CallFailed:
        """Send one call and return what `read` makes of a successful answer, or how it failed."""
        async with self._places[chain]:
            await self._budget.take(call.operation.kind)
            return await self._send_now(call, chain, read)

    async def aclose(self) -> None:
        """Close every connection."""
        await self._wire.aclose()

    async def _send_now(self, call: Call, chain: str, read: Callable[[Answer], T]) -> T | CallFailed:
        started = self._clock.monotonic()
        with self._tracer.span(call, chain=chain) as span:
            answer = await self._exchange(call, chain, str(self._new_id()))
            result = answer if isinstance(answer, CallFailed) else self._read(answer, read)
            end = _end(answer, result)
            tell_end(span, end)
            self._emit(_called(call, chain, end, self._clock.monotonic() - started))
        return result

    async def _exchange(self, call: Call, chain: str, request_id: str) -> Answer | CallFailed:
        try:
            return await self._wire.send(call, chain=chain, headers=_headers(call, request_id))
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


def _called(call: Call, chain: str, end: End, duration: timedelta) -> CircleCalled:
    return CircleCalled(
        chain=chain,
        operation=call.operation.value,
        outcome=end.failure.error_type.value if end.failure else "success",
        duration=duration,
        wallets=call.wallets,
        http_status=end.status,
        code=end.failure.code if end.failure else None,
        request_id=end.request_id,
        message=end.failure.message if end.failure else None,
    )
