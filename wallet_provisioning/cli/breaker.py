"""`breaker`: forces a chain's breaker open or closed, or gives it back to what it measures."""

from collections.abc import Mapping
from datetime import timedelta
from functools import partial

import click

from wallet_provisioning.cli.exits import CommandError, ExitCode
from wallet_provisioning.cli.orders import JSON_HELP, give
from wallet_provisioning.cli.output import say
from wallet_provisioning.cli.parameters import ORDER_LENGTH, REASON
from wallet_provisioning.settings import StoreSettings
from wallet_provisioning.store.controls import BREAKER, EVERYTHING, OrderState, place_order, withdraw_order

_AUTO = "auto"


@click.command()
@click.argument("chain")
@click.argument("state", type=click.Choice(["open", "closed", _AUTO]))
@click.option("--reason", type=REASON, help="Why; it is audited, and the jobs that wait say it.")
@click.option("--for", "lasts", type=ORDER_LENGTH, metavar="2h", help="Until when; else until `auto`.")
@click.option("--json", "as_json", is_flag=True, help=JSON_HELP)
@click.pass_obj
def breaker(
    environ: Mapping[str, str],
    *,
    chain: str,
    state: str,
    reason: str | None,
    lasts: timedelta | None,
    as_json: bool,
) -> int:
    """Force the breaker of CHAIN open (no call), closed (every call), or leave it to itself (auto).

    CHAIN may be `*` for every chain. Every daemon on the database obeys, also one that starts later.
    """
    if state == _AUTO:
        if lasts is not None:
            msg = "--for goes with open and closed; auto has no end"
            raise click.UsageError(msg)
        steps = partial(withdraw_order, kind=BREAKER, subject=chain, reason=reason)
        if give(environ, "breaker_auto", steps, as_json=as_json) is None:
            say(f"no order stood for {chain}")
        return ExitCode.DONE
    if not reason:
        msg = "say why with --reason: the jobs that wait and the audit tell it"
        raise click.UsageError(msg)
    _require_chain(environ, chain)
    forced = partial(
        place_order, kind=BREAKER, subject=chain, state=OrderState(state), reason=reason, until=lasts
    )
    give(environ, f"breaker_{state}", forced, as_json=as_json)
    return ExitCode.DONE


def _require_chain(environ: Mapping[str, str], chain: str) -> None:
    chains = StoreSettings.load(environ).chains
    if chain != EVERYTHING and chain not in chains:
        line = f"{chain} is not among WORKER_CHAINS: {', '.join(chains)}; * is every chain"
        raise CommandError(ExitCode.WRONG, line)
