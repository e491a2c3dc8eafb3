"""The sandbox as an aiohttp application. What it holds is opened at startup and closed at cleanup."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from random import Random, SystemRandom
from uuid import uuid4

from aiohttp import web

from wallet_provisioning.clock import Clock, SystemClock
from wallet_provisioning.http.sandbox.access import Access
from wallet_provisioning.http.sandbox.custody import Custody
from wallet_provisioning.http.sandbox.errors import StateTakenError
from wallet_provisioning.http.sandbox.faults import Faults
from wallet_provisioning.http.sandbox.gates import Gates
from wallet_provisioning.http.sandbox.keys import (
    ACCESS,
    CLOCK,
    EMIT,
    FAULTS,
    GATES,
    KEY_PAIR,
    LIMITS,
    OPTIONS,
    STATE,
    WRITES,
)
from wallet_provisioning.http.sandbox.ledger import Ledger, Memory
from wallet_provisioning.http.sandbox.limits import Limits
from wallet_provisioning.http.sandbox.middlewares import MIDDLEWARES, name_answer
from wallet_provisioning.http.sandbox.options import SandboxOptions
from wallet_provisioning.http.sandbox.records import CredentialsMade, KeyPairMade
from wallet_provisioning.http.sandbox.routes import ROUTES
from wallet_provisioning.http.sandbox.secret import KeyPair, make_private_pem
from wallet_provisioning.http.sandbox.state import State
from wallet_provisioning.http.sandbox.writes import WriteService
from wallet_provisioning.telemetry.events import Emit, unheard

_LARGEST_BODY = 1024 * 1024
_LOCK_POLL = timedelta(milliseconds=20)
_SECRET_BYTES = 32
_KEY_SECRET_BYTES = 16


def create_app(
    options: SandboxOptions,
    *,
    clock: Clock | None = None,
    chance: Random | None = None,
    emit: Emit = unheard,
) -> web.Application:
    """Return the application. Its startup raises the `SandboxError` that says why it can't run."""
    app = web.Application(middlewares=MIDDLEWARES, client_max_size=_LARGEST_BODY)
    chance = chance or SystemRandom()
    app[OPTIONS] = options
    app[CLOCK] = clock or SystemClock()
    app[EMIT] = emit
    app[LIMITS] = Limits()
    app[FAULTS] = Faults(chance)
    app[FAULTS].replace(options.faults, options.seed)
    app[GATES] = Gates()
    app.add_routes(ROUTES)
    app.on_response_prepare.append(name_answer)
    app.on_shutdown.append(_let_all_go)
    app.cleanup_ctx.append(_opened_state)
    app.cleanup_ctx.append(lambda app: _opened_desk(app, chance))
    return app


async def _let_all_go(app: web.Application) -> None:
    app[GATES].open_all()


async def _opened_state(app: web.Application) -> AsyncIterator[None]:
    options = app[OPTIONS]
    state = app[STATE] = await _open_state(options, app[CLOCK])
    try:
        if state.key_pair is None:
            state.write(KeyPairMade(private_pem=await asyncio.to_thread(make_private_pem)))
        if options.generates_credentials and state.credentials is None:
            state.write(_new_credentials())
        await state.settle()
        yield
        await state.settle()
    finally:
        state.close()


async def _open_state(options: SandboxOptions, clock: Clock) -> State:
    """Open the state, waiting for another holder as long as the options allow."""
    give_up_at = clock.monotonic() + options.lock_wait
    while True:
        state = State(Memory() if options.state is None else Ledger(options.state))
        try:
            state.open()
        except StateTakenError:
            if clock.monotonic() >= give_up_at:
                raise
            await asyncio.sleep(_LOCK_POLL.total_seconds())
        else:
            return state


async def _opened_desk(app: web.Application, chance: Random) -> AsyncIterator[None]:
    options, state = app[OPTIONS], app[STATE]
    app[ACCESS] = _access(options, state)
    app[KEY_PAIR] = KeyPair(_present(state.key_pair).private_pem)
    custody = Custody(
        state,
        app[KEY_PAIR],
        entity_secret=app[ACCESS].entity_secret,
        registers_first=options.registers_first_secret,
        emit=app[EMIT],
    )
    app[WRITES] = WriteService(state, custody, options, clock=app[CLOCK], chance=chance)
    yield


def _access(options: SandboxOptions, state: State) -> Access:
    """Return the given key and secret, else the generated ones where those are wanted."""
    made = state.credentials if options.generates_credentials else None
    return Access(
        api_key=options.api_key or (made.api_key if made else None),
        entity_secret=options.entity_secret or (made.entity_secret if made else None),
    )


def _present(key_pair: KeyPairMade | None) -> KeyPairMade:
    if key_pair is None:
        msg = "the state was opened without a key pair"
        raise RuntimeError(msg)
    return key_pair


def _new_credentials() -> CredentialsMade:
    """Draw credentials; they are secrets, so their chance is always the system's."""
    chance = SystemRandom()
    return CredentialsMade(
        api_key=f"TEST_API_KEY:{uuid4()}:{chance.randbytes(_KEY_SECRET_BYTES).hex()}",
        entity_secret=chance.randbytes(_SECRET_BYTES).hex(),
    )
