"""Counts messages between actors and statements to the database, from outside of the code that sends them."""

import threading
from collections import Counter
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch

from sqlalchemy import event
from sqlalchemy.engine import Engine

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


class Statements:
    """Counts what is sent to the database within each kind of transaction; a list of rows is one."""

    def __init__(self) -> None:
        """Start with none."""
        self.by_reason: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._here = threading.local()

    def count(self) -> None:
        """Have every engine of this process counted from now on."""
        event.listen(Engine, "begin", self._begun)
        event.listen(Engine, "before_cursor_execute", self._sent)

    def ended(self, reason: str) -> None:
        """Count this thread's last transaction, which has committed, under its reason."""
        with self._lock:
            self.by_reason[reason] += getattr(self._here, "sent", 0)

    def _begun(self, *_given: object) -> None:
        self._here.sent = 0

    def _sent(self, *_given: object) -> None:
        self._here.sent = getattr(self._here, "sent", 0) + 1


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
