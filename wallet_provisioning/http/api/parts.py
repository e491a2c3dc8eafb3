"""What the server is made of, and the typed keys under which handlers find it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

from aiohttp import web
from opentelemetry import trace
from opentelemetry.trace import Tracer

from wallet_provisioning.clock import Clock
from wallet_provisioning.http.api.control import Control
from wallet_provisioning.jobs.chains import Served
from wallet_provisioning.store.database import Database
from wallet_provisioning.telemetry.events import Emit, unheard

Exposition = Callable[[], tuple[str, bytes]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiOptions:
    """How the server listens, whom it lets in, and what it accepts.

    `registers_unknown` registers an unknown `provider_ref` on the fly, as the sandbox does. `drain`
    bounds how long a stop waits for requests in hand; `threads` how many store calls run at once, and
    `backlog` how many may be under way or waiting before callers are told to come back.
    """

    host: str = "127.0.0.1"
    port: int = 8080
    admin_token: str | None = field(default=None, repr=False)
    admin_read_token: str | None = field(default=None, repr=False)
    kyc_webhook_secret: str | None = field(default=None, repr=False)
    max_attempts: int = 5
    registers_unknown: bool = False
    drain: timedelta = timedelta(seconds=10)
    threads: int = 8
    backlog: int = 512
    store_deadline: timedelta = timedelta(seconds=15)

    @property
    def has_tokens(self) -> bool:
        """Whether operators must show a token; without any, only loopback peers are served."""
        return self.admin_token is not None or self.admin_read_token is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """Everything that the server needs from below and beside.

    `exposition` returns the content type and text of a Prometheus scrape; it is called in a thread.
    """

    database: Database
    control: Control
    chains: Served
    clock: Clock
    exposition: Exposition
    options: ApiOptions = ApiOptions()
    emit: Emit = unheard
    tracer: Tracer = field(default_factory=lambda: trace.get_tracer("wallet-provisioning-worker"))


PARTS: web.AppKey[Parts] = web.AppKey("parts", Parts)
