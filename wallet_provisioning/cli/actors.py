"""`actors`: the tree of a daemon that runs."""

import json
from collections.abc import Callable, Mapping
from threading import Event
from typing import Any

import click
from rich.live import Live

from wallet_provisioning.cli.actortree import actor_tree
from wallet_provisioning.cli.admin import Admin, token_of, url_of
from wallet_provisioning.cli.exits import ExitCode
from wallet_provisioning.cli.output import console, show_json, show_line

_EVERY = 1.0

Look = Callable[[], dict[str, Any]]


@click.command()
@click.option("--watch", is_flag=True, help="Look again every second, until Ctrl-C.")
@click.option(
    "--json", "as_json", is_flag=True, help="Write the API's answer; with --watch a line each time."
)
@click.option("--url", metavar="URL", help="The daemon's address; without it ADMIN_HOST and ADMIN_PORT.")
@click.option("--token", metavar="T", help="Without it ADMIN_READ_TOKEN or ADMIN_TOKEN.")
@click.pass_obj
def actors(
    environ: Mapping[str, str], *, watch: bool, as_json: bool, url: str | None, token: str | None
) -> int:
    """Show the tree of a running daemon: who runs, waits, hangs or was suspended, and last crashes.

    Exit code 3 where no daemon can be reached.
    """
    admin = Admin(url or url_of(environ), token or token_of(environ))

    def look() -> dict[str, Any]:
        return admin.get_list("/api/v1/admin/actors")

    if watch:
        _watch(look, as_json=as_json)
    elif as_json:
        show_json(look())
    else:
        console().print(actor_tree(look()["items"]))
    return ExitCode.DONE


def _watch(look: Look, *, as_json: bool) -> None:
    never = Event()
    try:
        if as_json:
            while True:
                show_line(json.dumps(look(), ensure_ascii=False))
                never.wait(_EVERY)
        with Live(actor_tree(look()["items"]), console=console(), auto_refresh=False) as live:
            while True:
                never.wait(_EVERY)
                live.update(actor_tree(look()["items"]), refresh=True)
    except KeyboardInterrupt:  # how a watch ends
        return
