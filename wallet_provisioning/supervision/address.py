"""Where to send a message: the only way to reach an actor."""

from collections.abc import Callable
from contextvars import copy_context
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from wallet_provisioning.supervision.bounds import MailboxFullError
from wallet_provisioning.supervision.letters import Lane, Port
from wallet_provisioning.supervision.mailbox import Mailbox

if TYPE_CHECKING:
    from wallet_provisioning.supervision.watching import Down

M_contra = TypeVar("M_contra", contravariant=True)

_WORK = Lane.WORK  # looking up an enum's member costs as much as the lock that is to be taken

Undelivered = Callable[[str, object], None]


class Address(Generic[M_contra]):
    """A child's address; it stays good through every restart. Safe on any thread; telling never blocks.

    What is told while the child restarts waits for its next incarnation. What is told to a child that
    was stopped for good goes to the dead letters; the teller is not disturbed. So does what a full
    mailbox drops; one that refuses raises `MailboxFullError`. Context variables, the current span among
    them, travel with the message.
    """

    __slots__ = ("_mailbox", "_put", "_undelivered", "path")

    def __init__(self, path: str, mailbox: Mailbox, undelivered: Undelivered) -> None:
        """Name the mailbox and the place for dead letters."""
        self.path = path
        self._mailbox = mailbox
        self._put = mailbox.put
        self._undelivered = undelivered

    def tell(self, message: M_contra) -> None:
        """Send a message."""
        if not self._put(_WORK, message, copy_context()):
            self._undelivered(self.path, message)

    def tell_quietly(self, message: M_contra) -> None:
        """Send a message that may wait until another one wakes the actor."""
        if not self._mailbox.put(Lane.WORK, message, copy_context(), quiet=True):
            self._undelivered(self.path, message)

    def offer(self, message: M_contra) -> bool:
        """Send a message unless the mailbox is full and refuses it; then return False: it is still yours."""
        try:
            self.tell(message)
        except MailboxFullError:
            return False
        return True

    def deliver(self, message: M_contra) -> None:
        """Send a message for somebody who can do nothing about a refusal: it is a dead letter then."""
        if not self.offer(message):
            self._undelivered(self.path, message)

    def tell_news(self, message: M_contra) -> None:
        """Send a message that is read before all work that waits."""
        if not self._mailbox.put(Lane.NEWS, message, copy_context()):
            self._undelivered(self.path, message)

    def watch(self, watcher: "Address[Down]") -> Callable[[], None]:
        """Have `Down` told, before all work, when the child's present incarnation ends, whatever way.

        It is told once. Where there is no incarnation just now the next one is meant; where the child was
        stopped for good it is told at once. The returned function takes the watch back.
        """
        return self._mailbox.watch(watcher.tell_news)

    def __repr__(self) -> str:
        """Return the path, for logs."""
        return f"<Address {self.path}>"


class OwnAddress(Address[Any]):
    """The address under which one incarnation tells itself: void once that incarnation has ended."""

    __slots__ = ("_port",)

    def __init__(self, path: str, mailbox: Mailbox, port: Port) -> None:
        """Name the incarnation's end of its mailbox."""
        super().__init__(path, mailbox, _unheard)
        self._port = port

    def tell(self, message: object) -> None:
        """Send a message."""
        self._mailbox.put_own(self._port, message, copy_context())

    def tell_quietly(self, message: object) -> None:
        """Send a message; it wakes the actor all the same."""
        self.tell(message)

    def tell_news(self, message: object) -> None:
        """Send a message that is read before all work that waits."""
        self._mailbox.put_own(self._port, message, copy_context(), Lane.NEWS)


def _unheard(path: str, message: object) -> None:
    """Let a message go: its actor does not live to miss it."""
