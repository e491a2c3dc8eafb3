"""Lets the faults in force strike the calls that they hit."""

import asyncio
import json
from datetime import timedelta
from typing import assert_never

from aiohttp import web
from aiohttp.typedefs import Handler

from wallet_provisioning.http.sandbox.answers import refused
from wallet_provisioning.http.sandbox.faults import (
    Call,
    Cut,
    Fault,
    Lag,
    Latency,
    Operation,
    RateLimited,
    Refused,
    Status,
)
from wallet_provisioning.http.sandbox.keys import DRAWN, FAULTS
from wallet_provisioning.http.sandbox.refusals import Code, Refusal

_OPERATIONS = {operation.value: operation for operation in Operation}


def operation_of(request: web.Request) -> Operation | None:
    """Return which call of the API this is; None for ping, the sandbox's own calls and unknown paths."""
    return _OPERATIONS.get(request.match_info.route.name or "")


@web.middleware
async def disturb(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Strike before the call is carried out, instead of it, or between it and its answer."""
    operation = operation_of(request)
    faults = request.app[FAULTS]
    if operation is None or not faults.are_any:
        return await handler(request)
    drawn = faults.draw(await _call(request, operation))
    request[DRAWN] = drawn
    replaced = await _strike_all(request, [fault for fault in drawn if not _is_late(fault)])
    if replaced is not None:
        return replaced
    response = await handler(request)
    return await _strike_all(request, [fault for fault in drawn if _is_late(fault)]) or response


def _is_late(fault: Fault) -> bool:
    return isinstance(fault, Latency | Status | Cut) and fault.when == "after"


async def _strike_all(request: web.Request, faults: list[Fault]) -> web.Response | None:
    for fault in faults:
        replaced = await _strike(request, fault)
        if replaced is not None:
            return replaced
    return None


async def _strike(request: web.Request, fault: Fault) -> web.Response | None:
    """Do what a fault does; return the answer that it puts in the place of the call's own."""
    match fault:
        case Latency():
            await asyncio.sleep(fault.for_ms / 1000)
            return None
        case Lag():
            return None
        case Status():
            return refused(request, Refusal(Code.UNKNOWN, http_status=fault.status))
        case Cut():
            return _cut(request)
        case RateLimited():
            wait = timedelta(milliseconds=fault.retry_after_ms)
            return refused(request, Refusal(Code.RATE_LIMIT, retry_after=wait))
        case Refused():
            return refused(request, Refusal(fault.refusal_code))
        case _:
            assert_never(fault)


def _cut(request: web.Request) -> web.Response:
    """Close the connection at once; the answer that is returned finds no way out."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


async def _call(request: web.Request, operation: Operation) -> Call:
    named = request.query.getall("blockchain", [])
    if operation is Operation.CREATE_WALLETS:
        named = _blockchains(await request.read())
    return Call(operation=operation, blockchains=frozenset(named))


def _blockchains(body: bytes) -> list[str]:
    """Return the chains of a body that was not checked yet; none where it is nonsense."""
    try:
        order = json.loads(body)
    except ValueError:
        return []
    named = order.get("blockchains") if isinstance(order, dict) else None
    return [name for name in named if isinstance(name, str)] if isinstance(named, list) else []
