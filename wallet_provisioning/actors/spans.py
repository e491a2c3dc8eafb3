"""The spans that actors open: named as the contract says, handed along in messages."""

from datetime import timedelta

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Span, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from wallet_provisioning.jobs.moves import ClaimedJob

_tracer = trace.get_tracer("wallet-provisioning-worker")
_propagator = TraceContextTextMapPropagator()


def start_job(job: ClaimedJob) -> Span:
    """Open the span of one attempt, in the trace that the job was accepted in."""
    carrier = {} if job.traceparent is None else {"traceparent": job.traceparent}
    attributes: dict[str, str | int] = {
        "job.id": str(job.id),
        "user.id": str(job.user_id),
        "attempt.count": job.attempt,
    }
    return _tracer.start_span(
        "ProcessWalletProvisioningJob", _propagator.extract(carrier, Context()), attributes=attributes
    )


def end_job(span: Span, *, status: str, duration: timedelta, error_type: str | None) -> None:
    """Close the span of an attempt; `status` is success, failed or retry."""
    if not span.is_recording():
        return
    span.set_attribute("job.status", status)
    span.set_attribute("job.duration_seconds", duration.total_seconds())
    if error_type is not None:
        span.set_attribute("error.type", error_type)
        span.set_status(Status(StatusCode.ERROR))
    span.end()


def start_chain(job: ClaimedJob, chain: str, parent: Span) -> Span:
    """Open the span of the work on one chain of a job; of one that nobody records it is the job's own."""
    if not parent.is_recording():
        return parent
    attributes = {"job.id": str(job.id), "user.id": str(job.user_id), "chain": chain}
    context = trace.set_span_in_context(parent, Context())
    return _tracer.start_span("CreateWalletForChain", context, attributes=attributes)


def end_chain(span: Span, error_type: str | None) -> None:
    """Close the span of the work on one chain."""
    if not span.is_recording():
        return
    if error_type is not None:
        span.set_attribute("error.type", error_type)
        span.set_status(Status(StatusCode.ERROR))
    span.end()


def mark(name: str) -> None:
    """Leave a span without length: something started or stopped."""
    _tracer.start_span(name, Context()).end()


def mark_breaker(chain: str, before: str, after: str, reason: str) -> str | None:
    """Leave a span without length where a breaker changed, in the trace that made it; return its trace."""
    attributes = {"chain": chain, "breaker.before": before, "breaker.after": after, "breaker.reason": reason}
    span = _tracer.start_span("BreakerChanged", attributes=attributes)
    span.end()
    context = span.get_span_context()
    return trace.format_trace_id(context.trace_id) if context.is_valid else None
