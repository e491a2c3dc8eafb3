"""The threads that incarnations live on. Each is a pykka actor, and its messages are lives.

Starting a thread is the dearest part of a restart. So a thread does not end with its incarnation: it waits
as a *spare* for the next one that is to be started, of whatever child. What hangs is nobody's spare; it may
become one when it came back, and found that it had been given up.

What pykka 4.5 does with an exception depends on how the message came in; an error in `on_start` leaves a
reference that looks alive, and a `BaseException` stops every actor of the process. So what pykka calls here
is total, and nothing outside asks or tells a host.
"""

import threading
from collections.abc import Callable
from contextlib import suppress
from contextvars import Context
from queue import SimpleQueue
from typing import Any

import pykka

_PATIENCE = 5.0


class Host(pykka.ThreadingActor):
    """A thread that lives one life after the other, until there is no room for it to wait for another."""

    use_daemon_thread = True

    def __init__(self, spares: "Spares", live: Callable[[], None]) -> None:
        """Name the first life; it begins with the thread."""
        super().__init__()
        # pykka's own inbox is three conditions around a lock, and as large as all the rest of an idle actor.
        self.actor_inbox = self.actor_ref.actor_inbox = SimpleQueue[Any]()
        self._spares = spares
        self._next: Callable[[], None] | None = live
        self._thread: threading.Thread | None = None

    def host(self, live: Callable[[], None]) -> None:
        """Live a life on the thread, which waits. Raises `pykka.ActorDeadError` where it has left."""
        # Not told as a message: pykka's loop would keep that, and the life with it, until the next one came.
        self._next = live
        self.actor_ref.tell(None)

    def leave(self) -> None:
        """End the thread, which waits, and wait for that."""
        with suppress(pykka.ActorDeadError):
            self.stop()
        if self._thread is not None:
            self._thread.join(_PATIENCE)

    def on_start(self) -> None:
        """Live the first life."""
        self._thread = threading.current_thread()
        self._live()

    def on_receive(self, message: object) -> None:
        """Live the next life."""
        del message
        self._live()

    def _live(self) -> None:
        """Live a life, of which nothing stays here; then wait for another, or leave."""
        live, self._next = self._next, None
        if live is None:
            return
        has_ended = _is_lived(live)
        del live
        threading.current_thread().name = "spare"
        if not has_ended or not self._spares.offer(self):
            self.stop()


class Spares:
    """The threads that wait for a life. Every method is safe on any thread."""

    def __init__(self, most: int = 4) -> None:
        """Start with none; more than so many never wait: each takes as much memory as an idle actor."""
        self._most = most
        self._lock = threading.Lock()
        self._waiting: list[Host] = []
        self._is_closed = False

    def host(self, live: Callable[[], None]) -> None:
        """Live a life on a thread that waits, or on a new one where none does."""
        while (host := self._take()) is not None:
            try:
                host.host(live)
            except pykka.ActorDeadError:
                continue
            return
        Host.start(self, live)

    def offer(self, host: Host) -> bool:
        """Take in a thread that waits from now on; False where there is no room."""
        with self._lock:
            has_room = not self._is_closed and len(self._waiting) < self._most
            if has_room:
                self._waiting.append(host)
        return has_room

    def close(self) -> None:
        """Have all that wait leave, and wait for that; who would wait from now on leaves too."""
        with self._lock:
            self._is_closed = True
            leaving, self._waiting = self._waiting, []
        for host in leaving:
            host.leave()

    def _take(self) -> Host | None:
        with self._lock:
            return self._waiting.pop() if self._waiting else None


def _is_lived(live: Callable[[], None]) -> bool:
    """Live a life to its end; False where it broke: who knows what it left on its thread."""
    try:
        Context().run(live)
    except BaseException as error:  # noqa: BLE001 - pykka would stop every actor of the process
        what = (type(error), error, error.__traceback__, threading.current_thread())
        threading.excepthook(threading.ExceptHookArgs(what))
        return False
    return True
