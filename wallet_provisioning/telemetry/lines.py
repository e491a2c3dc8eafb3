"""Writes lines behind the back of whoever states events.

Making the lines and the write to the stream happen on a thread of their own: an actor pays for putting
what it told in a queue, and never waits for a pipe whose reader stalls. The thread rests between batches, so
a busy program pays for at most fifty wake-ups a second. The queue is bounded; what comes while it is full is
dropped, and a line says how much. A process that is killed loses what waited, some milliseconds' worth.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import TextIO, TypeAlias

from wallet_provisioning.telemetry.entries import Entry, Told

Said: TypeAlias = Entry | Told

_REST = 0.02
_BATCH = 500


class LineWriter:
    """A thread that makes lines and writes them to a stream. Its methods are safe on any thread."""

    def __init__(
        self,
        stream: TextIO,
        render: Callable[[Said], Iterable[str]],
        *,
        limit: int,
        on_drop: Callable[[int], Entry],
    ) -> None:
        """Assign; `render` makes the lines and never raises, `on_drop` the entry that tells of lost ones."""
        self._stream = stream
        self._render = render
        self._limit = limit
        self._on_drop = on_drop
        self._waiting: deque[tuple[Said, int] | threading.Event] = deque()
        self._counting = threading.Lock()
        self._lines = 0
        self._dropped = 0
        self._work = threading.Event()
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="telemetry-lines", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def put(self, said: Said, lines: int = 1) -> None:
        """Queue what makes so many lines, or drop it where too many wait; after the end write it at once."""
        with self._counting:
            if self._lines >= self._limit:
                self._dropped += lines
                return
            self._lines += lines
        self._waiting.append((said, lines))
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
            self._write([each for each in batch if not isinstance(each, threading.Event)])
            for written in batch:
                if isinstance(written, threading.Event):
                    written.set()

    def _write(self, batch: list[tuple[Said, int]]) -> None:
        with self._counting:
            self._lines -= sum(lines for _, lines in batch)
            dropped, self._dropped = self._dropped, 0
        said = [each for each, _ in batch]
        if dropped:
            said.append(self._on_drop(dropped))
        text = "".join(f"{line}\n" for each in said for line in self._render(each))
        try:
            self._stream.write(text)
            self._stream.flush()
        except (OSError, ValueError):
            # Nobody reads any more (closed pipe, closed file), and there is nowhere left to say so.
            return
