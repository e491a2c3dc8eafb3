"""The span around each call, in the HTTP conventions, and the trace's way into the request."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urlencode, urlsplit

from opentelemetry.trace import Span, SpanKind, StatusCode, Tracer, get_tracer
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from wallet_provisioning.http.circle.answers import CallFailed
from wallet_provisioning.http.circle.protocol import Call, Operation

# Not the global propagator: baggage is ours, and none of Circle's business.
_PROPAGATOR = TraceContextTextMapPropagator()
_PORTS = {"http": 80, "https": 443}
_NAMES = {
    Operation.CREATE_WALLET: "CircleAPI:CreateWallet",
    Operation.CREATE_WALLET_SET: "CircleAPI:CreateWalletSet",
    Operation.FIND_WALLETS: "CircleAPI:FindWallets",
    Operation.GET_WALLET_SET: "CircleAPI:GetWalletSet",
    Operation.LIST_WALLETS: "CircleAPI:ListWallets",
    Operation.LIST_NEWEST: "CircleAPI:ListNewestWallets",
    Operation.GET_WALLET: "CircleAPI:GetWallet",
    Operation.GET_PUBLIC_KEY: "CircleAPI:GetPublicKey",
    Operation.PING: "CircleAPI:Ping",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """How one call ended; `status` is None where no answer came, `failure` for a success."""

    status: int | None
    request_id: str | None
    failure: CallFailed | None


class CallTracer:
    """Opens a span for each call. Safe on any thread."""

    def __init__(self, base_url: str, tracer: Tracer | None = None) -> None:
        """Trace calls to an address, with the program's own tracer where none is given."""
        self._base_url = base_url.rstrip("/")
        self._tracer = tracer or get_tracer("wallet-provisioning-worker")
        parts = urlsplit(base_url)
        self._server: dict[str, str | int] = {
            "server.address": parts.hostname or "",
            "server.port": parts.port or _PORTS.get(parts.scheme, 0),
        }

    @contextmanager
    def span(self, call: Call, *, chain: str) -> Iterator[Span]:
        """Open the span of one call and make it the current one.

        Exceptions pass through unrecorded: their texts aren't ours.
        """
        query = f"?{urlencode(call.query)}" if call.query else ""
        attributes = {
            **self._server,
            "http.request.method": call.method,
            "url.full": f"{self._base_url}{call.path}{query}",
            "chain": chain,
        }
        with self._tracer.start_as_current_span(
            _NAMES[call.operation],
            kind=SpanKind.CLIENT,
            attributes=attributes,
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            yield span


def propagate(headers: dict[str, str]) -> None:
    """Add the current span's `traceparent` to a request's headers."""
    _PROPAGATOR.inject(headers)


def tell_end(span: Span, end: End) -> None:
    """Write on a span how its call ended."""
    if end.status is not None:
        span.set_attribute("http.response.status_code", end.status)
    if end.request_id is not None:
        span.set_attribute("circle.request_id", end.request_id)
    if end.failure is not None:
        span.set_attribute("error.type", end.failure.error_type.value)
        span.set_status(StatusCode.ERROR)
