"""What the settings mean for the parts around the tree: API, messages, telemetry."""

import socket
from collections.abc import Callable
from uuid import UUID

from pydantic import SecretStr

from wallet_provisioning import __version__
from wallet_provisioning.actors.housekeeping import Housekeeping
from wallet_provisioning.actors.sweeper import SweeperOptions
from wallet_provisioning.clock import Clock
from wallet_provisioning.daemon.circle import wallet_set_options
from wallet_provisioning.daemon.progress import ProgressOptions
from wallet_provisioning.http.api.parts import ApiOptions
from wallet_provisioning.intake.consumer import MessageIntake
from wallet_provisioning.intake.desk import IntakeParts
from wallet_provisioning.intake.options import IntakeOptions
from wallet_provisioning.settings import SandboxCircle, Settings, Variables
from wallet_provisioning.store.accepting import Accepted
from wallet_provisioning.store.daemons import Presence
from wallet_provisioning.store.database import Database
from wallet_provisioning.store.signing import Signer
from wallet_provisioning.telemetry.events import Emit
from wallet_provisioning.telemetry.options import LogOptions, MetricOptions, TelemetryOptions
from wallet_provisioning.tree import TreeOptions

_READABLE = {"auto": None, "json": False, "text": True}


def description_of(settings: Settings, boot: UUID) -> str:
    """Return what an operator wants to know of a daemon that has started; it names no secret."""
    database = "PostgreSQL" if settings.database_url.startswith("postgres") else "SQLite"
    chains = ",".join(settings.served.names)
    return (
        f"wallet-provisioning {__version__} started as {boot}: Circle environment {settings.environment}, "
        f"chains {chains}, {settings.max_concurrency} job actors, {database}, "
        f"messages {'on' if settings.redis_url else 'off'}"
    )


def presence_of(settings: Settings, boot: UUID) -> Presence:
    """Return what the store is told of this daemon; the host's name is for people to read."""
    return Presence(
        boot_id=boot,
        version=__version__,
        environment=settings.environment.value,
        hostname=socket.gethostname(),
    )


def progress_options(settings: Settings) -> ProgressOptions:
    """Return what is expected of the actors' rounds."""
    is_postgresql = settings.database_url.startswith("postgres")
    return ProgressOptions(
        poll_interval=settings.poll_interval, lease=settings.lease, hears_itself=is_postgresql
    )


def telemetry_options(settings: Settings) -> TelemetryOptions:
    """Return how this process logs, measures and traces."""
    return TelemetryOptions(
        logs=LogOptions(
            level=settings.log_level, readable=_READABLE[settings.log_format], routes_libraries=True
        ),
        metrics=MetricOptions(
            entity_labels=settings.metrics_entity_labels,
            chains=tuple(chain.name for chain in settings.served),
            max_attempts=settings.max_attempts,
        ),
        service_name=settings.service_name,
        is_global=True,
    )


def api_options(settings: Settings) -> ApiOptions:
    """Return how the API listens and whom it lets in."""
    return ApiOptions(
        host=settings.admin_host,
        port=settings.admin_port,
        admin_token=_text(settings.admin_token),
        admin_read_token=_text(settings.admin_read_token),
        kyc_webhook_secret=_text(settings.kyc_webhook_secret),
        max_attempts=settings.max_attempts,
        registers_unknown=isinstance(settings.circle, SandboxCircle),
    )


def tree_options(settings: Settings, holder: UUID) -> TreeOptions:
    """Return what the tree is told."""
    return TreeOptions(
        holder=holder,
        max_concurrency=settings.max_concurrency,
        batch_size=settings.job_batch_size,
        poll_interval=settings.poll_interval,
        lease=settings.lease,
        job_timeout=settings.job_timeout,
        replay_window=settings.replay_window,
        include_retries=settings.enable_retries,
        backoff=settings.backoff,
        drain=settings.shutdown_timeout,
        wallet_set=wallet_set_options(settings),
        reconcile_interval=settings.reconcile_interval,
        housekeeping=Housekeeping(signer=signer_of(settings), sweeper=_sweeper_options(settings)),
    )


def signer_of(settings: Variables) -> Signer | None:
    """Return who signs the audit's seals, None where no key is set."""
    key = _text(settings.audit_signing_key)
    return None if key is None else Signer(key)


def _sweeper_options(settings: Settings) -> SweeperOptions | None:
    """Return what is deleted and when, None where everything is kept for ever."""
    jobs, audit = settings.retention_jobs or None, settings.retention_audit or None
    if jobs is None and audit is None:
        return None
    return SweeperOptions(jobs=jobs, audit=audit, signer=signer_of(settings))


def message_intake(
    settings: Settings,
    database: Database,
    clock: Clock,
    emit: Emit,
    accepted: Callable[[Accepted], None],
) -> MessageIntake | None:
    """Return what takes injected messages, None where no Redis is set."""
    if settings.redis_url is None:
        return None
    return MessageIntake(
        IntakeOptions(redis_url=settings.redis_url, max_attempts=settings.max_attempts),
        IntakeParts(database=database, served=settings.served, accepted=accepted, emit=emit, clock=clock),
    )


def _text(secret: SecretStr | None) -> str | None:
    return None if secret is None else secret.get_secret_value()
