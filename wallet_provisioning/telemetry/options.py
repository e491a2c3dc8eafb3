"""What can be chosen about telemetry. The defaults are those of a daemon without any setting."""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TextIO

SERVICE_NAME = "wallet-provisioning-worker"


@dataclass(frozen=True, slots=True, kw_only=True)
class LogOptions:
    """How lines are written.

    `level` is the lowest that is written. `stream` None means stderr, `readable` None means: coloured
    lines on a terminal, JSON elsewhere. `backlog` is how many lines may wait for a slow reader before
    further ones are dropped and counted. `routes_libraries` sends the lines of the standard library's
    logging here too; it acts on the whole process, so only the program itself asks for it.
    """

    level: str = "info"
    stream: TextIO | None = None
    readable: bool | None = None
    backlog: int = 10_000
    routes_libraries: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricOptions:
    """How metrics are labelled.

    `entity_labels` says whether `job.id` and `user.id` are written at all; `entity_limit` is how many
    of them one metric keeps apart. `chains` and `max_attempts` say which series there will be without
    them, so that these start at 0.
    """

    entity_labels: bool = True
    entity_limit: int = 2_000
    chains: tuple[str, ...] = ()
    max_attempts: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class TelemetryOptions:
    """Everything about telemetry that the `OTEL_` variables don't say themselves.

    `service_name` holds where they name none. `is_global` makes the tracer provider the process's own,
    which the OpenTelemetry API allows once. `exports` False sends nothing to a collector, whatever the
    environment says. `flush_timeout` bounds how long the end may take.
    """

    logs: LogOptions = field(default_factory=LogOptions)
    metrics: MetricOptions = field(default_factory=MetricOptions)
    service_name: str = SERVICE_NAME
    is_global: bool = False
    exports: bool = True
    flush_timeout: timedelta = timedelta(seconds=5)
