"""What lies in a mailbox, and the end of it that an incarnation holds."""

import threading
from collections.abc import Callable
from contextvars import Context
from dataclasses import dataclass, field
from enum import IntEnum

from wallet_provisioning.supervision.snapshot import EndReason


class Lane(IntEnum):
    """Which of the waiting messages is served first."""

    CONTROL = 0
    NEWS = 1
    WORK = 2


@dataclass(slots=True)
class Letter:
    """A message on its way.

    `put_at` is a reading of the clock's seconds: a `timedelta` here would cost a third of the throughput.
    """

    message: object
    context: Context
    put_at: float


@dataclass(slots=True)
class OwnLetter(Letter):
    """A letter that an incarnation sent to itself; no other may read it."""


@dataclass(frozen=True, slots=True)
class Passing:
    """How an incarnation ended; `reason` and `error` are None after an orderly stop."""

    reason: EndReason | None = None
    error: str | None = None


@dataclass(slots=True, eq=False)
class Port:
    """An incarnation's end of its mailbox.

    `in_hand` are the letters being handled since `busy_since`; `held` is what the actor works on
    across messages since `held_since` (both readings of the clock's seconds). `wake` is called when there is
    something to read and the incarnation is parked. All are written by the
    actor's thread and read by any. `is_launched` once the runtime has taken the incarnation; `thread` is
    None until it has begun, and may live on with another one: `is_over` says that this one has ended.
    One that is `is_shared` holds a thread only while it has something in hand.
    `passing` is set before the port is revoked by whoever knows how the incarnation ends.
    """

    gate: threading.Lock
    wake: Callable[[], None]
    in_hand: list[Letter] = field(default_factory=list)
    busy_since: float | None = None
    held: object | None = None
    held_since: float | None = None
    is_launched: bool = False
    thread: threading.Thread | None = None
    is_loud: bool = False
    is_over: bool = False
    is_shared: bool = False
    incarnation: int = 0
    passing: Passing | None = None

    def is_dead(self) -> bool:
        """Return whether the incarnation has ended, be it without a word."""
        if self.is_over or self.thread is None:
            return self.is_over
        return not self.thread.is_alive() and not (self.is_shared and self.busy_since is None)

    def how_it_ended(self) -> Passing:
        """Return how the incarnation ended, as far as anybody knows, once its port was revoked."""
        if self.passing is not None:
            return self.passing
        if self.is_dead():
            return Passing(EndReason.CRASH, "its thread ended without a word")
        if self.busy_since is not None:
            return Passing(EndReason.HANG, "it was given up over what it had in hand")
        return Passing()
