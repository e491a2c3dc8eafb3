"""Telemetry as the program opens and closes it."""

import io
import json
from datetime import timedelta
from pathlib import Path
from uuid import UUID

from opentelemetry import trace
from opentelemetry.sdk.resources import SERVICE_NAME

from wallet_provisioning.telemetry import events
from wallet_provisioning.telemetry.catalogue import render
from wallet_provisioning.telemetry.exporting import Signal, complaint, is_exported
from wallet_provisioning.telemetry.options import LogOptions, TelemetryOptions
from wallet_provisioning.telemetry.setup import Telemetry

JOB = UUID("01900000-0000-7000-8000-000000000001")
SOON = timedelta(seconds=10)
REPOSITORY = Path(__file__).parents[2]


def open_telemetry(stream: io.StringIO) -> Telemetry:
    return Telemetry.open(TelemetryOptions(logs=LogOptions(stream=stream), exports=False))


def test_an_event_becomes_a_line_and_a_count() -> None:
    stream = io.StringIO()
    telemetry = open_telemetry(stream)

    telemetry.emit(
        events.JobMoved(
            move="fail", job_id=JOB, user_id=JOB, status="failed", attempt=5, actor="w", error_type="timeout"
        )
    )
    telemetry.flush_logs(SOON)

    assert json.loads(stream.getvalue())["level"] == "error"
    assert b'jobs_processed_total{status="failed"} 1.0' in telemetry.render_metrics()[1]
    telemetry.close(SOON)


def test_a_fault_in_telemetry_stays_in_telemetry() -> None:
    stream = io.StringIO()
    telemetry = open_telemetry(stream)

    telemetry.emit(events.TransactionEnded(reason="x", outcome="committed", duration=None))  # type: ignore[arg-type]  # the fault
    telemetry.close(SOON)

    line = json.loads(stream.getvalue())
    assert line["event"] == "telemetry_failed"
    assert line["level"] == "error"
    assert "TransactionEnded" in line["text"]
    assert "Traceback" in line["stack"]


def test_lines_after_the_end_are_still_written() -> None:
    stream = io.StringIO()
    telemetry = open_telemetry(stream)
    telemetry.close(SOON)

    telemetry.emit(events.Notice(text="stopped"))

    assert json.loads(stream.getvalue())["text"] == "stopped"


def test_spans_have_ids_though_nothing_is_sent() -> None:
    telemetry = open_telemetry(io.StringIO())

    with telemetry.tracers.get_tracer("test").start_as_current_span("work") as span:
        assert span.get_span_context().is_valid
    telemetry.close(SOON)


def test_only_the_program_changes_what_is_global() -> None:
    before = trace.get_tracer_provider()
    telemetry = open_telemetry(io.StringIO())

    assert trace.get_tracer_provider() is before
    telemetry.close(SOON)


def test_the_service_has_its_name() -> None:
    telemetry = open_telemetry(io.StringIO())

    assert telemetry.tracers.resource.attributes[SERVICE_NAME] == "wallet-provisioning-worker"
    telemetry.close(SOON)


def test_nothing_is_sent_unless_an_endpoint_is_named() -> None:
    assert not is_exported(Signal.TRACES, {})
    assert not is_exported(Signal.TRACES, {"OTEL_EXPORTER_OTLP_ENDPOINT": " "})
    assert is_exported(Signal.TRACES, {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318"})
    assert is_exported(Signal.METRICS, {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318"})
    assert is_exported(Signal.METRICS, {"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": "http://c:4318/v1/metrics"})
    assert not is_exported(Signal.TRACES, {"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": "http://c:4318/v1/metrics"})


def test_the_exporters_variable_decides() -> None:
    endpoint = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318"}

    assert not is_exported(Signal.TRACES, endpoint | {"OTEL_TRACES_EXPORTER": "none"})
    assert is_exported(Signal.METRICS, endpoint | {"OTEL_TRACES_EXPORTER": "none"})
    assert is_exported(Signal.TRACES, {"OTEL_TRACES_EXPORTER": "otlp"})


def test_a_protocol_that_is_not_spoken_is_told() -> None:
    assert complaint({}) is None
    assert complaint({"OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"}) is None
    assert complaint({"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "grpc"}) == (
        "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL is grpc, which isn't spoken here; http/protobuf is sent instead"
    )


def test_the_page_of_events_is_the_generated_one() -> None:
    assert (REPOSITORY / "docs" / "events.md").read_text(encoding="utf-8") == render()
