"""The probes of `check`: each reaches one thing that a daemon needs, and says how it is."""

import asyncio
import os
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

from wallet_provisioning.cli.exits import ExitCode
from wallet_provisioning.cli.failures import exit_code_of, lines_of
from wallet_provisioning.cli.findings import Finding
from wallet_provisioning.cli.migrate import describe
from wallet_provisioning.cli.opening import connect
from wallet_provisioning.clock import SystemClock
from wallet_provisioning.http.circle.account import Account
from wallet_provisioning.http.circle.answers import CallFailed, Certainty
from wallet_provisioning.http.circle.budget import Budget, BudgetOptions
from wallet_provisioning.http.circle.client import CircleClient
from wallet_provisioning.intake.broker import InvalidRedisUrlError
from wallet_provisioning.intake.ping import ping
from wallet_provisioning.settings import RealCircle, SandboxCircle, Settings
from wallet_provisioning.store.errors import StoreError
from wallet_provisioning.store.schema import SchemaState, schema_state
from wallet_provisioning.store.stamp import read_stamp
from wallet_provisioning.store.urls import sqlite_file
from wallet_provisioning.telemetry.events import unheard

_TO_DO = {
    SchemaState.ABSENT: "run migrate",
    SchemaState.OLDER: "run migrate",
    SchemaState.TOO_NEW: "update",
}


def probe_database(settings: Settings) -> Finding:
    """Reach the database, look at its schema and its stamp. Creates nothing, not even the file."""
    place = _place_of(settings.database_url)
    try:
        state = schema_state(settings.database_url)
        file = sqlite_file(settings.database_url)
        if state is SchemaState.ABSENT and file is not None:
            return _judge_folder(file, place)
        if state in _TO_DO:
            return Finding(
                name="database",
                detail=f"{place}: {describe(state)}",
                code=ExitCode.UNREACHABLE,
                says=_TO_DO[state],
            )
        if file is not None and not (os.access(file, os.W_OK) and os.access(file.parent, os.W_OK | os.X_OK)):
            told = "this user can't write to the file or to its folder; let it"
            return Finding(name="database", detail=f"{place}: {told}", code=ExitCode.UNREACHABLE)
        return _judge_stamp(settings, f"{place}: {describe(state)}")
    except StoreError as error:
        return Finding(name="database", detail=f"{place}: {lines_of(error)[0]}", code=exit_code_of(error))


def _judge_folder(file: Path, place: str) -> Finding:
    """Say whether the daemon could make its file, which isn't there yet or is empty."""
    if os.access(file.parent, os.W_OK | os.X_OK):
        return Finding(name="database", detail=f"{place}: the daemon makes it when it starts")
    told = "its folder isn't there or isn't writable; make it, or name another file in DATABASE_URL"
    return Finding(name="database", detail=f"{place}: {told}", code=ExitCode.UNREACHABLE)


def _judge_stamp(settings: Settings, detail: str) -> Finding:
    """Say whether the database belongs to the environment and the wallet set of the settings."""
    with closing(connect(settings)) as database, database.read() as connection:
        stamp = read_stamp(connection)
    if stamp is None:
        return Finding(name="database", detail=f"{detail}, no daemon has used it yet")
    if stamp.environment != settings.environment:
        whose = f"belongs to the {stamp.environment} environment"
        return Finding(name="database", detail=f"{detail}, but it {whose}", code=ExitCode.WRONG)
    if settings.circle_wallet_set_id not in {None, stamp.wallet_set_id} and stamp.wallet_set_id is not None:
        whose = f"belongs to wallet set {stamp.wallet_set_id}"
        return Finding(name="database", detail=f"{detail}, but it {whose}", code=ExitCode.WRONG)
    return Finding(name="database", detail=detail)


def _place_of(url: str) -> str:
    """Return the part of a URL that says where something is: no user, no password, no options."""
    parts = urlsplit(url)
    port = "" if parts.port is None else f":{parts.port}"
    return f"{parts.scheme}://{parts.hostname or ''}{port}{parts.path}"


def probe_redis(settings: Settings) -> Finding:
    """Reach Redis, where the settings name one."""
    if settings.redis_url is None:
        return Finding(name="redis", detail="REDIS_URL is unset: no messages are taken")
    place = _place_of(settings.redis_url)
    try:
        fault = ping(settings.redis_url)
    except InvalidRedisUrlError as error:
        return Finding(name="redis", detail=str(error), code=ExitCode.WRONG)
    if fault is None:
        return Finding(name="redis", detail=f"{place} answers")
    return Finding(name="redis", detail=f"{place}: {fault}", code=ExitCode.UNREACHABLE)


def probe_circle(settings: Settings) -> Finding:
    """Reach Circle with the key and see the wallet set. Creates nothing."""
    match settings.circle:
        case SandboxCircle():
            return Finding(name="circle", detail="built-in sandbox, started by the daemon: made-up wallets")
        case RealCircle() as circle:
            return _judge_circle(circle, asyncio.run(_call_circle(settings, circle)))


async def _call_circle(settings: Settings, circle: RealCircle) -> CallFailed | None:
    """Return the first call that fails: is Circle there, does it take the key, is there the wallet set."""
    clock = SystemClock()
    budget = Budget(BudgetOptions(gets=settings.circle_get_rate), clock=clock)
    client = CircleClient(_account(circle), clock=clock, budget=budget, emit=unheard)
    try:
        failed = await client.ping() or await client.check_access()
        if failed is None and circle.wallet_set_id is not None:
            failed = await client.check_wallet_set(circle.wallet_set_id)
        return failed
    finally:
        await client.aclose()


def _account(circle: RealCircle) -> Account:
    return Account(
        base_url=circle.base_url,
        api_key=circle.api_key.get_secret_value(),
        entity_secret=circle.entity_secret.get_secret_value(),
    )


def _judge_circle(circle: RealCircle, failed: CallFailed | None) -> Finding:
    if failed is None:
        seen = (
            "it takes the key"
            if circle.wallet_set_id is None
            else "it takes the key and knows the wallet set"
        )
        return Finding(name="circle", detail=f"{circle.base_url}: {seen}")
    is_refusal = failed.certainty is Certainty.REFUSED
    return Finding(
        name="circle",
        detail=f"{circle.base_url}: {failed.message}",
        code=ExitCode.FAILED if is_refusal else ExitCode.UNREACHABLE,
    )
