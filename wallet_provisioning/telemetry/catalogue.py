"""Writes `docs/events.md` from the events: `python -m wallet_provisioning.telemetry.catalogue`."""

import inspect
import sys
from dataclasses import fields

from wallet_provisioning.telemetry import events
from wallet_provisioning.telemetry.entries import event_name, field_names
from wallet_provisioning.telemetry.events import Event, Group

_HEAD = """# The events

Generated from `wallet_provisioning/telemetry/events.py` by `make docs`; a test compares.

A line of the log is one of these: `event` is its name, the fields follow. Every line has `ts`, `level`,
and where they are known `trace_id`, `span_id`, `job_id`, `user_id`, `chain` and `actor`. A field without
a value is left out. A duration is written in seconds and says so in its name.

| `event` | says | fields |
|---|---|---|
"""


def render() -> str:
    """Return the page: one row for each event, in the order of their file."""
    return _HEAD + "".join(_row(kind) for kind in kinds())


def kinds() -> list[type[Event]]:
    """Return every event that has a line, in the order of their file; a group has those of what it holds."""
    found = [kind for kind in vars(events).values() if isinstance(kind, type) and issubclass(kind, Event)]
    return [kind for kind in found if kind is not Event and not issubclass(kind, Group)]


def _row(kind: type[Event]) -> str:
    says = " ".join((inspect.getdoc(kind) or "").split())
    durations = {field.name for field in fields(kind) if "timedelta" in str(field.type)}
    names = [f"`{shown}{'_seconds' if own in durations else ''}`" for own, shown in field_names(kind)]
    return f"| `{event_name(kind)}` | {says} | {', '.join(names)} |\n"


if __name__ == "__main__":
    sys.stdout.write(render())
