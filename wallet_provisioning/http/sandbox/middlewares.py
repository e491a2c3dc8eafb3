"""What happens around every call, outermost first: see `MIDDLEWARES`."""

import asyncio
import traceback
from uuid import UUID, uuid4

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler

from wallet_provisioning.http.sandbox.access import authorise
from wallet_provisioning.http.sandbox.answers import refused
from wallet_provisioning.http.sandbox.disturbance import disturb, operation_of
from wallet_provisioning.http.sandbox.errors import StateUnusableError
from wallet_provisioning.http.sandbox.keys import ACCESS, CLOCK, EMIT, LIMITS, OPTIONS, STATE, WORLD
from wallet_provisioning.http.sandbox.limits import CallKind
from wallet_provisioning.http.sandbox.operations import Operation
from wallet_provisioning.http.sandbox.refusals import Code, Refusal, no_such_call
from wallet_provisioning.telemetry.events import Notice

_REQUEST_ID = "X-Request-Id"
# Circle has these paths for POST alone, and says of GET that there is no such call (not 405).
_ABSENT = frozenset({"/v1/w3s/developer/wallets", "/v1/w3s/developer/walletSets"})
_KINDS = {Operation.CREATE_WALLETS: CallKind.CREATE_WALLETS}


async def name_answer(request: web.Request, response: web.StreamResponse) -> None:
    """Give an answer on its way its X-Request-Id: the request's own where that is a UUID, else a new one."""
    response.headers[_REQUEST_ID] = _request_id(request)


@web.middleware
async def answer_failures(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn whatever was raised into a JSON answer. A bug is 500 and a notice without its message."""
    try:
        return await handler(request)
    except Refusal as refusal:
        return refused(request, refusal)
    except web.HTTPException as error:
        return _refused_by_server(request, error)
    except StateUnusableError as error:
        request.app[EMIT](Notice(text=str(error), level="error"))
    except ConnectionError:
        pass  # the caller has hung up over its own body: nothing broke here, and nobody reads the answer
    except Exception as error:  # noqa: BLE001 - the last border: the caller gets JSON whatever broke
        where = "".join(traceback.format_tb(error.__traceback__))
        text = f"the sandbox broke at {request.method} {request.path}: {type(error).__name__}\n{where}"
        request.app[EMIT](Notice(text=text, level="error"))
    return refused(request, Refusal(Code.UNKNOWN, http_status=500))


@web.middleware
async def check_key(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse calls of the API without a good key, before anything else is said of them."""
    if operation_of(request) is not None:
        request[WORLD] = authorise(request.headers.get(hdrs.AUTHORIZATION), request.app[ACCESS].api_key)
    return await handler(request)


@web.middleware
async def limit_rate(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse calls beyond Circle's limits, where these are on."""
    operation = operation_of(request)
    if operation is not None and request.app[OPTIONS].rate_limits:
        plain = CallKind.READ if request.method == hdrs.METH_GET else CallKind.OTHER_WRITE
        wait = request.app[LIMITS].admit(_KINDS.get(operation, plain), request.app[CLOCK].monotonic())
        if wait is not None:
            raise Refusal(Code.RATE_LIMIT, retry_after=wait)
    return await handler(request)


@web.middleware
async def take_time(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Take as long as the options say."""
    latency = request.app[OPTIONS].latency
    if latency and operation_of(request) is not None:
        await asyncio.sleep(latency.total_seconds())
    return await handler(request)


@web.middleware
async def settle_first(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Let no answer leave before all that it may tell of is on the disk."""
    try:
        return await handler(request)
    finally:
        await request.app[STATE].settle()


# Failures are answered twice: inside for the faults that strike after a call, outside for the rest.
MIDDLEWARES = (
    answer_failures,
    check_key,
    limit_rate,
    take_time,
    disturb,
    answer_failures,
    settle_first,
)


def _request_id(request: web.Request) -> str:
    try:
        return str(UUID(request.headers.get(_REQUEST_ID, "")))
    except ValueError:
        return str(uuid4())


def _refused_by_server(request: web.Request, error: web.HTTPException) -> web.Response:
    is_absent = request.method == hdrs.METH_GET and request.path in _ABSENT
    if isinstance(error, web.HTTPNotFound) or is_absent:
        return refused(request, no_such_call(request.method, request.path))
    response = refused(request, Refusal(Code.UNKNOWN, error.reason, http_status=error.status))
    if hdrs.ALLOW in error.headers:
        response.headers[hdrs.ALLOW] = error.headers[hdrs.ALLOW]
    return response
