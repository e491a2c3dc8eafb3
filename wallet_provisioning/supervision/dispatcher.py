"""A dispatcher: one thread that serves many actors in turn, and others beside it while it stands still.

A thread costs memory, and each wake-up of one costs more than most messages take. Actors whose messages
end soon can share one. Each keeps all that an actor has (its mailbox, its deadline, its restarts), for
what stands in a thread's way is only waiting: an actor with nothing to read holds no thread here.

Theory of operation. An actor's end of its mailbox, the port, opens a gate when there is something to read.
Here the gate puts the actor in a line, and the threads of the dispatcher take the first in line, let it
handle what waits, and go on. It is parked before it leaves the thread, so it stands in the line once, and
no two threads ever serve it.

Standing still. Whoever waits for a database, hangs, or never comes to an end holds its thread. So while
somebody stands in the line somebody looks, every 20 ms, whether it has moved; if not, there are twice as
many threads from then on, up to one for each that waits. Those that find the line empty leave again. An
actor that hangs is cut off by its supervisor as on a thread of its own; its thread goes on with the line
should it come back.
"""

import threading
from collections.abc import Callable
from contextvars import Context
from datetime import timedelta
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

from wallet_provisioning.supervision.hosts import Spares

if TYPE_CHECKING:
    from wallet_provisioning.supervision.actor import Actor

LOOK_EVERY = timedelta(milliseconds=20)

After = Callable[[timedelta, Callable[[], None]], None]


class Dispatcher:
    """The threads of one group of actors. `admit` and `close` are safe on any thread."""

    def __init__(self, name: str, spares: Spares, after: After) -> None:
        """Start without a thread; `after` calls a function after a delay, on a thread that never waits."""
        self._name = name
        self._spares = spares
        self._after = after
        self._line: SimpleQueue[_Turn | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._threads = 0
        self._busy = 0
        self._served = 0
        self._is_watched = False
        self._is_closed = False

    def admit(self, actor: "Actor[Any]") -> None:
        """Let an actor live its life here. Raises what the start of the first thread raises."""
        if self._threads == 0:
            self._hire(1)
        turn = _Turn(self, actor)
        actor.life.port.is_shared = True
        actor.life.port.wake = turn.line_up
        turn.line_up()

    def line_up(self, turn: "_Turn") -> None:
        """Have an actor served that has something to read."""
        self._line.put(turn)
        # A thread that begins to serve counts itself, then looks at the line: one of us sees the other.
        if self._busy >= self._threads:
            self._watch()

    def close(self) -> None:
        """Let the threads go: those that wait at once, others after what they do."""
        with self._lock:
            self._is_closed = True
            threads = self._threads
        for _ in range(threads):
            self._line.put(None)

    # On the threads.

    def _work(self) -> None:
        is_whole = False
        try:
            thread = threading.current_thread()
            thread.name = idle = f"{self._name}/shared"
            while (turn := self._line.get()) is not None:
                thread.name = turn.path
                self._serve(turn)
                thread.name = idle
                if self._may_leave():
                    break
            is_whole = True
        finally:
            if not is_whole:
                self._replace()

    def _serve(self, turn: "_Turn") -> None:
        with self._lock:
            self._busy += 1
            self._served += 1
        if not self._line.empty():
            self._watch()
        try:
            turn.take()
        finally:
            with self._lock:
                self._busy -= 1

    def _may_leave(self) -> bool:
        """Leave, and say so, where there are others and nothing to do."""
        with self._lock:
            if self._threads == 1 or not self._line.empty():
                return False
            self._threads -= 1
        # Who lines up after this counts one thread fewer; who did so before it is seen here.
        if self._line.empty():
            return True
        with self._lock:
            self._threads += 1
        return False

    def _replace(self) -> None:
        """Leave by an error, which is told by the thread's host; another one goes on."""
        with self._lock:
            self._threads -= 1
        if not self._is_closed:
            self._hire(1)

    # Where the line stands still.

    def _watch(self) -> None:
        with self._lock:
            if self._is_watched or self._is_closed:
                return
            self._is_watched = True
            served = self._served
        self._after(LOOK_EVERY, lambda: self._look(served))

    def _look(self, served: int) -> None:
        """Hire as many again, where nobody was served since the last look though somebody waits."""
        with self._lock:
            self._is_watched = False
            waiting, has_moved = self._line.qsize(), self._served != served
            threads = max(self._threads, 1)
        if not waiting or self._is_closed:
            return
        self._watch()
        if not has_moved:
            self._hire(min(threads, waiting))

    def _hire(self, count: int) -> None:
        for _ in range(count):
            with self._lock:
                self._threads += 1
            try:
                self._spares.host(self._work)
            except BaseException:
                with self._lock:
                    self._threads -= 1
                raise


class _Turn:
    """An actor's place in the line."""

    def __init__(self, dispatcher: Dispatcher, actor: "Actor[Any]") -> None:
        self._dispatcher = dispatcher
        self._actor = actor
        self.path = actor.life.path
        self._has_begun = False

    def line_up(self) -> None:
        self._dispatcher.line_up(self)

    def take(self) -> None:
        """Let the actor begin, then handle what waits until it is parked, or has ended."""
        actor = self._actor
        port, mailbox = actor.life.port, actor.life.mailbox
        port.thread = threading.current_thread()
        try:
            if not self._has_begun:
                self._has_begun = True
                Context().run(actor.begin)
            while (letter := mailbox.take_now(port)) is not None:
                actor.act_on(letter)
        except BaseException:
            actor.leave()
            raise
        if not mailbox.is_held_by(port):
            actor.leave()
