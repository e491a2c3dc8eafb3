"""What the API asks of the running daemon, as the few methods that it needs."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Literal, Protocol

from wallet_provisioning.store.accepting import Accepted
from wallet_provisioning.supervision.deadletters import DeadLetter
from wallet_provisioning.supervision.inspection import Described
from wallet_provisioning.supervision.snapshot import ActorView
from wallet_provisioning.supervision.tracing import TracedMessage

KillMode = Literal["crash", "hang", "stop"]
BreakerState = Literal["closed", "half_open", "open"]


class WorkerStatus(StrEnum):
    """How the daemon is doing as a whole."""

    OPERATIONAL = "operational"
    DEGRADED = "degraded"
    DOWN = "down"


@dataclass(frozen=True, slots=True, kw_only=True)
class ForcedView:
    """What an order makes of a breaker, and what the breaker itself would say."""

    state: Literal["open", "closed"]
    reason: str
    until: datetime | None
    by: str
    measured: BreakerState


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainView:
    """A chain's breaker and its load. `opened_at` and `reason` are None while it is closed."""

    chain: str
    breaker: BreakerState
    opened_at: datetime | None
    reason: str | None
    in_flight: int
    waiting: int
    forced: ForcedView | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerView:
    """The daemon and its scheduler; `active_jobs` is the number in hand now."""

    status: WorkerStatus
    is_running: bool
    poll_interval: timedelta
    max_concurrency: int
    active_jobs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """Whether something that the daemon needs is well, and a line on it for the operator."""

    ok: bool
    detail: str


class NoAnswerError(Exception):
    """The actor gave no answer in time; the text says what it is busy with."""


class Control(Protocol):
    """The running daemon. Called on the event loop's thread; the plain methods never block."""

    @property
    def is_live(self) -> bool:
        """Whether a LIVE key is in use."""
        ...

    def actors(self) -> tuple[ActorView, ...]:
        """Return the tree as it stands, parents before children."""
        ...

    async def restart(self, path: str) -> int:
        """Restart an actor and return its new incarnation; `KeyError` for an unknown path."""
        ...

    async def kill(self, path: str, mode: KillMode, reason: str | None) -> ActorView:
        """Kill an actor and return it as it was; `KeyError` for an unknown path."""
        ...

    async def describe(self, path: str) -> Described:
        """Ask an actor what stands in it; `KeyError`, or `NoAnswerError` where it gives none in time."""
        ...

    def suspend(self, path: str) -> ActorView:
        """Let an actor's work wait; `KeyError`, or `CannotSuspendError` where it must not or can't."""
        ...

    def resume(self, path: str) -> ActorView:
        """Let an actor go on; `KeyError` for an unknown path."""
        ...

    def trace(self, path: str, *, on: bool) -> None:
        """Begin or end to note an actor's messages; `KeyError` for an unknown path."""
        ...

    def traced(self, path: str) -> tuple[TracedMessage, ...] | None:
        """Return an actor's last messages, None where they are not noted; `KeyError` for an unknown path."""
        ...

    def dead_letters(self) -> tuple[DeadLetter, ...]:
        """Return the last messages that no actor read, newest first."""
        ...

    def chains(self) -> tuple[ChainView, ...]:
        """Return the chains that are served, in their order."""
        ...

    def worker(self) -> WorkerView:
        """Return how the daemon is doing."""
        ...

    def checks(self) -> Mapping[str, Check]:
        """Return what the daemon needs, by name: database, scheduler, circle per chain, redis …."""
        ...

    def is_ready(self) -> bool:
        """Whether everything has started."""
        ...

    def is_draining(self) -> bool:
        """Whether the daemon is on its way out."""
        ...

    def stalled(self) -> str | None:
        """Return why the daemon makes no progress at all and should be started again, None while it does."""
        ...

    def orders_changed(self) -> None:
        """Hear that the standing orders were changed: a hint, which may be lost."""
        ...

    def accepted(self, accepted: Accepted) -> None:
        """Hear of a job that was committed: a hint for the scheduler, which may be lost."""
        ...
