"""Log entries: an event as plain names and values, in the order in which they are read."""

import re
from collections.abc import Hashable
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TypeAlias, cast

from opentelemetry import baggage, trace

from wallet_provisioning.telemetry.events import Event

Entry: TypeAlias = dict[str, object]

# The names under which every line has the same thing, whatever the event calls it.
_COMMON = {"path": "actor"}
_FIRST = ("ts", "level", "event", "trace_id", "span_id", "job_id", "user_id", "chain", "actor")
_JSON_TYPES = frozenset({str, int, float, bool, list, dict})


def event_name(kind: type[Event]) -> str:
    """Return the name of an event in a line: `JobMoved` is `job_moved`."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", kind.__name__).lower()


def field_names(kind: type[Event]) -> tuple[tuple[str, str], ...]:
    """Return an event's fields, each with its name in a line. A field called `level` isn't one."""
    own = [field.name for field in fields(kind) if field.name != "level"]
    return tuple((name, _COMMON.get(name, name)) for name in own)


@cache
def _shape(kind: Hashable) -> tuple[str, tuple[tuple[str, str], ...]]:
    """Return an event's name and fields, worked out once a kind."""
    known = cast("type[Event]", kind)
    return event_name(known), field_names(known)


def entry_of(event: Event, *, at: datetime, level: str) -> Entry:
    """Return an event as an entry, with the ids of the span that is current on this thread."""
    name, shown_fields = _shape(cast("Hashable", type(event)))
    entry: Entry = {"ts": at, "level": level, "event": name}
    for own, shown in shown_fields:
        value = getattr(event, own)
        if value is not None:
            entry[shown] = value
    add_span(entry)
    _add_baggage(entry)
    return entry


def _add_baggage(entry: Entry) -> None:
    """Add whom the work is for, where the event doesn't know: whoever began it said so in its context."""
    for name, value in baggage.get_all().items():
        if name in _FIRST and entry.get(name) is None:
            entry[name] = value


def add_span(entry: Entry) -> None:
    """Add the current span's ids, unless the entry names another trace of its own."""
    context = trace.get_current_span().get_span_context()
    if not context.is_valid:
        return
    current = trace.format_trace_id(context.trace_id)
    if entry.get("trace_id") in {None, current}:
        entry["trace_id"] = current
        entry["span_id"] = trace.format_span_id(context.span_id)


def as_plain(entry: Entry) -> Entry:
    """Return the entry as a line shows it: ids first, absent values left out, JSON's types only.

    A duration becomes seconds and says so in its name.
    """
    plain: Entry = {name: None for name in _FIRST if name in entry}
    for name, value in entry.items():
        if isinstance(value, timedelta):
            plain[f"{name}_seconds"] = round(value.total_seconds(), 6)
        elif value is not None and value != ():
            plain[name] = value if type(value) in _JSON_TYPES else _plain_value(value)
    return {name: value for name, value in plain.items() if value is not None}


def _plain_value(value: object) -> object:
    match value:
        case datetime():
            return value.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
        case tuple():
            return [_plain_value(inner) for inner in value]
        case _:
            return str(value)
