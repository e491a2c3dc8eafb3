"""Answers in the form of Circle's, and the reading of what every call carries."""

import json
import math
from datetime import timedelta
from email.utils import format_datetime
from uuid import UUID

from aiohttp import web

from wallet_provisioning.clock import Clock
from wallet_provisioning.http.sandbox.contract import as_uuid
from wallet_provisioning.http.sandbox.keys import CLOCK, OPTIONS
from wallet_provisioning.http.sandbox.refusals import Refusal, invalid
from wallet_provisioning.http.sandbox.waits import RetryAfter

_RETRY_AFTER = "Retry-After"


def answer(body: object, *, status: int = 200) -> web.Response:
    """Return a JSON answer."""
    text = json.dumps(body, separators=(",", ":"))
    return web.Response(body=text.encode(), status=status, content_type="application/json")


def data(content: dict[str, object], *, status: int = 200) -> web.Response:
    """Return a success of Circle's."""
    return answer({"data": content}, status=status)


def refused(request: web.Request, refusal: Refusal, *, form: RetryAfter | None = None) -> web.Response:
    """Return a refusal as the switches want it; `form` overrules their `Retry-After`."""
    switches = request.app[OPTIONS].switches
    response = answer(refusal.body(), status=refusal.status(switches.http_status))
    if refusal.retry_after is not None:
        _ask_to_wait(response, refusal.retry_after, form or switches.retry_after, request.app[CLOCK])
    return response


async def body_of(request: web.Request) -> bytes:
    """Return the body of a writing call; raises `Refusal` 2 unless it is said to be JSON."""
    if request.content_type != "application/json":
        raise invalid(location="Content-Type", error="oneof", message="must be application/json")
    return await request.read()


def id_of(request: web.Request) -> UUID:
    """Return the id in the path; raises `Refusal` 2 unless it is a UUID."""
    try:
        return as_uuid(request.match_info["id"])
    except ValueError:
        raise invalid(location="id", error="uuid", message="must be a UUID") from None


def _ask_to_wait(response: web.Response, wait: timedelta, form: RetryAfter, clock: Clock) -> None:
    seconds = math.ceil(wait.total_seconds())
    if form is RetryAfter.SECONDS:
        response.headers[_RETRY_AFTER] = str(seconds)
    elif form is RetryAfter.DATE:
        due = clock.now() + timedelta(seconds=seconds)
        response.headers[_RETRY_AFTER] = format_datetime(due, usegmt=True)
