"""Turns events into log lines: JSON for machines, coloured text for a terminal."""

import json
import logging
import sys
from collections.abc import Callable
from datetime import timedelta
from typing import TextIO

import orjson
import structlog

from wallet_provisioning.clock import Clock
from wallet_provisioning.telemetry.entries import Entry, add_span, as_plain, entry_of
from wallet_provisioning.telemetry.events import Event
from wallet_provisioning.telemetry.levels import NAMES, VALUES, Level, level_of
from wallet_provisioning.telemetry.lines import LineWriter
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
        render = _renderer(readable=readable, colored=is_terminal)
        self._lines = LineWriter(stream, render, limit=options.backlog, on_drop=self._tell_dropped)

    def start(self) -> None:
        """Begin to write."""
        self._lines.start()

    def hear(self, event: Event) -> None:
        """Write the event's line, if it is loud enough."""
        level = level_of(event)
        if level >= self._lowest:
            self._lines.put(entry_of(event, at=self._clock.now(), level=NAMES[level]))

    def write(self, level: Level, name: str, **values: object) -> None:
        """Write a line that no event stands for, such as a library's."""
        if level >= self._lowest:
            entry: Entry = {
                "ts": self._clock.now(),
                "level": NAMES.get(level, "info"),
                "event": name,
                **values,
            }
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
        return {
            "ts": self._clock.now(),
            "level": NAMES[logging.WARNING],
            "event": "lines_dropped",
            "count": count,
            "text": text,
        }


def _is_terminal(stream: TextIO) -> bool:
    return not stream.closed and stream.isatty()


def _renderer(*, readable: bool, colored: bool) -> Callable[[Entry], str]:
    chain: list[structlog.typing.Processor] = [_tidy, _redact]
    if readable:
        chain += [_for_people, structlog.dev.ConsoleRenderer(colors=colored, sort_keys=False)]
    else:
        chain.append(structlog.processors.JSONRenderer(serializer=_to_json))

    def render(entry: Entry) -> str:
        value: object = entry
        for step in chain:
            value = step(None, "", value)  # type: ignore[arg-type]  # each step takes what the last returned
        return str(value)

    return render


def _to_json(entry: object, **_options: object) -> str:
    try:
        return orjson.dumps(entry).decode()
    except TypeError:
        return json.dumps(entry)  # half of a surrogate pair, which only an escape can show


def _tidy(_logger: object, _method: str, entry: structlog.typing.EventDict) -> structlog.typing.EventDict:
    return as_plain(dict(entry))


def _redact(_logger: object, _method: str, entry: structlog.typing.EventDict) -> structlog.typing.EventDict:
    return redact_entry(dict(entry))


def _for_people(
    _logger: object, _method: str, entry: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    """Give the console renderer the names that it colours, and a stack as a block of its own."""
    entry["timestamp"] = entry.pop("ts", "")
    if "stack" in entry:
        entry["exception"] = entry.pop("stack")
    return entry
