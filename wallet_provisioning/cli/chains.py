"""`chains`: the chains of a daemon that runs, with their breakers."""

from collections.abc import Mapping
from typing import Any

import click

from wallet_provisioning.cli.admin import Admin, token_of, url_of
from wallet_provisioning.cli.exits import ExitCode
from wallet_provisioning.cli.output import show_json, show_table


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Write the API's answer.")
@click.option("--url", metavar="URL", help="The daemon's address; without it ADMIN_HOST and ADMIN_PORT.")
@click.option("--token", metavar="T", help="Without it ADMIN_READ_TOKEN or ADMIN_TOKEN.")
@click.pass_obj
def chains(environ: Mapping[str, str], *, as_json: bool, url: str | None, token: str | None) -> int:
    """Show each chain's breaker, who forces it, and what is under way.

    What a breaker measures is known to its daemon alone, so this asks one; exit code 3 where none answers.
    """
    answer = Admin(url or url_of(environ), token or token_of(environ)).get_list("/api/v1/admin/chains")
    if as_json:
        show_json(answer)
    else:
        columns = ("chain", "breaker", "since", "forced", "in flight", "waiting", "reason")
        show_table(columns, [_row(item) for item in answer["items"]])
    return ExitCode.DONE


def _row(item: Mapping[str, Any]) -> tuple[str, ...]:
    return (
        item["chain"],
        item["breaker"],
        item["opened_at"] or "",
        _forced(item["forced"]),
        str(item["in_flight"]),
        str(item["waiting"]),
        item["reason"] or "",
    )


def _forced(forced: Mapping[str, Any] | None) -> str:
    if forced is None:
        return ""
    until = f" until {forced['until']}" if forced["until"] else ""
    return f"{forced['state']} by {forced['by']}{until}, else {forced['measured']}"
