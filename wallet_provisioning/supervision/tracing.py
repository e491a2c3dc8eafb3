"""A look at an actor's messages, for as long as an operator wants it: the last ones and their times."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from wallet_provisioning.supervision.letters import Lane, Letter

_LENGTH = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class TracedMessage:
    """One message that was taken. `handled_in` is None while it is in hand, or if its actor died over it."""

    message: str
    lane: Lane
    incarnation: int
    waited: timedelta
    handled_in: timedelta | None


@dataclass(slots=True)
class _Entry:
    message: str
    lane: Lane
    incarnation: int
    waited: float
    taken_at: float
    handled_in: float | None = None

    def seen(self) -> TracedMessage:
        handled_in = self.handled_in
        return TracedMessage(
            message=self.message,
            lane=self.lane,
            incarnation=self.incarnation,
            waited=timedelta(seconds=max(self.waited, 0)),
            handled_in=None if handled_in is None else timedelta(seconds=handled_in),
        )


class MessageTrace:
    """The last messages of one mailbox. It belongs to the mailbox, which calls it under its lock."""

    def __init__(self, length: int = _LENGTH) -> None:
        """Start with nothing seen; the oldest entry makes room for the newest."""
        self._entries: deque[_Entry] = deque(maxlen=length)
        self._in_hand: list[_Entry] = []

    def note_taken(self, lane: Lane, letters: Sequence[Letter], incarnation: int, now: float) -> None:
        """Note messages that an actor takes into its hands."""
        for letter in letters:
            name = type(letter.message).__name__
            entry = _Entry(name, lane, incarnation, now - letter.put_at, now)
            self._entries.append(entry)
            self._in_hand.append(entry)

    def note_handled(self, now: float) -> None:
        """Note that the actor has done with what it had in its hands."""
        for entry in self._in_hand:
            entry.handled_in = now - entry.taken_at
        self._in_hand.clear()

    def note_end(self) -> None:
        """Note that the actor is served no more: what it has in its hands is never seen to be done."""
        self._in_hand.clear()

    def seen(self) -> tuple[TracedMessage, ...]:
        """Return what was noted, oldest first."""
        return tuple(entry.seen() for entry in self._entries)
