"""The mailbox of a child: it outlives each incarnation, and serves only the one that holds it.

Why not pykka's own inbox. There the queue belongs to the actor, so it dies with it: what waited is
drained and lost, and what is told meanwhile is refused or silently kept by nobody. Here the mailbox
belongs to the child, and each incarnation gets a *port*, its end of it. A crash loses the message in
hand and no other; the successor goes on with the next one.

The fence. A hung thread can't be killed, but it can be cut off. `take` serves only the port that
holds the mailbox; `revoke_overdue` judges and revokes under the same lock, so an actor either takes
its next message in time or never takes one again. There is no moment at which two incarnations are
served, and none at which a message is taken by a thread that has been given up.

Lanes. Control comes before news of children, and news before work: a stop or a crash report never
waits behind a backlog. Within a lane the order is that of the puts.

What concerns one incarnation alone dies with it: a stop that its addressee did not live to read must
not stop the successor, and a timer that it set must not ring for another. `open_port` throws such
letters out, so nothing is asked on the way of every message.

Waking. A message costs microseconds, waking a parked thread thirty. The consumer parks on a raw lock
that the putter releases; a `threading.Condition` does the same through a second lock and costs a
sixth of the throughput, and `queue.SimpleQueue` can neither be fenced nor have lanes. A *quiet* put
leaves the consumer asleep: it reads the message with the next one that wakes it.

Ends. Whatever way an incarnation ends, its port stops holding the mailbox, here and under the lock. So
this is where watchers are kept: each is told once, and none can come too late or be forgotten over a
supervisor that died. What is told is told when the lock is free again.
"""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextvars import Context
from datetime import timedelta

from wallet_provisioning.clock import Clock
from wallet_provisioning.supervision.bounds import Bound, make_room
from wallet_provisioning.supervision.letters import Lane, Letter, OwnLetter, Passing, Port
from wallet_provisioning.supervision.snapshot import EndReason
from wallet_provisioning.supervision.tracing import MessageTrace, TracedMessage
from wallet_provisioning.supervision.watching import Change, Down, Watcher, Watches

__all__ = ["Lane", "Letter", "Mailbox", "OwnLetter", "Port"]

_WORK = Lane.WORK


class Mailbox:
    """One consumer at a time, any number of putters. Every method is safe on any thread.

    `dead_letters` counts what was told to it and lost; the log of dead letters writes it.
    """

    def __init__(self, clock: Clock, path: str = "") -> None:
        """Make an empty mailbox that nobody holds yet."""
        self.path = path
        self.dead_letters = 0
        self._seconds = clock.seconds
        self._lock = threading.Lock()
        self._control: deque[Letter] = deque()
        self._news: deque[Letter] = deque()
        self._work: deque[Letter] = deque()
        self._lanes = (self._control, self._news, self._work)
        self._served = self._work  # an empty lane stands here while work waits for an operator
        self._holder: Port | None = None
        self._parked: Callable[[], None] | None = None
        self._is_closed = False
        self._incarnation = 0
        self._bound: Bound | None = None
        self._overflown: Callable[[Letter], None] = _let_go
        self._trace: MessageTrace | None = None
        self._watches = Watches()

    def limit(self, bound: Bound | None, overflown: Callable[[Letter], None] | None = None) -> None:
        """Let no more work wait than that, None for any; `overflown` is given what makes room for newer."""
        with self._lock:
            self._bound, self._overflown = bound, overflown or _let_go

    # Putting.

    def put(self, lane: Lane, message: object, context: Context, *, quiet: bool = False) -> bool:
        """Add a message; return False where it is not kept: the mailbox is closed, or full and drops it.

        Raises `MailboxFullError` where it is full and refuses.
        """
        letter = Letter(message, context, self._seconds())
        dropped = None
        with self._lock:
            if self._is_closed:
                return False
            if self._bound is not None and lane is _WORK:
                dropped = make_room(self._bound, self._work, letter, self.path)
                if dropped is letter:
                    return False
            self._lanes[lane].append(letter)
            wake = self._parked
            if wake is not None and (not quiet or (self._holder is not None and self._holder.is_loud)):
                self._parked = None
            else:
                wake = None
        if wake is not None:
            wake()
        if dropped is not None:
            self._overflown(dropped)
        return True

    def put_own(self, port: Port, message: object, context: Context, lane: Lane = Lane.WORK) -> None:
        """Add a message of an incarnation to itself; dropped once that holds the mailbox no longer."""
        letter = OwnLetter(message, context, self._seconds())
        with self._lock:
            if self._holder is not port:
                return
            self._lanes[lane].append(letter)
            wake = self._wake()
        if wake is not None:
            wake()

    # Taking.

    def open_port(self) -> Port:
        """Give the mailbox to a new incarnation; the former holder is served no more.

        A mailbox that was closed takes messages again. What was meant for a former holder alone is
        thrown away.
        """
        gate = threading.Lock()
        gate.acquire()
        with self._lock:
            self._incarnation += 1
            port = Port(gate, gate.release, busy_since=self._seconds(), incarnation=self._incarnation)
            self._is_closed = False
            self._control.clear()
            self._forget_own()
            change = self._hand_to(port)
        change.tell()
        return port

    def take(self, port: Port) -> Letter | None:
        """Return the next message, waiting for one; None once the port holds the mailbox no longer."""
        while (letter := self.take_now(port)) is None and self._holder is port:
            port.gate.acquire()
        return letter

    def take_now(self, port: Port) -> Letter | None:
        """Return the next message; None where none waits, or where the port is served no more.

        One that is served is parked at its gate then. Whatever concerns a parked port opens the gate once. It
        is taken (`acquire`) before the next look.
        """
        with self._lock:
            if self._holder is not port:
                return None
            if self._trace is not None:
                self._trace.note_handled(self._seconds())
            lane = self._control or self._news or self._served
            if lane:
                letter = lane.popleft()
                port.in_hand = [letter]
                port.busy_since = self._seconds()
                if self._trace is not None:
                    self._note(self._trace, port, lane, [letter])
                return letter
            port.in_hand = []
            port.busy_since = None
            self._parked = port.wake
            return None

    def take_waiting(self, port: Port) -> list[Letter]:
        """Return all work that waits, without waiting, to be handled with what is in hand."""
        with self._lock:
            if self._holder is not port or self._served is not self._work:
                return []
            waiting = list(self._work)
            self._work.clear()
            port.in_hand.extend(waiting)
            if self._trace is not None:
                self._note(self._trace, port, self._work, waiting)
            return waiting

    # Ends.

    def revoke(self, port: Port) -> bool:
        """Cut a port off; return whether it still held the mailbox."""
        with self._lock:
            if self._holder is not port:
                return False
            change = self._hand_to(None)
        change.tell()
        return True

    def revoke_overdue(self, port: Port, deadline: timedelta) -> bool:
        """Cut a port off whose actor has had a message in hand for longer than the deadline."""
        with self._lock:
            if self._holder is not port or port.busy_since is None:
                return False
            if self._seconds() - port.busy_since <= deadline.total_seconds():
                return False
            limit = deadline.total_seconds()
            port.passing = Passing(EndReason.HANG, f"its message was not done within {limit:g} s")
            change = self._hand_to(None)
        change.tell()
        return True

    def close(self) -> list[Letter]:
        """Take no more messages, cut the holder off, and return what nobody will read.

        What was meant for the holder alone is not among it.
        """
        with self._lock:
            self._is_closed = True
            self._forget_own()
            left = [*self._news, *self._work]
            for lane in self._lanes:
                lane.clear()
            change = self._hand_to(None)
            rest = Change(None, self._watches.release(), self._long_gone())
        change.tell()
        rest.tell()
        return left

    def watch(self, watcher: Watcher) -> Callable[[], None]:
        """Tell the end of the present incarnation, or of the next one where none is there just now.

        It is told once; at once where the mailbox is closed. The returned function takes the watch back.
        """
        with self._lock:
            gone = self._long_gone() if self._is_closed else None
            unwatch = self._watches.add(watcher)
        if gone is not None:
            unwatch()
            watcher(gone)
        return unwatch

    # What an operator does and sees.

    def suspend(self, port: Port) -> bool:
        """Serve an incarnation no more work until it is resumed; False where it holds the mailbox no more.

        A message in hand is handled to its end. Control and news are served as always.
        """
        with self._lock:
            if self._holder is not port:
                return False
            self._served = deque()
            return True

    def resume(self, port: Port) -> bool:
        """Serve an incarnation all that waits again; False where it holds the mailbox no more."""
        with self._lock:
            if self._holder is not port:
                return False
            self._served = self._work
            wake = self._wake()
        if wake is not None:
            wake()
        return True

    def trace(self, *, on: bool) -> None:
        """Begin to note messages, or forget what was noted. Beginning again keeps what was noted."""
        with self._lock:
            self._trace = (self._trace or MessageTrace()) if on else None

    def traced(self) -> tuple[TracedMessage, ...] | None:
        """Return the messages that were noted, oldest first; None where none are being noted."""
        with self._lock:
            return None if self._trace is None else self._trace.seen()

    def is_suspended(self) -> bool:
        """Return whether work waits for an operator."""
        return self._served is not self._work

    def is_closed(self) -> bool:
        """Return whether the child was stopped for good."""
        return self._is_closed

    def is_held_by(self, port: Port) -> bool:
        """Return whether that port is the one being served."""
        return self._holder is port

    def depth(self) -> int:
        """Return how many messages wait."""
        return sum(len(lane) for lane in self._lanes)

    def oldest_age(self) -> timedelta | None:
        """Return how long the oldest waiting message has waited, None when none waits."""
        with self._lock:
            firsts = [lane[0].put_at for lane in self._lanes if lane]
        return timedelta(seconds=max(self._seconds() - min(firsts), 0)) if firsts else None

    # Under the lock.

    def _wake(self) -> Callable[[], None] | None:
        """Return what wakes the holder, where it is parked; whoever gets it must call it."""
        wake, self._parked = self._parked, None
        return wake

    def _hand_to(self, port: Port | None) -> Change:
        """Change the holder, whose suspension ends with it; return who must be told."""
        former, self._holder = self._holder, port
        self._served = self._work
        if self._trace is not None:
            self._trace.note_end()
        if former is None:
            return Change(self._wake())
        how = former.how_it_ended()
        down = Down(path=self.path, incarnation=former.incarnation, reason=how.reason, error=how.error)
        return Change(self._wake(), self._watches.release(), down)

    def _long_gone(self) -> Down:
        return Down(path=self.path, incarnation=self._incarnation, reason=None, error=None)

    def _note(
        self, trace: MessageTrace, port: Port, served: deque[Letter], letters: Sequence[Letter]
    ) -> None:
        lane = next(Lane(number) for number, lane in enumerate(self._lanes) if lane is served)
        trace.note_taken(lane, letters, port.incarnation, self._seconds())

    def _forget_own(self) -> None:
        for lane in (self._news, self._work):
            if any(isinstance(letter, OwnLetter) for letter in lane):
                kept = [letter for letter in lane if not isinstance(letter, OwnLetter)]
                lane.clear()
                lane.extend(kept)


def _let_go(_letter: Letter) -> None:
    """Lose a letter unheard, where nobody asked to hear of it."""
