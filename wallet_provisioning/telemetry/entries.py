"""Log entries: an event as plain names and values, in the order in which they are read."""

import re
from collections.abc import Hashable, Iterator
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import NamedTuple, TypeAlias, cast

from opentelemetry import baggage, trace
from opentelemetry.context import Context, get_current

from wallet_provisioning.telemetry.events import Event
from wallet_provisioning.telemetry.levels import NAMES, Level, level_of

Entry: TypeAlias = dict[str, object]

# The names under which every line has the same thing, whatever the event calls it.
_COMMON = {"path": "actor"}
_FIRST = ("ts", "level", "event", "trace_id", "span_id", "job_id", "user_id", "chain", "actor")
_JSON_TYPES = frozenset({str, int, float, bool, list, dict})


class Told(NamedTuple):
    """An event as it was stated: when, and in which context (its span, on whose behalf)."""

    event: Event
    at: datetime
    context: Context


def told(event: Event, at: datetime) -> Told:
    """Return an event with all that its lines need, whenever and on whatever thread they are made."""
    return Told(event, at, get_current())


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


def entries_of(said: Told, lowest: Level) -> Iterator[Entry]:
    """Return an event, or each of a group, as entries with the ids of the span in which it was told.

    What is not loud enough is left out.
    """
    for event in said.event.each():
        level = level_of(event)
        if level >= lowest:
            yield _entry_of(event, said, NAMES[level])


def _entry_of(event: Event, said: Told, level: str) -> Entry:
    name, shown_fields = _shape(cast("Hashable", type(event)))
    entry: Entry = {"ts": said.at, "level": level, "event": name}
    for own, shown in shown_fields:
        value = getattr(event, own)
        if value is not None:
            entry[shown] = value
    if said.context:
        add_span(entry, said.context)
        _add_baggage(entry, said.context)
    return entry


def _add_baggage(entry: Entry, context: Context) -> None:
    """Add whom the work is for, where the event doesn't know: whoever began it said so in its context."""
    for name, value in baggage.get_all(context).items():
        if name in _FIRST and entry.get(name) is None:
            entry[name] = value


def add_span(entry: Entry, context: Context | None = None) -> None:
    """Add the current span's ids, unless the entry names another trace of its own."""
    span = trace.get_current_span(context).get_span_context()
    if not span.is_valid:
        return
    current = trace.format_trace_id(span.trace_id)
    if entry.get("trace_id") in {None, current}:
        entry["trace_id"] = current
        entry["span_id"] = trace.format_span_id(span.span_id)


def as_plain(entry: Entry) -> Entry:
    """Return the entry as a line shows it: ids first, absent values left out, JSON's types only.

    A duration becomes seconds and says so in its name.
    """
    plain: Entry = {}
    for name in _FIRST:
        value = entry.get(name)
        if value is not None:
            plain[name] = value if type(value) in _JSON_TYPES else _plain_value(value)
    for name, value in entry.items():
        if value is None or value == () or name in plain:
            continue
        if isinstance(value, timedelta):
            plain[f"{name}_seconds"] = round(value.total_seconds(), 6)
        else:
            plain[name] = value if type(value) in _JSON_TYPES else _plain_value(value)
    return plain


def _plain_value(value: object) -> object:
    match value:
        case datetime():
            return value.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
        case tuple():
            return [_plain_value(inner) for inner in value]
        case _:
            return str(value)
