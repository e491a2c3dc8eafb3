"""Turns events into log lines: JSON for machines, coloured text for a terminal."""

import json
import logging
import sys
import traceback
from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import TextIO

import orjson
import structlog

from wallet_provisioning.clock import Clock
from wallet_provisioning.telemetry.entries import Entry, Told, add_span, as_plain, entries_of, told
from wallet_provisioning.telemetry.events import Event
from wallet_provisioning.telemetry.levels import NAMES, VALUES, Level, level_of
from wallet_provisioning.telemetry.lines import LineWriter, Said
from wallet_provisioning.telemetry.options import LogOptions
from wallet_provisioning.telemetry.redaction import redact_entry


class UnknownLevelError(ValueError):
    """The log level isn't one; use debug, info, warning, error or critical."""


class Logs:
    """The subscriber that writes lines. Safe on any thread; never raises, never waits."""

    def __init__(self, options: LogOptions, clock: Clock) -> None:
        """Choose stream and form; raises `UnknownLevelError`."""
        if options.level.lower() not in VALUES:
            msg = f"{options.level!r} is no log level; use {', '.join(VALUES)}"
            raise UnknownLevelError(msg)
        self._lowest = VALUES[options.level.lower()]
        self._clock = clock
        stream = options.stream or sys.stderr
        is_terminal = _is_terminal(stream)
        readable = is_terminal if options.readable is None else options.readable
        self._render = _renderer(readable=readable, colored=is_terminal)
        self._lines = LineWriter(stream, self._lines_of, limit=options.backlog, on_drop=self._tell_dropped)

    def start(self) -> None:
        """Begin to write."""
        self._lines.start()

    def hear(self, event: Event) -> None:
        """Write the event's line, of a group each one's, if it is loud enough."""
        if level_of(event) >= self._lowest:
            self._lines.put(told(event, self._clock.now()), event.size())

    def write(self, level: Level, name: str, **values: object) -> None:
        """Write a line that no event stands for, such as a library's."""
        if level >= self._lowest:
            entry = self._entry(level, name, **values)
            add_span(entry)
            self._lines.put(entry)

    def flush(self, timeout: timedelta) -> bool:
        """Wait until the lines so far are written; False if that took too long."""
        return self._lines.flush(timeout)

    def close(self, timeout: timedelta) -> None:
        """Write what waits and end; later lines are still written, on the caller's thread."""
        self._lines.close(timeout)

    def _tell_dropped(self, count: int) -> Entry:
        text = f"{count} lines were dropped: whoever reads them is too slow"
        return self._entry(logging.WARNING, "lines_dropped", count=count, text=text)

    def _entry(self, level: Level, name: str, **values: object) -> Entry:
        return {"ts": self._clock.now(), "level": NAMES.get(level, "info"), "event": name, **values}

    # On the lines' own thread.

    def _lines_of(self, said: Said) -> Iterable[str]:
        """Return the lines of what was said; a fault in one of them is a line too."""
        try:
            entries = entries_of(said, self._lowest) if isinstance(said, Told) else [said]
            return [self._render(entry) for entry in entries]
        except Exception:  # noqa: BLE001  # whatever an event holds, the thread goes on
            stack = traceback.format_exc()
            kind = type(said.event).__name__ if isinstance(said, Told) else "a line"
            text = f"{kind} could not be written"
            return [self._render(self._entry(logging.ERROR, "telemetry_failed", text=text, stack=stack))]


def _is_terminal(stream: TextIO) -> bool:
    return not stream.closed and stream.isatty()


def _renderer(*, readable: bool, colored: bool) -> Callable[[Entry], str]:
    if not readable:
        return lambda entry: _to_json(_tidy(entry))
    for_people = structlog.dev.ConsoleRenderer(colors=colored, sort_keys=False)
    return lambda entry: str(for_people(None, "", _for_people(_tidy(entry))))


def _tidy(entry: Entry) -> Entry:
    """Return what may be shown of an entry."""
    return redact_entry(as_plain(entry))


def _to_json(entry: Entry) -> str:
    try:
        return orjson.dumps(entry).decode()
    except TypeError:
        return json.dumps(entry)  # half of a surrogate pair, which only an escape can show


def _for_people(entry: Entry) -> Entry:
    """Give the console renderer the names that it colours, and a stack as a block of its own."""
    entry["timestamp"] = entry.pop("ts", "")
    if "stack" in entry:
        entry["exception"] = entry.pop("stack")
    return entry
