"""`resume`: daemons claim jobs again."""

from collections.abc import Mapping
from functools import partial

import click

from wallet_provisioning.cli.exits import ExitCode
from wallet_provisioning.cli.orders import JSON_HELP, give
from wallet_provisioning.cli.output import say
from wallet_provisioning.cli.parameters import REASON
from wallet_provisioning.store.controls import CLAIMING, withdraw_order


@click.command()
@click.option("--reason", type=REASON, help="Why; it is audited.")
@click.option("--json", "as_json", is_flag=True, help=JSON_HELP)
@click.pass_obj
def resume(environ: Mapping[str, str], *, reason: str | None, as_json: bool) -> int:
    """Let the daemons on the database claim jobs again. Holds of the program itself stay."""
    steps = partial(withdraw_order, kind=CLAIMING, reason=reason)
    if give(environ, "resume_claiming", steps, as_json=as_json) is None:
        say("nothing was paused")
    return ExitCode.DONE
