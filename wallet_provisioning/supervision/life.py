"""What one incarnation is given: its place in the tree, its end of the mailbox, and its supervisor's ear."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from wallet_provisioning.clock import Clock
from wallet_provisioning.supervision.address import Address
from wallet_provisioning.supervision.mailbox import Mailbox, Port
from wallet_provisioning.supervision.runtime import Runtime
from wallet_provisioning.supervision.snapshot import EndReason


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """An incarnation's `started` hook has returned."""

    child: str
    incarnation: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Stopped:
    """An incarnation ended in good order."""

    child: str
    incarnation: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """An incarnation ended by an error."""

    child: str
    incarnation: int
    reason: EndReason
    error: str
    message: str | None
    held: object | None
    stack: str
    at: datetime
    trace_id: str | None
    shown: str | None = None


Report = Started | Stopped | Ended


@dataclass(frozen=True, slots=True, kw_only=True)
class Life:
    """One incarnation of a child. `report` may be called from any thread and never blocks."""

    child: str
    path: str
    incarnation: int
    mailbox: Mailbox
    port: Port
    me: Address[Any]
    runtime: Runtime
    clock: Clock
    report: Callable[[Report], None]
    dispatcher: str | None = None

    def is_current(self) -> bool:
        """Return whether this incarnation has not been given up for another."""
        return self.mailbox.is_held_by(self.port)
