"""Routes what libraries say through the standard library's logging into the same lines.

A library speaks from WARNING on. Two of them call an outage an error or worse, once a try; the outage
has its own event, so they are held at WARNING and an ERROR line stays something to look at.
"""

import logging
import traceback
from typing import Protocol

from wallet_provisioning.telemetry.levels import Level

_LOWEST: dict[str, Level] = {
    "aiohttp.access": logging.ERROR,
    "alembic": logging.WARNING,
    "asyncio": logging.WARNING,
    "dramatiq": logging.WARNING,
    "httpcore": logging.WARNING,
    "httpx": logging.WARNING,
    "opentelemetry": logging.WARNING,
    "pykka": logging.WARNING,
    "sqlalchemy": logging.WARNING,
    "urllib3": logging.ERROR,
}
_HELD_AT_WARNING = ("dramatiq", "opentelemetry")


class Lines(Protocol):
    """Where the lines go."""

    def write(self, level: Level, name: str, **values: object) -> None:
        """Write one line."""
        ...


class LibraryRoute(logging.Handler):
    """A handler at the root logger, from `install` to `remove`. It changes process-wide state."""

    def __init__(self, lines: Lines) -> None:
        """Assign."""
        super().__init__()
        self._lines = lines
        self._replaced: list[logging.Handler] = []
        self._levels: dict[str, Level] = {}

    def install(self) -> None:
        """Become the only handler of the root logger, and set the libraries' levels."""
        root = logging.getLogger()
        self._replaced, root.handlers = root.handlers, [self]
        self._levels = {name: logging.getLogger(name).level for name in ("", *_LOWEST)}
        root.setLevel(logging.WARNING)
        for name, level in _LOWEST.items():
            logging.getLogger(name).setLevel(level)
        logging.captureWarnings(capture=True)

    def remove(self) -> None:
        """Put back what was there before."""
        logging.captureWarnings(capture=False)
        logging.getLogger().handlers = self._replaced
        for name, level in self._levels.items():
            logging.getLogger(name).setLevel(level)

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record as a line, with its stack if it has one."""
        stack = "".join(traceback.format_exception(*record.exc_info)) if record.exc_info else None
        self._lines.write(
            _level(record),
            "library_line",
            logger=record.name,
            text=_text(record),
            stack=stack or record.exc_text,
        )


def _level(record: logging.LogRecord) -> Level:
    known = max(logging.DEBUG, min(logging.CRITICAL, record.levelno // 10 * 10))
    is_held = record.name.split(".")[0] in _HELD_AT_WARNING
    return min(known, logging.WARNING) if is_held else known


def _text(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except (TypeError, ValueError, KeyError):
        # The library's format and its arguments don't fit; its format alone still says something.
        return str(record.msg)
