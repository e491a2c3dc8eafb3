"""Lets the faults in force strike the calls that they hit."""

import asyncio
import json
from datetime import timedelta
from typing import assert_never

from aiohttp import web
from aiohttp.typedefs import Handler

from wallet_provisioning.http.sandbox.answers import refused
from wallet_provisioning.http.sandbox.faultkinds import (
    Cut,
    ExpireKeys,
    ForgetKeys,
    Hold,
    Lag,
    Latency,
    Malformed,
    Plain,
    RateLimited,
    Refused,
    SlowBody,
    Status,
    Truncate,
)
from wallet_provisioning.http.sandbox.keys import DRAWN, FAULTS, GATES
from wallet_provisioning.http.sandbox.operations import Call, Operation
from wallet_provisioning.http.sandbox.refusals import Code, Refusal
from wallet_provisioning.http.sandbox.spoiling import spoil

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
    for fault in drawn:
        if not fault.is_late and (replaced := await _strike(request, fault)) is not None:
            return replaced
    response = await handler(request)
    for fault in drawn:
        if fault.is_late:
            response = await _strike_answer(request, response, fault)
    return response


async def _strike_answer(
    request: web.Request, response: web.StreamResponse, fault: Plain
) -> web.StreamResponse:
    """Do what a fault does to an answer; one that is on its way already is let alone."""
    if response.prepared:
        return response
    if isinstance(fault, SlowBody | Truncate | Malformed):
        return await spoil(request, response, fault)
    return await _strike(request, fault) or response


async def _strike(request: web.Request, fault: Plain) -> web.Response | None:
    """Do what a fault does; return the answer that it puts in the place of the call's own."""
    match fault:
        case Latency():
            await asyncio.sleep(fault.for_ms / 1000)
        case Hold():
            await request.app[GATES].hold(fault.gate)
        case Status() | RateLimited() | Refused():
            return _refused(request, fault)
        case Cut():
            return _cut(request)
        case Lag() | ExpireKeys() | ForgetKeys() | SlowBody() | Truncate() | Malformed():
            pass  # the call itself and its answer see to these
        case _:
            assert_never(fault)
    return None


def _refused(request: web.Request, fault: Status | RateLimited | Refused) -> web.Response:
    match fault:
        case Status():
            return refused(request, Refusal(Code.UNKNOWN, http_status=fault.status))
        case RateLimited():
            wait = timedelta(milliseconds=fault.retry_after_ms)
            return refused(request, Refusal(Code.RATE_LIMIT, retry_after=wait), form=fault.retry_after)
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
