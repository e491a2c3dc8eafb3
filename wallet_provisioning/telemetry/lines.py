"""Writes lines behind the back of whoever states events.

Rendering and the write to the stream happen on a thread of their own: an actor pays for putting an
entry in a queue, and never waits for a pipe whose reader stalls. The thread rests between batches, so
a busy program pays for at most fifty wake-ups a second. The queue is bounded; what doesn't fit is
dropped, and a line says how much. A process that is killed loses what waited, some milliseconds' worth.
"""

import threading
from collections import deque
from collections.abc import Callable
from datetime import timedelta
from typing import TextIO

from wallet_provisioning.telemetry.entries import Entry

_REST = 0.02
_BATCH = 500


class LineWriter:
    """A thread that renders entries and writes them to a stream. Its methods are safe on any thread."""

    def __init__(
        self, stream: TextIO, render: Callable[[Entry], str], *, limit: int, on_drop: Callable[[int], Entry]
    ) -> None:
        """Assign; `on_drop` makes the entry that tells how many were dropped."""
        self._stream = stream
        self._render = render
        self._limit = limit
        self._on_drop = on_drop
        self._waiting: deque[Entry | threading.Event] = deque()
        self._dropped = 0
        self._work = threading.Event()
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="telemetry-lines", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def put(self, entry: Entry) -> None:
        """Queue an entry, or drop it where too many wait. After the end it is written at once."""
        if len(self._waiting) >= self._limit:
            self._dropped += 1
            return
        self._waiting.append(entry)
        if self._ending.is_set() and not self._thread.is_alive():
            self._drain()
        elif not self._work.is_set():
            self._work.set()

    def flush(self, timeout: timedelta) -> bool:
        """Wait until all that was put before is written; False if that took too long."""
        written = threading.Event()
        self._waiting.append(written)
        self._work.set()
        return written.wait(timeout.total_seconds())

    def close(self, timeout: timedelta) -> None:
        """Write what waits and end the thread; gives up after the timeout."""
        self._ending.set()
        self._work.set()
        self._thread.join(timeout.total_seconds())

    def _run(self) -> None:
        while not self._ending.is_set():
            self._work.wait()
            self._work.clear()
            self._drain()
            self._ending.wait(_REST)
        self._drain()

    def _drain(self) -> None:
        while self._waiting:
            batch = [self._waiting.popleft() for _ in range(min(len(self._waiting), _BATCH))]
            self._write([entry for entry in batch if not isinstance(entry, threading.Event)])
            for written in batch:
                if isinstance(written, threading.Event):
                    written.set()

    def _write(self, batch: list[Entry]) -> None:
        dropped, self._dropped = self._dropped, 0
        if dropped:
            batch.append(self._on_drop(dropped))
        text = "".join(f"{self._render(entry)}\n" for entry in batch)
        try:
            self._stream.write(text)
            self._stream.flush()
        except (OSError, ValueError):
            # Nobody reads any more (closed pipe, closed file), and there is nowhere left to say so.
            return
