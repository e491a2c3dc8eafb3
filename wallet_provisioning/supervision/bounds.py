"""How much work may wait for a child, and what happens to more. Nobody ever waits for room."""

from collections import deque
from dataclasses import dataclass
from enum import StrEnum
from typing import assert_never

from wallet_provisioning.supervision.letters import Letter, OwnLetter


class Overflow(StrEnum):
    """What happens when a message comes for a full mailbox.

    `drop_newest` and `drop_oldest` make a dead letter of that message, or of the one that has waited
    longest; the teller is not disturbed. `refuse` leaves the message with its teller: `tell` raises
    `MailboxFullError`, `offer` returns False.
    """

    DROP_NEWEST = "drop_newest"
    DROP_OLDEST = "drop_oldest"
    REFUSE = "refuse"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """At most `capacity` messages of work wait. Control, news and an actor's own timers always get in."""

    capacity: int
    overflow: Overflow = Overflow.DROP_NEWEST

    def __post_init__(self) -> None:
        """Refuse a mailbox that could never hold anything, with `ValueError`."""
        if self.capacity < 1:
            msg = f"a mailbox holds at least one message, not {self.capacity}"
            raise ValueError(msg)


class MailboxFullError(Exception):
    """The mailbox is full and refuses more; `message` comes back whole. Tell it later, or use `offer`."""

    def __init__(self, path: str, capacity: int, message: object) -> None:
        """Name the mailbox; the text never shows the message."""
        super().__init__(f"{path} has {capacity} messages waiting and refuses a {type(message).__name__}")
        self.path = path
        self.message = message


def make_room(bound: Bound, waiting: deque[Letter], newest: Letter, path: str) -> Letter | None:
    """Return the letter that is lost, which may be the newest; None while there is room.

    Raises `MailboxFullError`. An incarnation's own timers stay where they are, since it lives by them.
    """
    if len(waiting) < bound.capacity:
        return None
    match bound.overflow:
        case Overflow.REFUSE:
            raise MailboxFullError(path, bound.capacity, newest.message)
        case Overflow.DROP_NEWEST:
            return newest
        case Overflow.DROP_OLDEST:
            return _take_oldest(waiting) or newest
    assert_never(bound.overflow)


def _take_oldest(waiting: deque[Letter]) -> Letter | None:
    for place, letter in enumerate(waiting):
        if not isinstance(letter, OwnLetter):
            del waiting[place]
            return letter
    return None
