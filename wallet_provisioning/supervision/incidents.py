"""What the supervision layer tells about its children: values, for watchers and for the log."""

from dataclasses import dataclass
from datetime import datetime

from wallet_provisioning.supervision.snapshot import EndReason


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildStarted:
    """An incarnation is running: its `started` hook has returned."""

    path: str
    incarnation: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildEnded:
    """An incarnation crashed, hung or failed to start.

    `held` is what it was working on, `message` the type of the message that it died with (dropped,
    never delivered again), `stack` where its thread stood.
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


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildStopped:
    """An incarnation ended in good order."""

    path: str
    incarnation: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Undeliverable:
    """A message was told to a child that was stopped for good; it is lost."""

    path: str
    message: str


Incident = ChildStarted | ChildEnded | ChildStopped | Undeliverable
