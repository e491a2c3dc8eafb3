"""The answers' shapes, from which OpenAPI's schemas are made. Every key is always present.

Enumerations are those of the code; they are texts, and JSON writes them as such.
"""

from typing import Annotated, Any, Literal

from pydantic import Field
from typing_extensions import TypedDict  # pydantic asks for this one below Python 3.12

from wallet_provisioning.http.api.control import BreakerState, WorkerStatus
from wallet_provisioning.jobs.chains import AccountType
from wallet_provisioning.jobs.errors import ErrorType
from wallet_provisioning.jobs.kyc import KycStatus
from wallet_provisioning.jobs.states import AuditStatus, JobStatus, WalletStatus
from wallet_provisioning.store.controls import OrderState
from wallet_provisioning.supervision.incidents import Why
from wallet_provisioning.supervision.snapshot import ChildKind, ChildState, EndReason

UuidJson = Annotated[str, Field(json_schema_extra={"format": "uuid"})]
TimeJson = Annotated[str, Field(json_schema_extra={"format": "date-time"})]
SourceJson = Annotated[str, Field(json_schema_extra={"enum": ["kyc", "http", "message", "cli", "import"]})]
AccountTypeJson = Annotated[str, Field(json_schema_extra={"enum": [kind.value for kind in AccountType]})]


class WalletJson(TypedDict):
    """WALLET: one user's wallet on one chain."""

    id: UuidJson
    user_id: UuidJson
    chain: str
    blockchain: str | None
    status: WalletStatus
    address: str | None
    circle_wallet_id: UuidJson | None
    wallet_set_id: UuidJson | None
    account_type: AccountTypeJson | None
    error_type: ErrorType | None
    error_message: str | None
    created_at: TimeJson
    updated_at: TimeJson


class JobJson(TypedDict):
    """JOB: a user's request for wallets, and how far it has come."""

    id: UuidJson
    user_id: UuidJson
    status: JobStatus
    chains: list[str]
    wallets: list[WalletJson]
    attempt_count: int
    max_attempts: int
    crash_count: int
    error_type: ErrorType | None
    error_message: str | None
    next_retry_at: TimeJson | None
    source: SourceJson
    trace_id: str | None
    created_at: TimeJson
    started_at: TimeJson | None
    completed_at: TimeJson | None
    updated_at: TimeJson


class ChangesJson(TypedDict):
    """What an audited step changed."""

    before: Any
    after: Any


class AuditJson(TypedDict):
    """AUDIT: one row of the audit log."""

    id: UuidJson
    user_id: UuidJson | None
    job_id: UuidJson | None
    epoch: int | None
    actor: str
    action: str
    resource_type: str
    resource_id: str | None
    changes: ChangesJson
    status: AuditStatus
    error_message: str | None
    created_at: TimeJson
    trace_id: str | None


class JobDetailJson(JobJson):
    """JOB with its audit rows, oldest first."""

    timeline: list[AuditJson]


class KycJson(TypedDict):
    """What is known of a submission."""

    provider_ref: str
    user_id: UuidJson
    status: KycStatus


class KycAnswerJson(TypedDict):
    """The answer to a callback; `job` is null for whatever isn't approved."""

    kyc: KycJson
    job: JobJson | None


class MailboxJson(TypedDict):
    """What waits for an actor."""

    depth: int
    oldest_age_ms: float | None


class WorkJson(TypedDict):
    """What an actor is busy with."""

    message: str
    job_id: UuidJson | None
    for_ms: float


class CrashJson(TypedDict):
    """How an incarnation ended; `shown` is the message that it died with, without its values."""

    at: TimeJson
    reason: EndReason
    error: str
    message: str | None
    incarnation: int
    trace_id: str | None
    shown: str | None
    stack: str


ActorJson = TypedDict(  # `class` is a word of Python's, so this can't be written as a class
    "ActorJson",
    {
        "path": str,
        "kind": ChildKind,
        "class": str,
        "state": ChildState,
        "incarnation": int,
        "restarts": int,
        "zombies": int,
        "mailbox": MailboxJson,
        "working_on": WorkJson | None,
        "last_crash": CrashJson | None,
        "suspended": bool,
        "dead_letters": int,
    },
)


class ActorStateJson(TypedDict):
    """What an actor says of itself; `error` says why it could not."""

    path: str
    incarnation: int
    is_stopping: bool
    state: dict[str, Any]
    error: str | None


class TracedJson(TypedDict):
    """A message that an actor read; `handled_ms` is null while in hand, or if its actor died over it."""

    message: str
    lane: Literal["control", "news", "work"]
    incarnation: int
    waited_ms: float
    handled_ms: float | None


class ActorTraceJson(TypedDict):
    """An actor's last messages, oldest first; none while its messages are not noted."""

    path: str
    on: bool
    items: list[TracedJson]


class DeadLetterJson(TypedDict):
    """A message that no actor read; `sender` is the path of the actor that told it."""

    at: TimeJson
    path: str
    message: str
    shown: str
    why: Why
    sender: str | None
    trace_id: str | None


class DeadLettersJson(TypedDict):
    """The last dead letters, newest first."""

    items: list[DeadLetterJson]


class ForcedJson(TypedDict):
    """An order that forces a breaker; `measured` is what it would say by itself."""

    state: Literal["open", "closed"]
    reason: str
    until: TimeJson | None
    by: str
    measured: BreakerState


class ChainJson(TypedDict):
    """A chain's breaker and load; `forced` where an order stands above what the breaker measures."""

    chain: str
    breaker: BreakerState
    opened_at: TimeJson | None
    reason: str | None
    in_flight: int
    waiting: int
    forced: ForcedJson | None


class OrderJson(TypedDict):
    """A standing order; `subject` is a chain, or * for all."""

    kind: str
    subject: str
    state: OrderState
    reason: str
    placed_by: str
    placed_at: TimeJson
    until: TimeJson | None


class ControlsJson(TypedDict):
    """The standing orders in force; `claiming` is null unless an order keeps jobs from being claimed."""

    claiming: OrderJson | None
    items: list[OrderJson]


class WorkerJson(TypedDict):
    """The daemon as a whole."""

    type: Literal["wallet_provisioning"]
    status: WorkerStatus


class SchedulerJson(TypedDict):
    """The scheduler; `poll_interval` as the settings write it."""

    is_running: bool
    poll_interval: str
    max_concurrency: int
    active_jobs: int


class MetricsJson(TypedDict):
    """Totals over all daemons and their whole history."""

    total_jobs_processed: int
    successful_jobs: int
    failed_jobs: int
    average_duration_ms: float | None
    last_processed_at: TimeJson | None
    errors_by_type: dict[str, int]


class StatusMetricsJson(TypedDict):
    """The same; null while a daemon that has just started waits for its database."""

    total_jobs_processed: int | None
    successful_jobs: int | None
    failed_jobs: int | None
    average_duration_ms: float | None
    last_processed_at: TimeJson | None
    errors_by_type: dict[str, int]


class StatusJson(TypedDict):
    """The status object."""

    worker: WorkerJson
    scheduler: SchedulerJson
    metrics: StatusMetricsJson


class MetricsDetailJson(MetricsJson):
    """The totals, and what is unfinished now."""

    retried_jobs: int
    active_jobs: int
    jobs_by_status: dict[str, int]
    oldest_due_job_age_ms: float | None


class CheckJson(TypedDict):
    """One thing that the daemon needs."""

    ok: bool
    detail: str


class HealthJson(TypedDict):
    """Whether the daemon can do its work, and what says so."""

    status: Literal["healthy", "unhealthy"]
    checks: dict[str, CheckJson]


class RestartedJson(TypedDict):
    """The scheduler's new life."""

    path: str
    incarnation: int


class ProbeJson(TypedDict):
    """A probe that succeeded."""

    status: Literal["live", "ready"]


class FieldErrorJson(TypedDict):
    """A field to blame."""

    field: str
    message: str


class _ProblemBase(TypedDict):
    type: str
    title: str
    status: int
    detail: str
    instance: str
    code: str
    trace_id: str | None


class ProblemJson(_ProblemBase, total=False):
    """RFC 9457; `errors` where fields are to blame."""

    errors: list[FieldErrorJson]


class WalletsJson(TypedDict):
    """A user's wallets."""

    items: list[WalletJson]


class ActorsJson(TypedDict):
    """The whole tree, parents before children."""

    items: list[ActorJson]


class ChainsJson(TypedDict):
    """The chains that are served."""

    items: list[ChainJson]


class JobPageJson(TypedDict):
    """A page of jobs, newest first; `next` is the cursor of the following page, also after a short one."""

    items: list[JobJson]
    next: str | None


class WalletPageJson(TypedDict):
    """A page of wallets, newest first; `next` as in a page of jobs."""

    items: list[WalletJson]
    next: str | None


class AuditPageJson(TypedDict):
    """A page of the audit log, newest first; `next` as in a page of jobs."""

    items: list[AuditJson]
    next: str | None
