"""Traces and metrics reach a collector, and a collector that is away disturbs nobody."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

PROGRAM = """
import sys
from datetime import timedelta
from opentelemetry import trace
from wallet_provisioning.telemetry.events import MessageTaken, Notice
from wallet_provisioning.telemetry.options import LogOptions, TelemetryOptions
from wallet_provisioning.telemetry.setup import Telemetry

options = TelemetryOptions(is_global=True, logs=LogOptions(routes_libraries=True))
telemetry = Telemetry.open(options)
with trace.get_tracer("test").start_as_current_span("ProcessWalletProvisioningJob"):
    telemetry.emit(Notice(text="hello"))
telemetry.emit(MessageTaken(outcome="accepted"))
telemetry.close(timedelta(seconds=float(sys.argv[1])))
"""


class Collector:
    """An OTLP collector that keeps what it is sent."""

    def __init__(self) -> None:
        self.received: dict[str, list[bytes]] = {}
        received = self.received

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                received.setdefault(self.path, []).append(body)
                self.send_response(200)
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the name is the base's
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def collector() -> Iterator[Collector]:
    collector = Collector()
    yield collector
    collector.close()


def run(limit: float = 10, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {name: text for name, text in os.environ.items() if not name.startswith("OTEL_")}
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, str(limit)],
        env=environment | variables,
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_spans_and_metrics_reach_the_collector(collector: Collector) -> None:
    done = run(OTEL_EXPORTER_OTLP_ENDPOINT=collector.url, OTEL_SERVICE_NAME="wallets-of-tests")

    assert done.returncode == 0, done.stderr
    traces = ExportTraceServiceRequest.FromString(collector.received["/v1/traces"][0])
    [spans] = traces.resource_spans
    attributes = {pair.key: pair.value.string_value for pair in spans.resource.attributes}
    assert attributes["service.name"] == "wallets-of-tests"
    assert spans.scope_spans[0].spans[0].name == "ProcessWalletProvisioningJob"
    assert spans.scope_spans[0].spans[0].trace_id.hex() in done.stderr
    metrics = ExportMetricsServiceRequest.FromString(collector.received["/v1/metrics"][-1])
    names = [metric.name for metric in metrics.resource_metrics[0].scope_metrics[0].metrics]
    assert "wallet_provisioning_intake_messages_total" in names


def test_only_the_signal_with_an_endpoint_is_sent(collector: Collector) -> None:
    done = run(OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=f"{collector.url}/v1/traces")

    assert done.returncode == 0, done.stderr
    assert set(collector.received) == {"/v1/traces"}


def test_without_an_endpoint_nothing_is_sent_and_ids_are_there() -> None:
    done = run()

    assert done.returncode == 0, done.stderr
    assert '"trace_id"' in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_collector_that_is_away_costs_no_more_than_the_timeout() -> None:
    begun = time.monotonic()
    done = run(1, OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:9")

    assert done.returncode == 0, done.stderr
    assert "hello" in done.stderr
    assert '"level": "error"' not in done.stderr
    assert time.monotonic() - begun < 20


def test_a_variable_that_cannot_be_used_is_named() -> None:
    done = run(OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:9", OTEL_BSP_MAX_QUEUE_SIZE="10")

    assert done.returncode == 1
    assert "OtelSettingsError: an OTEL_ variable can't be used" in done.stderr
