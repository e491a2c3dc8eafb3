"""The program: its commands, and how every failure becomes an exit code and a line on stderr."""

import os
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import cast

import click

from wallet_provisioning import __version__
from wallet_provisioning.cli.exits import ExitCode
from wallet_provisioning.cli.failures import FAILURES, exit_code_of, lines_of
from wallet_provisioning.cli.output import say
from wallet_provisioning.cli.streams import guarded_streams

NAME = "wallet-provisioning"
COMMANDS = (
    "daemon",
    "sandbox",
    "migrate",
    "provision",
    "check",
    "reconcile",
    "wallet-set",
    "actors",
    "chains",
    "breaker",
    "pause",
    "resume",
    "audit",
    "chaos",
)


class Commands(click.Group):
    """The commands, each a module of its own that is loaded when it is asked for.

    A daemon's parts take a second to load, which `migrate` in a deployment shouldn't wait for.
    """

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's name, a keyword too
        """Return the names in the order in which a newcomer meets them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Return a command by its name, None where there is none."""
        if cmd_name not in COMMANDS:
            return None
        name = cmd_name.replace("-", "")
        module = import_module(f"wallet_provisioning.cli.{name}")
        return cast("click.Command", getattr(module, name))


@click.group(
    name=NAME,
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, prog_name=NAME)
def program() -> None:
    """Custodial wallets at Circle, one per user and blockchain, exactly once, whatever crashes."""


def main(arguments: Sequence[str] | None = None, environ: Mapping[str, str] | None = None) -> int:
    """Run a command line and return its exit code; None means the process's own arguments and environment."""
    with guarded_streams():
        return _run(arguments, os.environ if environ is None else environ)


def _run(arguments: Sequence[str] | None, environ: Mapping[str, str]) -> int:
    try:
        result = program.main(args=arguments, prog_name=NAME, standalone_mode=False, obj=environ)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except click.Abort:
        return ExitCode.INTERRUPTED
    except FAILURES as failure:
        say(*lines_of(failure))
        return exit_code_of(failure)
    return int(result or ExitCode.DONE)
