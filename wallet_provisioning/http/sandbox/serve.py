"""Running a sandbox in this process: listening, until told to end."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from aiohttp import web

from wallet_provisioning.clock import Clock
from wallet_provisioning.http.sandbox.app import create_app
from wallet_provisioning.http.sandbox.errors import PortTakenError
from wallet_provisioning.http.sandbox.options import SandboxOptions
from wallet_provisioning.telemetry.events import Emit, unheard

_SHUTDOWN_SECONDS = 1.0


async def serve(
    options: SandboxOptions,
    *,
    ready: Callable[[str], None],
    until: Awaitable[object],
    clock: Clock | None = None,
    emit: Emit = unheard,
) -> None:
    """Serve until `until` is done, and tell `ready` the base URL once calls are answered.

    Raises a `SandboxError` where it can't start. Calls in flight at the end have one second.
    """
    app = create_app(options, clock=clock, emit=emit)
    async with listening(app, options) as base_url:
        ready(base_url)
        await until


@asynccontextmanager
async def listening(app: web.Application, options: SandboxOptions) -> AsyncIterator[str]:
    """Serve an application inside the block, which is given the base URL; raises `SandboxError`."""
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=_SHUTDOWN_SECONDS)
    try:
        await runner.setup()
        await _listen(runner, options)
        host, port = runner.addresses[0][:2]
        yield f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
    finally:
        await runner.cleanup()


async def _listen(runner: web.AppRunner, options: SandboxOptions) -> None:
    try:
        await web.TCPSite(runner, options.host, options.port).start()
    except (OSError, OverflowError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise PortTakenError(host=options.host, port=options.port, why=why) from error
