"""`pause`: no daemon claims a job until `resume`."""

from collections.abc import Mapping
from datetime import timedelta
from functools import partial

import click

from wallet_provisioning.cli.exits import ExitCode
from wallet_provisioning.cli.orders import JSON_HELP, give
from wallet_provisioning.cli.parameters import ORDER_LENGTH, REASON
from wallet_provisioning.store.controls import CLAIMING, OrderState, place_order


@click.command()
@click.option("--reason", required=True, type=REASON, help="Why; it is audited, and shown with the order.")
@click.option("--for", "lasts", type=ORDER_LENGTH, metavar="2h", help="Until when; else until `resume`.")
@click.option("--json", "as_json", is_flag=True, help=JSON_HELP)
@click.pass_obj
def pause(environ: Mapping[str, str], *, reason: str, lasts: timedelta | None, as_json: bool) -> int:
    """Have no daemon on the database claim jobs; they are accepted, and what is in hand goes on."""
    steps = partial(place_order, kind=CLAIMING, state=OrderState.PAUSED, reason=reason, until=lasts)
    give(environ, "pause_claiming", steps, as_json=as_json)
    return ExitCode.DONE
