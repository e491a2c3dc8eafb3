"""`migrate`: brings the schema up, or says whether it is."""

from collections.abc import Mapping
from typing import assert_never

import click

from wallet_provisioning.cli.exits import ExitCode
from wallet_provisioning.cli.output import show_line
from wallet_provisioning.settings import StoreSettings
from wallet_provisioning.store import schema
from wallet_provisioning.store.schema import SchemaState

_USABLE = frozenset({SchemaState.CURRENT, SchemaState.NEWER})


@click.command()
@click.option("--check", is_flag=True, help="Change nothing; exit 1 where a daemon would refuse the schema.")
@click.pass_obj
def migrate(environ: Mapping[str, str], *, check: bool) -> int:
    """Bring the database's schema up to this version. It may run beside daemons that work."""
    url = StoreSettings.load(environ).database_url
    before = schema.schema_state(url)
    if check:
        show_line(describe(before))
        return ExitCode.DONE if before in _USABLE else ExitCode.FAILED
    if before in {SchemaState.NEWER, SchemaState.TOO_NEW}:
        show_line(describe(before))
        return ExitCode.DONE if before in _USABLE else ExitCode.FAILED
    schema.migrate(url)
    show_line(describe(before) if before is SchemaState.CURRENT else "the schema was brought up to date")
    return ExitCode.DONE


def describe(state: SchemaState) -> str:
    """Return how the schema stands, and what can be done."""
    match state:
        case SchemaState.CURRENT:
            return "the schema is up to date"
        case SchemaState.OLDER:
            return "the schema is older than this program; run `wallet-provisioning migrate`"
        case SchemaState.NEWER:
            return "the schema is newer than this program, which can still work with it"
        case SchemaState.TOO_NEW:
            return "the schema is too new for this program; update the program"
        case SchemaState.ABSENT:
            return "there is no schema yet; run `wallet-provisioning migrate`"
    assert_never(state)
