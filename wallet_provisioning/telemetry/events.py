"""The events that the code states; `logs` and `metrics` turn them into lines and instruments.

Nothing else is told to the outside, so the program runs the same with telemetry unplugged. An event
is stated after what it tells of is committed. Stating one never raises and never blocks.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import NamedTuple
from uuid import UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened."""

    def each(self) -> "Iterable[Event]":
        """Return what this tells of, one by one: itself, or what a group holds."""
        return (self,)

    def size(self) -> int:
        """Return how many that are."""
        return 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Group(Event):
    """Many events of one commit, told as one: a job's way tells seven, and telling is dear.

    Whoever counts takes it whole; whoever writes lines takes it apart later, on a thread of its own.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class JobAccepted(Event):
    """A request was accepted: a new job, or (`created` False) the job that it belongs to already."""

    job_id: UUID
    user_id: UUID
    source: str
    chains: tuple[str, ...]
    created: bool
    merged: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class JobMoved(Event):
    """A move was committed. `move` is the verb; `duration` since the claim, for moves that end it."""

    move: str
    job_id: UUID
    user_id: UUID
    status: str
    attempt: int
    actor: str
    error_type: str | None = None
    error_message: str | None = None
    duration: timedelta | None = None
    due_in: timedelta | None = None
    trace_id: str | None = None


class MovedJob(NamedTuple):
    """One job of a group; the names are those of `JobMoved`."""

    job_id: UUID
    user_id: UUID
    attempt: int
    duration: timedelta | None = None
    trace_id: str | None = None
    error_type: str | None = None
    error_message: str | None = None
    due_in: timedelta | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobsMoved(Group):
    """Jobs that one commit moved alike."""

    move: str
    status: str
    actor: str
    jobs: Sequence[MovedJob]

    def size(self) -> int:
        """Return how many jobs."""
        return len(self.jobs)

    def each(self) -> Iterable[JobMoved]:
        """Return the move of each job."""
        return [
            JobMoved(move=self.move, status=self.status, actor=self.actor, **job._asdict())
            for job in self.jobs
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class WalletCreated(Event):
    """A wallet went live in the store; `adopted` where a look-up at Circle found it."""

    job_id: UUID | None
    user_id: UUID
    chain: str
    blockchain: str
    circle_wallet_id: UUID
    adopted: bool = False


class CreatedWallet(NamedTuple):
    """One wallet of a group; the names are those of `WalletCreated`."""

    job_id: UUID | None
    user_id: UUID
    chain: str
    blockchain: str
    circle_wallet_id: UUID
    adopted: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class WalletsCreated(Group):
    """Wallets that one commit recorded."""

    wallets: Sequence[CreatedWallet]

    def size(self) -> int:
        """Return how many wallets."""
        return len(self.wallets)

    def each(self) -> Iterable[WalletCreated]:
        """Return each wallet."""
        return [WalletCreated(**wallet._asdict()) for wallet in self.wallets]


@dataclass(frozen=True, slots=True, kw_only=True)
class DuplicateWallet(Event):
    """Circle holds a second wallet for the same user and chain. An operator must look at it."""

    user_id: UUID
    chain: str
    kept: UUID
    duplicate: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class StaleRefused(Event):
    """A holder that had lost its job tried to act on it, and the store refused."""

    job_id: UUID
    epoch: int
    what: str
    actor: str


@dataclass(frozen=True, slots=True, kw_only=True)
class JobsClaimed(Event):
    """One claim, and how long its transaction took."""

    count: int
    duration: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class TransactionEnded(Event):
    """A write transaction ended; `outcome` is committed, rolled_back or unavailable."""

    reason: str
    outcome: str
    duration: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class CircleCalled(Event):
    """A call to Circle ended; `outcome` is success or the error type.

    `kind` is the limit of Circle's that it counts against, `waited` how long it waited for its turn there.
    """

    chain: str
    operation: str
    outcome: str
    duration: timedelta
    kind: str | None = None
    waited: timedelta | None = None
    wallets: int = 0
    http_status: int | None = None
    code: int | None = None
    request_id: str | None = None
    message: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CircleRetried(Event):
    """A call was to be sent again at once; `allowed` is False where too many were already."""

    chain: str
    operation: str
    why: str
    allowed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetSlowed(Event):
    """Circle answered 429: no call goes out for `pause`, then `per_second` of this kind, slowly more."""

    kind: str
    per_second: float
    pause: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetSplit(Event):
    """The budget of all daemons can't be reached: each takes its share of Circle's limits."""

    daemons: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetShared(Event):
    """The budget of all daemons is back, and calls are taken from it again."""

    after: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerChanged(Event):
    """A chain's breaker changed its state: closed, half_open, open."""

    chain: str
    before: str
    after: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OrdersChanged(Event):
    """This daemon learned that the standing orders changed; `orders` are those in force now."""

    orders: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CallersRefused(Event):
    """The API let somebody not in. `count` since the line before, of which route and remote are the last.

    `reason` is no_token, unknown_token, read_only, not_local, bad_signature or forbidden.
    """

    reason: str
    route: str
    remote: str | None
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ActorStarted(Event):
    """An incarnation is running."""

    path: str
    incarnation: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ActorEnded(Event):
    """An incarnation ended. `reason` is crash, hang, start_failed or stop; `stack` where there is one.

    `shown` is the message that it died with, without its values.
    """

    path: str
    incarnation: int
    reason: str
    error: str | None = None
    message: str | None = None
    stack: str | None = None
    trace_id: str | None = None
    job_id: UUID | None = None
    shown: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter(Event):
    """A message could not be delivered; `sender` is the actor that told it."""

    path: str
    message: str
    why: str
    sender: str | None = None
    trace_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageTaken(Event):
    """An injected message was dealt with; `outcome` is accepted, repeated, rejected or postponed."""

    outcome: str
    why: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DependencyLost(Event):
    """The database, Redis or the sandbox can't be reached; work waits for it."""

    name: str
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DependencyBack(Event):
    """What was lost is back."""

    name: str
    after: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditSealed(Event):
    """Audit rows were sealed. Keep the head elsewhere: with it a chain that was cut short shows."""

    number: int
    rows: int
    head: str
    signature: str
    public_key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionSwept(Event):
    """Rows past their time were deleted; `what` is jobs, requests or audit_rows."""

    what: str
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciled(Event):
    """The wallets at Circle were held against those in the store; `kinds` says what was found, if anything.

    `hold` is placed where the database turned out to be behind Circle: nothing is created then.
    """

    at_circle: int
    here: int
    found: int
    duration: timedelta
    kinds: str | None = None
    hold: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice(Event):
    """A line for the operator that is no step of a job: started, draining, stopped, a setting ignored."""

    text: str
    level: str = "info"


Emit = Callable[[Event], None]


def unheard(event: Event) -> None:
    """Take an event and do nothing: telemetry unplugged."""
