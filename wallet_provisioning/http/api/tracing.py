"""One SERVER span per request, in the caller's trace where it sent one, by the OpenTelemetry API alone."""

import re

from aiohttp import web
from aiohttp.typedefs import Handler
from opentelemetry import trace
from opentelemetry.trace import SpanKind, Status, StatusCode, format_trace_id
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from wallet_provisioning.http.api.parts import PARTS

_W3C = TraceContextTextMapPropagator()
_REQUEST_ID = re.compile(r"[!-~]{1,128}")
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT"})
_SERVER_ERRORS = 500


@web.middleware
async def trace_request(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Run the request in a span named `METHOD route`, and give `X-Request-Id` back as it came."""
    context = _W3C.extract(request.headers)
    route = _route(request)
    tracer = request.app[PARTS].tracer
    method = request.method if request.method in _METHODS else "HTTP"
    name = f"{method} {route}" if route else method
    with tracer.start_as_current_span(
        name, context=context, kind=SpanKind.SERVER, attributes=_attributes(request, route)
    ) as span:
        response = await handler(request)
        span.set_attribute("http.response.status_code", response.status)
        if response.status >= _SERVER_ERRORS:
            span.set_status(Status(StatusCode.ERROR))
    _return_request_id(request, response)
    return response


def current_traceparent() -> str | None:
    """Return the W3C `traceparent` of the current span, or None outside of any trace."""
    carrier: dict[str, str] = {}
    _W3C.inject(carrier)
    return carrier.get("traceparent")


def current_trace_id() -> str | None:
    """Return the id of the current trace in hex, or None outside of any."""
    context = trace.get_current_span().get_span_context()
    return format_trace_id(context.trace_id) if context.is_valid else None


def note_exception(error: BaseException) -> None:
    """Put an exception that is becoming an answer on the current span."""
    trace.get_current_span().record_exception(error)


def _route(request: web.Request) -> str | None:
    resource = request.match_info.route.resource
    return resource.canonical if resource is not None else None


def _attributes(request: web.Request, route: str | None) -> dict[str, str]:
    known = {
        "http.request.method": request.method,
        "http.route": route,
        "url.path": request.path,
        "url.scheme": request.scheme,
        "client.address": request.remote,
        "http.request.header.x-request-id": _request_id(request),
    }
    return {name: value for name, value in known.items() if value is not None}


def _request_id(request: web.Request) -> str | None:
    told = request.headers.get("X-Request-Id", "")
    return told if _REQUEST_ID.fullmatch(told) else None


def _return_request_id(request: web.Request, response: web.StreamResponse) -> None:
    told = _request_id(request)
    if told is not None and not response.prepared:
        response.headers["X-Request-Id"] = told
