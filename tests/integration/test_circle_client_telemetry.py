"""What the client shows to the outside: spans in the HTTP conventions, and never a secret."""

import logging
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

import pytest
from aiohttp import web
from opentelemetry import baggage, context
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from tests.support_circle import (
    API_KEY,
    CREATE,
    CREATE_SET,
    ENTITY_SECRET,
    FIND,
    PUBLIC_KEY,
    WALLET_SET,
    Proceed,
    StrictCircle,
    cut,
    refusal,
    refuse,
    truncate,
)
from wallet_provisioning.clock import SystemClock
from wallet_provisioning.http.circle.account import Account, Timeouts
from wallet_provisioning.http.circle.answers import OrderMember, WalletOrder
from wallet_provisioning.http.circle.budget import Budget, BudgetOptions
from wallet_provisioning.http.circle.calls import Parts
from wallet_provisioning.http.circle.client import CircleClient

if TYPE_CHECKING:
    from wallet_provisioning.telemetry.events import Event

SET = f"GET /v1/w3s/walletSets/{WALLET_SET}"


class Bench:
    """A client whose spans and events are kept."""

    def __init__(self, circle: StrictCircle) -> None:
        self.circle = circle
        self.events: list[Event] = []
        self.exporter = InMemorySpanExporter()
        self.provider = TracerProvider(shutdown_on_exit=False)
        self.provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.tracer = self.provider.get_tracer("test")
        clock = SystemClock()
        self.account = Account(
            base_url=circle.base_url,
            api_key=API_KEY,
            entity_secret=ENTITY_SECRET,
            timeouts=Timeouts(read=timedelta(seconds=2)),
        )
        self.client = CircleClient(
            self.account,
            clock=clock,
            budget=Budget(BudgetOptions(), clock=clock),
            emit=self.events.append,
            parts=Parts(tracer=self.tracer),
        )

    def span(self, name: str) -> ReadableSpan:
        return next(span for span in self.exporter.get_finished_spans() if span.name == name)

    async def create(self, *, look_up_first: bool = False, key: UUID | None = None) -> object:
        order = WalletOrder(
            idempotency_key=key or uuid4(),
            wallet_set_id=WALLET_SET,
            blockchain="ETH-SEPOLIA",
            account_type="SCA",
            members=(OrderMember(ref_id="wp-1", name="n"),),
        )
        return await self.client.fulfil(order, chain="ETH", look_up_first=look_up_first)


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    async with StrictCircle() as circle:
        bench = Bench(circle)
        yield bench
        await bench.client.aclose()


async def test_a_creation_is_a_client_span_in_the_http_conventions(bench: Bench) -> None:
    await bench.create()
    span = bench.span("CircleAPI:CreateWallet")
    assert span.kind is SpanKind.CLIENT
    assert span.status.status_code is StatusCode.UNSET
    assert dict(span.attributes or {}) == {
        "http.request.method": "POST",
        "url.full": f"{bench.circle.base_url}/v1/w3s/developer/wallets",
        "server.address": "127.0.0.1",
        "server.port": int(bench.circle.base_url.rpartition(":")[2]),
        "http.response.status_code": 201,
        "circle.request_id": "circle-2",
        "chain": "ETH",
    }


async def test_each_operation_has_its_span(bench: Bench) -> None:
    await bench.create(look_up_first=True)
    await bench.client.create_wallet_set(chain="ETH", key=uuid4(), name="customers")
    names = [span.name for span in bench.exporter.get_finished_spans()]
    assert names == [
        "CircleAPI:FindWallets",
        "CircleAPI:FindWallets",
        "CircleAPI:GetPublicKey",
        "CircleAPI:CreateWallet",
        "CircleAPI:CreateWalletSet",
    ]
    url = str((bench.span("CircleAPI:FindWallets").attributes or {})["url.full"])
    assert url.endswith(
        f"/v1/w3s/wallets?walletSetId={WALLET_SET}&blockchain=ETH-SEPOLIA&refId=wp-1&order=ASC&pageSize=50"
    )


async def test_a_failed_call_has_its_error_type(bench: Bench) -> None:
    bench.circle.next(CREATE, refuse(503))
    await bench.create()
    span = bench.span("CircleAPI:CreateWallet")
    assert span.status.status_code is StatusCode.ERROR
    assert (span.attributes or {})["error.type"] == "circle_5xx"
    assert (span.attributes or {})["http.response.status_code"] == 503


async def test_a_call_without_an_answer_keeps_the_request_id_that_was_sent(bench: Bench) -> None:
    bench.circle.next(CREATE, cut)
    await bench.create()
    attributes = bench.span("CircleAPI:CreateWallet").attributes or {}
    assert attributes["error.type"] == "network"
    assert attributes["circle.request_id"] == bench.circle.requests(CREATE)[0].headers["X-Request-Id"]
    assert "http.response.status_code" not in attributes


async def test_the_trace_goes_on_into_the_request(bench: Bench) -> None:
    with bench.tracer.start_as_current_span("CreateWalletForChain") as parent:
        await bench.create()
    span = bench.span("CircleAPI:CreateWallet")
    assert span.parent is not None
    assert span.parent.span_id == parent.get_span_context().span_id
    version, trace_id, span_id, _flags = bench.circle.requests(CREATE)[0].headers["traceparent"].split("-")
    assert version == "00"
    assert int(trace_id, 16) == parent.get_span_context().trace_id
    assert int(span_id, 16) == span.context.span_id


async def test_baggage_stays_at_home(bench: Bench) -> None:
    token = context.attach(baggage.set_baggage("user.name", "Alice"))
    await bench.create()
    context.detach(token)
    assert all("baggage" not in seen.headers for seen in bench.circle.seen)


async def _echo(request: web.Request, proceed: Proceed) -> web.StreamResponse:
    """Refuse, and put all that was sent into the refusal."""
    await proceed()
    sent = await request.json() if request.can_read_body else {}
    said = f"{request.headers['Authorization']} {sent} {ENTITY_SECRET}"
    return refusal(400, 2, said)


async def test_no_secret_reaches_a_log_a_span_an_event_or_a_representation(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    bench.circle.next(CREATE, _echo, refuse(409, 156004), refuse(400, 156013), truncate, cut)
    bench.circle.next(FIND, _echo)
    bench.circle.next(CREATE_SET, _echo)
    bench.circle.next(PUBLIC_KEY, _echo)
    bench.circle.next(SET, _echo)
    results: list[object] = [
        await bench.client.check_access(),
        await bench.client.check_wallet_set(WALLET_SET),
    ]
    results += [await bench.client.create_wallet_set(chain="ETH", key=uuid4(), name="n")]
    results += [await bench.create(look_up_first=True)]
    results += [await bench.create() for _ in range(5)]
    shown = [
        repr(results),
        repr(bench.events),
        repr(bench.account),
        repr(bench.client),
        repr(vars(bench.client)),
    ]
    shown += [record.getMessage() for record in caplog.records]
    shown += [span.to_json() for span in bench.exporter.get_finished_spans()]
    ciphertexts = [seen.body["entitySecretCiphertext"] for seen in bench.circle.seen if seen.body]
    assert len(ciphertexts) >= 6
    text = "\n".join(shown).lower()
    assert "httpcore" in "".join(record.name for record in caplog.records)
    for secret in [API_KEY, API_KEY.rpartition(":")[2], ENTITY_SECRET, *ciphertexts]:
        assert secret.lower() not in text


async def test_secrets_are_not_in_the_trace_of_an_exception_either(bench: Bench) -> None:
    async def broken_clock_read(_seconds: float) -> None:
        raise ZeroDivisionError

    parts = Parts(sleep=broken_clock_read)
    budget = Budget(BudgetOptions(), clock=SystemClock())
    client = CircleClient(
        bench.account, clock=SystemClock(), budget=budget, emit=bench.events.append, parts=parts
    )
    bench.client, own = client, bench.client
    with pytest.raises(ZeroDivisionError) as caught:
        await bench.create(look_up_first=True)
    await own.aclose()
    text = str(caught.getrepr(showlocals=True))
    assert "look_up_first" in text
    for secret in [API_KEY, ENTITY_SECRET]:
        assert secret not in text
