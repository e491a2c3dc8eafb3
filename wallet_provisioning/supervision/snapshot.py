"""What the outside may see of the tree: immutable, and taken without asking any actor."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum


class ChildState(StrEnum):
    """Where a child stands in its life."""

    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"
    RESTARTING = "restarting"
    STOPPED = "stopped"


class EndReason(StrEnum):
    """Why an incarnation ended against its supervisor's will."""

    CRASH = "crash"
    HANG = "hang"
    START_FAILED = "start_failed"


class ChildKind(StrEnum):
    """Whether a child supervises others."""

    SUPERVISOR = "supervisor"
    WORKER = "worker"


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What an actor is busy with: the message in hand, and what it holds since then."""

    message: str
    subject: object | None
    since: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Crash:
    """How an incarnation ended; `shown` is the message that it died with, without its values."""

    at: datetime
    reason: EndReason
    error: str
    message: str | None
    incarnation: int
    trace_id: str | None
    shown: str | None = None
    stack: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ActorView:
    """One actor as it stood when the picture was taken. `restarts` counts, `zombies` still run.

    A `suspended` actor reads no work until it is resumed; `dead_letters` were told to it and are lost.
    """

    path: str
    kind: ChildKind
    class_name: str
    state: ChildState
    incarnation: int
    restarts: int
    zombies: int
    mailbox_depth: int
    oldest_message_age: timedelta | None
    working_on: Work | None
    last_crash: Crash | None
    suspended: bool = False
    dead_letters: int = 0
