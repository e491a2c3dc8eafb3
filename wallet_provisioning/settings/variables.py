"""The table of settings: one line for each environment variable, with its form and its default.

A field's annotation names the variable and the reader of its text. The loader, `.env.example`'s test
and the search for misspelt names all go by this table, so a new setting is one new line here.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any, get_type_hints
from uuid import UUID

from pydantic import SecretStr

from wallet_provisioning.jobs.backoff import Backoff
from wallet_provisioning.jobs.chains import Environment
from wallet_provisioning.settings import forms

_NONE = timedelta()
_TICK = timedelta(milliseconds=1)
_HALF_SECOND = timedelta(milliseconds=500)
_SECOND = timedelta(seconds=1)
_MINUTE = timedelta(minutes=1)
_HOUR = timedelta(hours=1)
_DAY = timedelta(hours=24)
_LEVELS = ("debug", "info", "warning", "error")

DEFAULT_DATABASE_URL = "sqlite:///wallet-provisioning.db"  # in the working directory


@dataclass(frozen=True, slots=True)
class Env:
    """Says of a field which environment variable sets it, and who reads its text."""

    name: str
    read: Callable[[str], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Variables:
    """What the environment says, read and with defaults filled in. Safe on any thread."""

    max_attempts: Annotated[int, Env("WORKER_MAX_ATTEMPTS", forms.whole(1, 1000))] = 5
    base_backoff: Annotated[timedelta, Env("WORKER_BASE_BACKOFF", forms.span(_TICK))] = _MINUTE
    max_backoff: Annotated[timedelta, Env("WORKER_MAX_BACKOFF", forms.span(_TICK))] = 30 * _MINUTE
    jitter_factor: Annotated[float, Env("WORKER_JITTER_FACTOR", forms.share_below_one)] = 0.1
    chains: Annotated[tuple[str, ...], Env("WORKER_CHAINS", forms.names)] = ("ETH", "SOL", "APTOS")
    poll_interval: Annotated[timedelta, Env("WORKER_POLL_INTERVAL", forms.span(10 * _TICK))] = 30 * _SECOND
    max_concurrency: Annotated[int, Env("WORKER_MAX_CONCURRENCY", forms.whole(1, 10_000))] = 5
    job_batch_size: Annotated[int, Env("WORKER_JOB_BATCH_SIZE", forms.whole(1, 10_000))] = 10
    shutdown_timeout: Annotated[timedelta, Env("WORKER_SHUTDOWN_TIMEOUT", forms.span(_NONE))] = _MINUTE
    enable_retries: Annotated[bool, Env("WORKER_ENABLE_RETRIES", forms.flag)] = True
    lease: Annotated[timedelta, Env("WORKER_LEASE", forms.span(_HALF_SECOND))] = 30 * _SECOND
    job_timeout: Annotated[timedelta, Env("WORKER_JOB_TIMEOUT", forms.span(_HALF_SECOND))] = 2 * _MINUTE
    replay_window: Annotated[timedelta, Env("WORKER_REPLAY_WINDOW", forms.span(_NONE))] = 10 * _MINUTE
    start_patience: Annotated[timedelta, Env("WORKER_START_PATIENCE", forms.span(_NONE))] = 10 * _SECOND
    reconcile_interval: Annotated[timedelta, Env("WORKER_RECONCILE_INTERVAL", forms.span(_NONE))] = _DAY
    retention_jobs: Annotated[timedelta, Env("WORKER_RETENTION_JOBS", forms.keeping)] = 2160 * _HOUR
    retention_audit: Annotated[timedelta, Env("WORKER_RETENTION_AUDIT", forms.keeping)] = _NONE

    given_database_url: Annotated[SecretStr | None, Env("DATABASE_URL", forms.database_url)] = None
    given_listen_url: Annotated[SecretStr | None, Env("DATABASE_LISTEN_URL", forms.listen_url)] = None
    given_redis_url: Annotated[SecretStr | None, Env("REDIS_URL", forms.redis_url)] = None

    circle_api_key: Annotated[SecretStr | None, Env("CIRCLE_API_KEY", forms.api_key)] = None
    circle_entity_secret: Annotated[SecretStr | None, Env("CIRCLE_ENTITY_SECRET", forms.entity_secret)] = None
    circle_base_url: Annotated[str | None, Env("CIRCLE_BASE_URL", forms.web_address)] = None
    circle_wallet_set_id: Annotated[UUID | None, Env("CIRCLE_WALLET_SET_ID", forms.uuid)] = None
    circle_wallet_rate: Annotated[int, Env("CIRCLE_WALLET_RATE", forms.whole(1, 100_000))] = 10
    circle_post_rate: Annotated[int, Env("CIRCLE_POST_RATE", forms.whole(1, 100_000))] = 5
    circle_get_rate: Annotated[int, Env("CIRCLE_GET_RATE", forms.whole(1, 100_000))] = 20

    admin_host: Annotated[str, Env("ADMIN_HOST", forms.host)] = "127.0.0.1"
    admin_port: Annotated[int, Env("ADMIN_PORT", forms.whole(0, 65_535))] = 8080
    admin_token: Annotated[SecretStr | None, Env("ADMIN_TOKEN", forms.secret)] = None
    admin_read_token: Annotated[SecretStr | None, Env("ADMIN_READ_TOKEN", forms.secret)] = None
    kyc_webhook_secret: Annotated[SecretStr | None, Env("KYC_WEBHOOK_SECRET", forms.shared_secret)] = None
    audit_signing_key: Annotated[SecretStr | None, Env("AUDIT_SIGNING_KEY", forms.signing_key)] = None

    otlp_endpoint: Annotated[str | None, Env("OTEL_EXPORTER_OTLP_ENDPOINT", forms.text)] = None
    service_name: Annotated[str, Env("OTEL_SERVICE_NAME", forms.text)] = "wallet-provisioning-worker"
    metrics_entity_labels: Annotated[bool, Env("METRICS_ENTITY_LABELS", forms.flag)] = True
    log_format: Annotated[str, Env("LOG_FORMAT", forms.one_of("auto", "json", "text"))] = "auto"
    log_level: Annotated[str, Env("LOG_LEVEL", forms.one_of(*_LEVELS))] = "info"

    @property
    def database_url(self) -> str:
        """The database's URL, which may hold a password: never log it."""
        given = self.given_database_url
        return DEFAULT_DATABASE_URL if given is None else given.get_secret_value()

    @property
    def listen_url(self) -> str:
        """Where announcements are heard, past any pooler; it may hold a password: never log it."""
        given = self.given_listen_url
        return self.database_url if given is None else given.get_secret_value()

    @property
    def redis_url(self) -> str | None:
        """The URL of Redis, which may hold a password: never log it."""
        return None if self.given_redis_url is None else self.given_redis_url.get_secret_value()

    @property
    def backoff(self) -> Backoff:
        """How long a job waits between attempts."""
        return Backoff(base=self.base_backoff, maximum=self.max_backoff, jitter=self.jitter_factor)

    @property
    def environment(self) -> Environment:
        """The world that the wallets belong to: the key's, or without a key that of the sandbox."""
        if self.circle_api_key is None:
            return Environment.SANDBOX
        is_live = self.circle_api_key.get_secret_value().startswith("LIVE_")
        return Environment.LIVE if is_live else Environment.TEST


def _table() -> dict[str, tuple[str, Env]]:
    """Return the field and the reader of each variable, by its name."""
    hints = get_type_hints(Variables, include_extras=True)
    return {env.name: (field, env) for field, hint in hints.items() for env in hint.__metadata__}


_TABLE = _table()
NAMES: tuple[str, ...] = tuple(_TABLE)


def read_values(given: Mapping[str, str]) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the values that texts mean, by field, and a line for each wrong one, by variable."""
    values: dict[str, Any] = {}
    wrong: dict[str, str] = {}
    for name, value in given.items():
        field, env = _TABLE[name]
        try:
            values[field] = env.read(value)
        except ValueError as error:
            wrong[name] = f"{name} {error}"
    return values, wrong
