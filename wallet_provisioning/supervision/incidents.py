"""What the supervision layer tells about its children: values, for watchers and for the log."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from wallet_provisioning.supervision.snapshot import EndReason


class Why(StrEnum):
    """Why a message was lost: its child was stopped for good, or its mailbox was full."""

    STOPPED = "stopped"
    FULL = "full"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildStarted:
    """An incarnation is running: its `started` hook has returned."""

    path: str
    incarnation: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildEnded:
    """An incarnation crashed, hung or failed to start.

    `held` is what it was working on, `message` the type of the message that it died with (dropped,
    never delivered again), `shown` that message without its values, `stack` where its thread stood.
    """

    path: str
    incarnation: int
    reason: EndReason
    error: str
    message: str | None
    held: object | None
    stack: str
    at: datetime
    trace_id: str | None
    shown: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildStopped:
    """An incarnation ended in good order."""

    path: str
    incarnation: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Undeliverable:
    """A message was told to a child that was stopped for good, or whose mailbox was full; it is lost.

    `sender` is the path of the actor that told it, where one did.
    """

    path: str
    message: str
    why: Why = Why.STOPPED
    sender: str | None = None
    trace_id: str | None = None


Incident = ChildStarted | ChildEnded | ChildStopped | Undeliverable
