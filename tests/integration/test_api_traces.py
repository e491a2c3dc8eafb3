"""One trace runs from the caller's request to the stored job."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode, format_span_id, format_trace_id
from sqlalchemy import text

from tests.support_api import USER, House

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = "b7ad6b7169203331"
CALLER = {"traceparent": f"00-{TRACE}-{PARENT}-01"}
JOBS = "/api/v1/onboarding/jobs"


@pytest.fixture
def spans() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
async def house(tmp_path: Path, spans: InMemorySpanExporter) -> AsyncIterator[House]:
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(spans))

    def breaks() -> tuple[str, bytes]:
        msg = "no metrics today"
        raise RuntimeError(msg)

    async with House(tmp_path, tracer=provider.get_tracer("test"), exposition=breaks) as opened:
        yield opened


def only(spans: InMemorySpanExporter) -> ReadableSpan:
    (span,) = spans.get_finished_spans()
    return span


async def test_a_request_is_a_server_span_named_after_its_route(
    house: House, spans: InMemorySpanExporter
) -> None:
    await house.get(f"/api/v1/onboarding/users/{USER}/wallets")
    span = only(spans)
    assert span.name == "GET /api/v1/onboarding/users/{user_id}/wallets"
    assert span.kind is SpanKind.SERVER
    assert span.attributes is not None
    assert span.attributes["http.response.status_code"] == 200
    assert span.attributes["http.route"] == "/api/v1/onboarding/users/{user_id}/wallets"


async def test_a_span_continues_the_callers_trace(house: House, spans: InMemorySpanExporter) -> None:
    await house.get("/healthz/live", headers=CALLER)
    span = only(spans)
    assert span.parent is not None
    assert format_trace_id(span.parent.trace_id) == TRACE
    assert format_span_id(span.parent.span_id) == PARENT


async def test_an_accepted_job_carries_its_requests_trace(house: House, spans: InMemorySpanExporter) -> None:
    told = await house.post(JOBS, {"user_id": USER}, headers=CALLER)
    span = only(spans)
    assert told.json["trace_id"] == TRACE
    with house.database.read() as connection:
        stored = connection.execute(text("SELECT traceparent FROM wallet_provisioning_jobs")).scalar_one()
    assert span.context is not None
    assert stored == f"00-{TRACE}-{format_span_id(span.context.span_id)}-01"


async def test_a_problem_names_its_trace(house: House) -> None:
    assert (await house.get("/nowhere", headers=CALLER)).json["trace_id"] == TRACE


async def test_a_kill_is_audited_with_its_trace(house: House) -> None:
    await house.post("/api/v1/admin/actors/writer/kill", headers=CALLER)
    assert [row["trace_id"] for row in await house.audit("admin:")] == [TRACE]


async def test_a_path_that_is_not_served_gives_no_span_name_of_its_own(
    house: House, spans: InMemorySpanExporter
) -> None:
    await house.get("/nowhere/17")
    await house.ask("PROPFIND", "/")
    assert [span.name for span in spans.get_finished_spans()] == ["GET", "HTTP"]


async def test_only_the_servers_own_errors_make_a_span_an_error(
    house: House, spans: InMemorySpanExporter
) -> None:
    await house.get("/nowhere")
    await house.get("/metrics")
    wrong, broken = spans.get_finished_spans()
    assert wrong.status.status_code is StatusCode.UNSET
    assert broken.status.status_code is StatusCode.ERROR
    assert [event.name for event in broken.events] == ["exception"]


async def test_a_request_id_comes_back_as_it_was_sent(house: House) -> None:
    told = await house.get("/healthz/live", headers={"X-Request-Id": "abc-1"})
    refused = await house.get("/nowhere", headers={"X-Request-Id": "abc-2"})
    assert told.headers["X-Request-Id"] == "abc-1"
    assert refused.headers["X-Request-Id"] == "abc-2"


@pytest.mark.parametrize("told", ["", "a b", "x" * 129])
async def test_a_malformed_request_id_is_left_out(house: House, told: str) -> None:
    answer = await house.get("/healthz/live", headers={"X-Request-Id": told})
    assert "X-Request-Id" not in answer.headers
