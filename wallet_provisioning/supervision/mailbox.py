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
"""

import threading
from collections import deque
from contextvars import Context
from dataclasses import dataclass, field
from datetime import timedelta
from enum import IntEnum

from wallet_provisioning.clock import Clock


class Lane(IntEnum):
    """Which of the waiting messages is served first."""

    CONTROL = 0
    NEWS = 1
    WORK = 2


@dataclass(slots=True)
class Letter:
    """A message on its way, in the shape that pykka's loop expects of an envelope.

    `put_at` is a reading of the clock's seconds: a `timedelta` here would cost a third of the throughput.
    """

    message: object
    context: Context
    put_at: float
    reply_to: None = None


@dataclass(slots=True)
class OwnLetter(Letter):
    """A letter that an incarnation sent to itself; no other may read it."""


@dataclass(frozen=True, slots=True)
class Revoked:
    """What a port is served once it no longer holds the mailbox: its actor ends."""


REVOKED = Revoked()


@dataclass(slots=True, eq=False)
class Port:
    """An incarnation's end of its mailbox.

    `in_hand` are the letters being handled since `busy_since`; `held` is what the actor works on
    across messages since `held_since` (both readings of the clock's seconds). All are written by the
    actor's thread and read by any. `thread` is None until the incarnation's thread has begun.
    """

    gate: threading.Lock
    in_hand: list[Letter] = field(default_factory=list)
    busy_since: float | None = None
    held: object | None = None
    held_since: float | None = None
    thread: threading.Thread | None = None
    is_loud: bool = False
    is_over: bool = False

    def is_dead(self) -> bool:
        """Return whether the incarnation has ended, be it without a word."""
        return self.is_over or (self.thread is not None and not self.thread.is_alive())


class Mailbox:
    """One consumer at a time, any number of putters. Every method is safe on any thread."""

    def __init__(self, clock: Clock) -> None:
        """Make an empty mailbox that nobody holds yet."""
        self._seconds = clock.seconds
        self._lock = threading.Lock()
        self._control: deque[Letter] = deque()
        self._news: deque[Letter] = deque()
        self._work: deque[Letter] = deque()
        self._lanes = (self._control, self._news, self._work)
        self._holder: Port | None = None
        self._parked: threading.Lock | None = None
        self._is_closed = False

    def put(self, lane: Lane, message: object, context: Context, *, quiet: bool = False) -> bool:
        """Add a message; return False where the mailbox is closed and the message is not kept."""
        letter = Letter(message, context, self._seconds())
        with self._lock:
            if self._is_closed:
                return False
            self._lanes[lane].append(letter)
            if quiet and (self._holder is None or not self._holder.is_loud):
                return True
            gate, self._parked = self._parked, None
        if gate is not None:
            gate.release()
        return True

    def put_own(self, port: Port, message: object, context: Context) -> None:
        """Add a message of an incarnation to itself; dropped once that holds the mailbox no longer."""
        letter = OwnLetter(message, context, self._seconds())
        with self._lock:
            if self._holder is not port:
                return
            self._work.append(letter)
            gate, self._parked = self._parked, None
        if gate is not None:
            gate.release()

    def open_port(self) -> Port:
        """Give the mailbox to a new incarnation; the former holder is served no more.

        A mailbox that was closed takes messages again. What was meant for a former holder alone is
        thrown away.
        """
        gate = threading.Lock()
        gate.acquire()
        port = Port(gate, busy_since=self._seconds())
        with self._lock:
            self._is_closed = False
            self._control.clear()
            self._forget_own()
            former = self._hand_to(port)
        if former is not None:
            former.release()
        return port

    def take(self, port: Port) -> Letter | Revoked:
        """Return the next message, waiting for one; `REVOKED` once the port holds it no longer."""
        while True:
            with self._lock:
                if self._holder is not port:
                    return REVOKED
                for lane in self._lanes:
                    if lane:
                        letter = lane.popleft()
                        port.in_hand, port.busy_since = [letter], self._seconds()
                        return letter
                port.in_hand, port.busy_since = [], None
                self._parked = port.gate
            port.gate.acquire()

    def take_waiting(self, port: Port) -> list[Letter]:
        """Return all work that waits, without waiting, to be handled with what is in hand."""
        with self._lock:
            if self._holder is not port:
                return []
            waiting = list(self._work)
            self._work.clear()
            port.in_hand.extend(waiting)
            return waiting

    def revoke(self, port: Port) -> bool:
        """Cut a port off; return whether it still held the mailbox."""
        with self._lock:
            if self._holder is not port:
                return False
            gate = self._hand_to(None)
        if gate is not None:
            gate.release()
        return True

    def revoke_overdue(self, port: Port, deadline: timedelta) -> bool:
        """Cut a port off whose actor has had a message in hand for longer than the deadline."""
        with self._lock:
            if self._holder is not port or port.busy_since is None:
                return False
            if self._seconds() - port.busy_since <= deadline.total_seconds():
                return False
            self._hand_to(None)
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
            gate = self._hand_to(None)
        if gate is not None:
            gate.release()
        return left

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

    def _hand_to(self, port: Port | None) -> "threading.Lock | None":
        """Change the holder; return the gate at which the former one is parked, to be released."""
        self._holder = port
        gate, self._parked = self._parked, None
        return gate

    def _forget_own(self) -> None:
        if any(isinstance(letter, OwnLetter) for letter in self._work):
            kept = [letter for letter in self._work if not isinstance(letter, OwnLetter)]
            self._work.clear()
            self._work.extend(kept)
