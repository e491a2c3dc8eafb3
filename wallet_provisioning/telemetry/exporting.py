"""Whether traces and metrics leave the process, and how: OTLP over HTTP, as the environment says.

Nothing is sent unless an endpoint is named or `otlp` is asked for: the SDK's default would try a
collector on this machine for ever.
"""

import os
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import TypeVar

from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.metrics.export import MetricReader, PeriodicExportingMetricReader
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import SpanProcessor
from opentelemetry.sdk.trace.export import BatchSpanProcessor

_UNNAMED = "unknown_service"
_SPOKEN = "http/protobuf"

T = TypeVar("T")


class OtelSettingsError(ValueError):
    """An `OTEL_` variable has a value that the OpenTelemetry SDK can't use; the message says why."""


class Signal(StrEnum):
    """What can be exported, in the word of its variables."""

    TRACES = "TRACES"
    METRICS = "METRICS"


def resource(default_name: str) -> Resource:
    """Return what this process is called; the `OTEL_` variables come first."""
    found = Resource.create()
    if str(found.attributes[SERVICE_NAME]).startswith(_UNNAMED):
        return found.merge(Resource({SERVICE_NAME: default_name}))
    return found


def is_exported(signal: Signal, environment: Mapping[str, str] = os.environ) -> bool:
    """Return whether the environment asks for a signal to be sent."""
    chosen = environment.get(f"OTEL_{signal}_EXPORTER", "").strip().lower()
    if chosen:
        return chosen == "otlp"
    names = ("OTEL_EXPORTER_OTLP_ENDPOINT", f"OTEL_EXPORTER_OTLP_{signal}_ENDPOINT")
    return any(environment.get(name, "").strip() for name in names)


def complaint(environment: Mapping[str, str] = os.environ) -> str | None:
    """Return a line on a protocol that is asked for but not spoken here; None where all is well."""
    for name in (
        "OTEL_EXPORTER_OTLP_PROTOCOL",
        *(f"OTEL_EXPORTER_OTLP_{signal}_PROTOCOL" for signal in Signal),
    ):
        asked = environment.get(name, _SPOKEN).strip()
        if asked and asked != _SPOKEN:
            return f"{name} is {asked}, which isn't spoken here; {_SPOKEN} is sent instead"
    return None


def span_processors() -> list[SpanProcessor]:
    """Return what sends spans: one, or none. Raises `OtelSettingsError`."""
    if not is_exported(Signal.TRACES):
        return []
    return [_build(lambda: BatchSpanProcessor(OTLPSpanExporter()))]


def metric_readers() -> list[MetricReader]:
    """Return what sends metrics: one, or none. Raises `OtelSettingsError`."""
    if not is_exported(Signal.METRICS):
        return []
    return [_build(lambda: PeriodicExportingMetricReader(OTLPMetricExporter()))]


def _build(make: Callable[[], T]) -> T:
    try:
        return make()
    except ValueError as error:
        msg = f"an OTEL_ variable can't be used: {error}"
        raise OtelSettingsError(msg) from error
