"""Messages that no actor will read: the last of them, and how many each place has lost."""

import threading
from collections import deque
from contextvars import Context
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from wallet_provisioning.clock import Clock
from wallet_provisioning.supervision.incidents import Undeliverable, Why
from wallet_provisioning.supervision.showing import sender_of, show, trace_id_of

if TYPE_CHECKING:
    from wallet_provisioning.supervision.mailbox import Mailbox

_LENGTH = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """One lost message. `shown` holds no values, `sender` is the path of the actor that told it."""

    at: datetime
    path: str
    message: str
    shown: str
    why: Why
    sender: str | None
    trace_id: str | None


class DeadLetters:
    """The last dead letters of a tree. Every method is safe on any thread."""

    def __init__(self, clock: Clock, length: int = _LENGTH) -> None:
        """Start with none; the oldest makes room for the newest."""
        self._clock = clock
        self._lock = threading.Lock()
        self._last: deque[DeadLetter] = deque(maxlen=length)

    def note(self, mailbox: "Mailbox", message: object, context: Context, why: Why) -> Undeliverable:
        """Note a lost message, count it at its mailbox, and return what the outside is told."""
        letter = DeadLetter(
            at=self._clock.now(),
            path=mailbox.path,
            message=type(message).__name__,
            shown=show(message),
            why=why,
            sender=sender_of(context),
            trace_id=trace_id_of(context),
        )
        with self._lock:
            self._last.append(letter)
            mailbox.dead_letters += 1
        return Undeliverable(
            path=letter.path,
            message=letter.message,
            why=why,
            sender=letter.sender,
            trace_id=letter.trace_id,
        )

    def last(self) -> tuple[DeadLetter, ...]:
        """Return the last ones, newest first."""
        with self._lock:
            return tuple(reversed(self._last))
