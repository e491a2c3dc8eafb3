"""The tracer provider. It is always there, so that every job has a trace id even if nothing is sent."""

from collections.abc import Sequence

from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF


def open_traces(
    resource: Resource, processors: Sequence[SpanProcessor], *, is_global: bool
) -> TracerProvider:
    """Return a provider; `is_global` makes it the one that `trace.get_tracer` uses everywhere.

    Its sampler and limits are those of the `OTEL_` variables; where nothing is sent nothing is recorded,
    and a span is only its ids. The process may have one global provider; the first stays.
    """
    sampler = None if processors else ALWAYS_OFF
    provider = TracerProvider(resource=resource, sampler=sampler, shutdown_on_exit=False)
    for processor in processors:
        provider.add_span_processor(processor)
    if is_global:
        trace.set_tracer_provider(provider)
    return provider


def new_traceparent() -> str:
    """Return the W3C context of a trace that begins here, for a command that keeps no spans of its own."""
    ids = RandomIdGenerator()
    return f"00-{ids.generate_trace_id():032x}-{ids.generate_span_id():016x}-01"
