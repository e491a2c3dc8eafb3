"""How a message stands in a report: without its values, unless its type says what may be seen.

A message type may have a method `shown() -> str`. Every other is shown by its name and those of its
fields, since nobody here can know which values are secret.
"""

from contextvars import Context, ContextVar
from dataclasses import fields, is_dataclass

from opentelemetry import trace

_LONGEST = 500

ACTING: ContextVar[str | None] = ContextVar("acting", default=None)
"""The path of the actor whose message is being handled; it travels with what that actor tells."""


def show(message: object) -> str:
    """Return a message as a report may show it, in at most 500 characters. Never raises."""
    own = getattr(type(message), "shown", None)
    if own is not None:
        try:
            return str(own(message))[:_LONGEST]
        except Exception:  # noqa: BLE001 - a report must not fail over what it reports
            return f"{type(message).__name__} (it can't be shown)"
    names = ", ".join(field.name for field in fields(message)) if is_dataclass(message) else ""
    return f"{type(message).__name__}({names})"[:_LONGEST] if names else type(message).__name__


def describe(error: BaseException) -> str:
    """Return an error in one line, whatever its own text does."""
    try:
        return f"{type(error).__name__}: {error}"
    except Exception:  # noqa: BLE001 - a broken __str__ must not hide the crash that it belongs to
        return f"{type(error).__name__} (its text can't be read)"


def trace_id_of(context: Context) -> str | None:
    """Return the trace that a message was sent in. The context may be in use by another thread."""
    span = context.copy().run(trace.get_current_span).get_span_context()
    return f"{span.trace_id:032x}" if span.is_valid else None


def sender_of(context: Context) -> str | None:
    """Return the path of the actor that told a message; None where it was no actor."""
    return context.get(ACTING)
