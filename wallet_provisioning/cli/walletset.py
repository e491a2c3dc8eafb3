"""`wallet-set`: the one set that all wallets of a database live in."""

import asyncio
from collections.abc import Mapping
from uuid import UUID

import click

from wallet_provisioning.actors.walletset import Prepared, WalletSet
from wallet_provisioning.cli.circle import open_circle
from wallet_provisioning.cli.exits import CommandError, ExitCode
from wallet_provisioning.cli.opening import open_store
from wallet_provisioning.cli.output import show_json, show_line
from wallet_provisioning.cli.parameters import NAME, REASON
from wallet_provisioning.daemon.circle import wallet_set_options
from wallet_provisioning.http.circle.answers import CallFailed, Certainty
from wallet_provisioning.settings import Settings
from wallet_provisioning.store.database import Database
from wallet_provisioning.store.stamp import (
    read_stamp,
    require_environment,
    require_wallet_set,
    stamp_environment,
)
from wallet_provisioning.store.wallet_set_change import change_wallet_set

_NO_CHAIN = "-"


@click.group(name="wallet-set")
def walletset() -> None:
    """Make, show or change the wallet set that all wallets of this database live in."""


@walletset.command()
@click.option("--name", type=NAME, help="Its name at Circle; without it the one that every daemon would use.")
@click.option("--sandbox", is_flag=True, help="In the built-in sandbox; no daemon may run it now.")
@click.option("--json", "as_json", is_flag=True, help="Write an object.")
@click.pass_obj
def create(environ: Mapping[str, str], *, name: str | None, sandbox: bool, as_json: bool) -> int:
    """Have Circle make the set, once: a repeat returns the same one.

    Under a LIVE key no daemon does this by itself. A set that CIRCLE_WALLET_SET_ID names is only looked at.
    """
    settings = Settings.load(environ, sandbox=sandbox)
    with open_store(settings) as database:
        with database.write("cli", "wallet_set_create") as tx:
            stamp_environment(tx, settings.environment.value, None)
            require_wallet_set(tx, settings.circle_wallet_set_id)
        wallet_set_id = asyncio.run(_create(database, settings, name))
    _show(wallet_set_id, settings, as_json=as_json)
    return ExitCode.DONE


@walletset.command()
@click.option("--sandbox", is_flag=True, help="In the built-in sandbox; no daemon may run it now.")
@click.option("--json", "as_json", is_flag=True, help="Write an object.")
@click.pass_obj
def show(environ: Mapping[str, str], *, sandbox: bool, as_json: bool) -> int:
    """Show the set of this database, and whether Circle knows it: exit 1 where there is none."""
    settings = Settings.load(environ, sandbox=sandbox)
    with open_store(settings) as database:
        with database.read() as connection:
            stamp = read_stamp(connection)
        if stamp is not None:
            require_environment(stamp, settings.environment)
        stamped = None if stamp is None else stamp.wallet_set_id
        wallet_set_id = stamped or settings.circle_wallet_set_id
        if wallet_set_id is None:
            raise CommandError(ExitCode.FAILED, "there is no wallet set yet; see `wallet-set create`")
        _judge(asyncio.run(_look(database, settings, wallet_set_id)))
    _show(wallet_set_id, settings, as_json=as_json)
    return ExitCode.DONE


@walletset.command()
@click.option("--reason", type=REASON, required=True, help="Why; it is audited.")
@click.option("--sandbox", is_flag=True, help="In the built-in sandbox; no daemon may run it now.")
@click.option("--json", "as_json", is_flag=True, help="Write an object.")
@click.pass_obj
def change(environ: Mapping[str, str], *, reason: str, sandbox: bool, as_json: bool) -> int:
    """Let this database belong to the set that CIRCLE_WALLET_SET_ID names from now on.

    Only while no wallet was made, and none may have been, in the set that it belongs to, and no daemon runs.
    """
    settings = Settings.load(environ, sandbox=sandbox)
    wallet_set_id = settings.circle_wallet_set_id
    if wallet_set_id is None:
        raise CommandError(ExitCode.WRONG, "set CIRCLE_WALLET_SET_ID to the wallet set that shall be used")
    with open_store(settings) as database:
        with database.write("cli", "wallet_set_change") as tx:
            stamp_environment(tx, settings.environment.value, None)
        _judge(asyncio.run(_look(database, settings, wallet_set_id)))
        with database.write("cli", "wallet_set_change") as tx:
            change_wallet_set(tx, wallet_set_id, reason=reason)
    _show(wallet_set_id, settings, as_json=as_json)
    return ExitCode.DONE


async def _create(database: Database, settings: Settings, name: str | None) -> UUID:
    given = wallet_set_options(settings)
    options = type(given)(environment=given.environment, name=name or given.name, named=given.named)
    async with open_circle(settings, database) as client:
        wallet_set = WalletSet("cli", database, options, client)
        while not wallet_set.is_ready:
            wallet_set.look_up()
            prepared = await wallet_set.prepare(client, _NO_CHAIN)
            if not isinstance(prepared, Prepared):
                _judge(prepared)
                continue
            wallet_set.take(prepared)
    found = wallet_set.find()
    if found is None:  # it is ready
        raise AssertionError
    return found


async def _look(database: Database, settings: Settings, wallet_set_id: UUID) -> CallFailed | None:
    async with open_circle(settings, database) as client:
        return await client.check_wallet_set(wallet_set_id)


def _judge(failed: CallFailed | None) -> None:
    if failed is None:
        return
    is_refusal = failed.certainty is Certainty.REFUSED
    raise CommandError(ExitCode.FAILED if is_refusal else ExitCode.UNREACHABLE, failed.message)


def _show(wallet_set_id: UUID, settings: Settings, *, as_json: bool) -> None:
    if as_json:
        show_json({"wallet_set_id": str(wallet_set_id), "environment": settings.environment.value})
    else:
        show_line(f"wallet set {wallet_set_id}, Circle environment {settings.environment}")
