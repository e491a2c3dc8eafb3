"""Where to send a message: the only way to reach an actor."""

from collections.abc import Callable
from contextvars import copy_context
from typing import Generic, TypeVar

from wallet_provisioning.supervision.mailbox import Lane, Mailbox

M_contra = TypeVar("M_contra", contravariant=True)

Undelivered = Callable[[str, object], None]


class Address(Generic[M_contra]):
    """A child's address; it stays good through every restart. Safe on any thread; telling never blocks.

    What is told while the child restarts waits for its next incarnation. What is told to a child that
    was stopped for good goes to the dead letters; the teller is not disturbed. Context variables, the
    current span among them, travel with the message.
    """

    __slots__ = ("_mailbox", "_undelivered", "path")

    def __init__(self, path: str, mailbox: Mailbox, undelivered: Undelivered) -> None:
        """Name the mailbox and the place for dead letters."""
        self.path = path
        self._mailbox = mailbox
        self._undelivered = undelivered

    def tell(self, message: M_contra) -> None:
        """Send a message."""
        if not self._mailbox.put(Lane.WORK, message, copy_context()):
            self._undelivered(self.path, message)

    def tell_quietly(self, message: M_contra) -> None:
        """Send a message that may wait until another one wakes the actor."""
        if not self._mailbox.put(Lane.WORK, message, copy_context(), quiet=True):
            self._undelivered(self.path, message)

    def tell_news(self, message: M_contra) -> None:
        """Send a message that is read before all work that waits."""
        if not self._mailbox.put(Lane.NEWS, message, copy_context()):
            self._undelivered(self.path, message)

    def __repr__(self) -> str:
        """Return the path, for logs."""
        return f"<Address {self.path}>"
