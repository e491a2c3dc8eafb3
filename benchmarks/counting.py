"""Counts the messages between actors, from outside of the code that sends them."""

from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch

from wallet_provisioning.supervision.mailbox import Mailbox


@dataclass(slots=True)
class Post:
    """Counts messages as they are put, by kind, and those for which a parked thread was woken."""

    kinds: list[str] = field(default_factory=list)
    wakes: list[None] = field(default_factory=list)

    def note(self, mailbox: Mailbox, message: object, *, quiet: bool) -> None:
        """Count one; safe on any thread."""
        self.kinds.append(type(message).__name__)
        if mailbox._parked is not None and not quiet:  # noqa: SLF001 - looked at only to be counted
            self.wakes.append(None)


def count_messages(post: Post) -> None:
    """Have every mailbox of this process counted from now on."""
    put, put_own = Mailbox.put, Mailbox.put_own

    def counted(mailbox: Mailbox, lane: Any, message: object, *rest: Any, quiet: bool = False) -> bool:  # noqa: ANN401 - handed on
        post.note(mailbox, message, quiet=quiet)
        return put(mailbox, lane, message, *rest, quiet=quiet)

    def counted_own(mailbox: Mailbox, port: Any, message: object, *rest: Any) -> None:  # noqa: ANN401 - handed on
        post.note(mailbox, message, quiet=False)
        put_own(mailbox, port, message, *rest)

    patch.multiple(Mailbox, put=counted, put_own=counted_own).start()
