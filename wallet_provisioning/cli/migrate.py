"""`migrate`: brings the schema up, or says whether it is."""

from collections.abc import Mapping
from typing import assert_never

import click

from wallet_provisioning.cli.exits import ExitCode
from wallet_provisioning.cli.output import show_line
from wallet_provisioning.settings import StoreSettings
from wallet_provisioning.store import schema
from wallet_provisioning.store.schema import SchemaState


@click.command()
@click.option("--check", is_flag=True, help="Change nothing; exit 1 where the schema isn't current.")
@click.pass_obj
def migrate(environ: Mapping[str, str], *, check: bool) -> int:
    """Bring the database's schema up to this version. It may run beside daemons that work."""
    url = StoreSettings.load(environ).database_url
    before = schema.schema_state(url)
    if check:
        show_line(describe(before))
        return ExitCode.DONE if before is SchemaState.CURRENT else ExitCode.FAILED
    if before in {SchemaState.ABSENT, SchemaState.OLDER}:
        schema.migrate(url)
        show_line("the schema was brought up to date")
    else:
        show_line(describe(before))
    return ExitCode.DONE


def describe(state: SchemaState) -> str:
    """Return how the schema stands, and what can be done."""
    match state:
        case SchemaState.CURRENT:
            return "the schema is up to date"
        case SchemaState.OLDER:
            return "the schema is older than this program; run `wallet-provisioning migrate`"
        case SchemaState.NEWER:
            return "the schema is newer than this program; update the program"
        case SchemaState.ABSENT:
            return "there is no schema yet; run `wallet-provisioning migrate`"
    assert_never(state)
