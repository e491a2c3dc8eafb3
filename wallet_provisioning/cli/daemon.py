"""`daemon`: everything in one process."""

from collections.abc import Mapping

import click

from wallet_provisioning.cli.exits import CommandError, ExitCode
from wallet_provisioning.cli.output import say, show_line
from wallet_provisioning.cli.signals import until_signalled
from wallet_provisioning.cli.streams import StdoutLostError
from wallet_provisioning.daemon import run_daemon
from wallet_provisioning.intake.broker import InvalidRedisUrlError
from wallet_provisioning.settings import Settings
from wallet_provisioning.telemetry.exporting import OtelSettingsError


@click.command()
@click.option("--sandbox", is_flag=True, help="Speak to the built-in Circle sandbox: made-up wallets.")
@click.pass_obj
def daemon(environ: Mapping[str, str], *, sandbox: bool) -> int:
    """Run everything in one process: scheduler, actors, admin HTTP with its dashboard.

    Settings come from the environment; .env.example lists them. The first SIGINT or SIGTERM drains,
    the second ends at once.
    """
    settings = Settings.load(environ, sandbox=sandbox)
    try:
        return run_daemon(settings, until_signalled=until_signalled, announce=_announce)
    except (InvalidRedisUrlError, OtelSettingsError) as error:
        raise CommandError(ExitCode.WRONG, str(error)) from error


def _announce(url: str) -> None:
    """Tell where the dashboard is. A daemon that works goes on where nobody can read that."""
    try:
        show_line(f"dashboard at {url}")
    except StdoutLostError:
        say(f"dashboard at {url}")
