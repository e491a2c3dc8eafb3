"""Spoils the body of an answer on its way: slow, cut off in the middle, or not what it says it is."""

import asyncio
from itertools import pairwise
from typing import assert_never

from aiohttp import web

from wallet_provisioning.http.sandbox.faultkinds import Malformed, SlowBody, Spoilt, Truncate

_PAGE = b"<!doctype html><title>502 Bad Gateway</title><h1>502 Bad Gateway</h1>"


async def spoil(request: web.Request, response: web.StreamResponse, fault: Spoilt) -> web.StreamResponse:
    """Return the answer as it is to arrive; one that was sent piece by piece is on its way already."""
    whole = response.body if isinstance(response, web.Response) else None
    if not isinstance(whole, bytes):
        return response
    match fault:
        case SlowBody():
            return await _trickle(request, response, whole, fault)
        case Truncate():
            return await _truncate(request, response, whole, fault)
        case Malformed():
            return _malform(response, whole, fault)
        case _:
            assert_never(fault)


async def _trickle(
    request: web.Request, response: web.StreamResponse, whole: bytes, fault: SlowBody
) -> web.StreamResponse:
    stream = await _begin(request, response, whole)
    ends = [len(whole) * piece // fault.pieces for piece in range(fault.pieces + 1)]
    for start, end in pairwise(ends):
        await stream.write(whole[start:end])
        await asyncio.sleep(fault.for_ms / 1000 / fault.pieces)
    await stream.write_eof()
    return stream


async def _truncate(
    request: web.Request, response: web.StreamResponse, whole: bytes, fault: Truncate
) -> web.StreamResponse:
    stream = await _begin(request, response, whole)
    await stream.write(whole[: int(len(whole) * fault.keep)])
    if request.transport is not None:
        request.transport.close()  # sends what was written, and no more
    return stream


def _malform(response: web.StreamResponse, whole: bytes, fault: Malformed) -> web.Response:
    match fault.form:
        case "torn":
            return web.Response(
                body=whole[: len(whole) // 2], status=response.status, headers=_kept(response)
            )
        case "page":
            return web.Response(body=_PAGE, status=response.status, content_type="text/html")
        case "empty":
            return web.Response(body=b"", status=response.status, headers=_kept(response))
        case "list":
            return web.Response(body=b"[]", status=response.status, headers=_kept(response))
        case _:
            assert_never(fault.form)


async def _begin(request: web.Request, response: web.StreamResponse, whole: bytes) -> web.StreamResponse:
    """Start an answer that promises the whole body."""
    stream = web.StreamResponse(status=response.status, headers=_kept(response))
    stream.content_length = len(whole)
    await stream.prepare(request)
    return stream


def _kept(response: web.StreamResponse) -> dict[str, str]:
    kept = {name: value for name, value in response.headers.items() if name.lower() != "content-length"}
    return {"Content-Type": "application/json", **kept}
