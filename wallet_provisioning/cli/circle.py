"""Reaching Circle for one command: the real one, or the sandbox that a daemon would start."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from uuid import uuid4

from wallet_provisioning.cli.exits import CommandError, ExitCode
from wallet_provisioning.clock import SystemClock
from wallet_provisioning.daemon.budget import circle_budget
from wallet_provisioning.daemon.circle import (
    circle_client,
    real_account,
    sandbox_account,
    sandbox_process,
)
from wallet_provisioning.http.circle.account import Account
from wallet_provisioning.http.circle.client import CircleClient
from wallet_provisioning.http.sandbox.errors import SandboxError
from wallet_provisioning.settings import RealCircle, Settings
from wallet_provisioning.store.database import Database
from wallet_provisioning.telemetry.events import unheard

# Beside daemons whose budget isn't shared over Redis a command takes at most half of it.
_WITH_ANOTHER = 2
_ONE_USER = (
    "The built-in sandbox has one user at a time: stop the daemon first, or run the command `sandbox` by "
    "itself and point both at it with CIRCLE_BASE_URL."
)


@asynccontextmanager
async def open_circle(settings: Settings, database: Database) -> AsyncIterator[CircleClient]:
    """Open a client within the account's budget, and close it at the end.

    The built-in sandbox has one user: while a daemon runs it, this raises `CommandError`.
    """
    clock = SystemClock()
    async with AsyncExitStack() as stack:
        account = await _open_account(settings, stack)
        budget = circle_budget(settings, account, database=database, boot=uuid4(), clock=clock, emit=unheard)
        if settings.redis_url is None:
            budget.share_between(_WITH_ANOTHER)
        client = circle_client(account, budget, clock, unheard)
        stack.push_async_callback(client.aclose)
        yield client


async def _open_account(settings: Settings, stack: AsyncExitStack) -> Account:
    if isinstance(settings.circle, RealCircle):
        return real_account(settings.circle, settings)
    sandbox = sandbox_process(settings, SystemClock(), unheard)
    stack.push_async_callback(sandbox.stop)
    try:
        return sandbox_account(await sandbox.start(), settings)
    except SandboxError as error:
        raise CommandError(ExitCode.UNREACHABLE, str(error), _ONE_USER) from error
