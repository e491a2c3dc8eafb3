"""`audit`: verifies the sealed audit, exports it, and makes the keys that sign it."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from uuid import UUID

import click
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from wallet_provisioning.cli.exits import CommandError, ExitCode
from wallet_provisioning.cli.migrate import describe
from wallet_provisioning.cli.opening import connect
from wallet_provisioning.cli.output import console, say, show_json, show_line
from wallet_provisioning.cli.parameters import HEAD, TIME
from wallet_provisioning.settings import StoreSettings, Variables
from wallet_provisioning.store.database import Database
from wallet_provisioning.store.exporting import ExportFilter, export_audit
from wallet_provisioning.store.schema import SchemaState, schema_state
from wallet_provisioning.store.seals import count_sealed
from wallet_provisioning.store.signing import Signer, new_secret_key, require_key
from wallet_provisioning.store.verifying import Verified, verify_audit

_READY = {SchemaState.CURRENT, SchemaState.NEWER}


@click.group()
def audit() -> None:
    """Verify, export and sign the audit trail."""


@audit.command()
@click.option(
    "--head", type=HEAD, metavar="HEX", help="A head from a log or an export, which the chain must hold."
)
@click.option(
    "--public-key", "keys", multiple=True, metavar="HEX", help="Trusted; without it AUDIT_SIGNING_KEY's."
)
@click.option("--json", "as_json", is_flag=True, help="Write an object.")
@click.pass_obj
def verify(environ: Mapping[str, str], *, head: str | None, keys: tuple[str, ...], as_json: bool) -> int:
    """Walk all seals and the rows below them; exit 1 at the first row that isn't as it was sealed.

    Give --head, kept elsewhere, to see that the end of the chain wasn't cut off either.
    """
    settings = StoreSettings.load(environ)
    trusted = [require_key(key) for key in keys] or _own_key(settings, "give the public key by --public-key")
    with _open(settings) as database:
        found = _verify(database, trusted, head)
    if as_json:
        show_json(_as_json(found))
    else:
        show_line(*_lines(found))
    return ExitCode.DONE if found.breach is None else ExitCode.FAILED


@audit.command()
@click.option("--since", type=TIME, metavar="TIME", help="Rows written then or later.")
@click.option("--until", type=TIME, metavar="TIME", help="Rows written before then.")
@click.option("--user", "user_id", type=click.UUID, metavar="ID", help="One user's rows.")
@click.pass_obj
def export(
    environ: Mapping[str, str], *, since: datetime | None, until: datetime | None, user_id: UUID | None
) -> int:
    """Write the audit as JSON lines, oldest first; the last line holds the newest signed head.

    TIME is as in 2026-01-31T12:00:00Z; without an offset it is in UTC.
    """
    if since is not None and until is not None and since >= until:
        msg = "--since must be before --until"
        raise click.UsageError(msg)
    wanted = ExportFilter(user_id=user_id, since=since, until=until)
    with _open(StoreSettings.load(environ)) as database:
        for line in export_audit(database, wanted):
            show_line(line)
    return ExitCode.DONE


@audit.command()
@click.option("--new", is_flag=True, help="Make a key; its secret half is shown this once.")
@click.pass_obj
def key(environ: Mapping[str, str], *, new: bool) -> int:
    """Show the public half of AUDIT_SIGNING_KEY, for those who verify."""
    if not new:
        show_line(*_own_key(StoreSettings.load(environ), "have one made by `audit key --new`"))
        return ExitCode.DONE
    secret = new_secret_key()
    show_line(f"AUDIT_SIGNING_KEY={secret}")
    say(f"public key, for `audit verify --public-key`: {Signer(secret).public_key}")
    return ExitCode.DONE


def _own_key(settings: Variables, otherwise: str) -> list[str]:
    if settings.audit_signing_key is None:
        raise CommandError(ExitCode.WRONG, f"AUDIT_SIGNING_KEY is unset: set it, or {otherwise}")
    return [Signer(settings.audit_signing_key.get_secret_value()).public_key]


@contextmanager
def _open(settings: StoreSettings) -> Iterator[Database]:
    """Open a database as it is: what may be evidence is not brought up to date first."""
    state = schema_state(settings.database_url)
    if state not in _READY:
        raise CommandError(ExitCode.UNREACHABLE, describe(state))
    database = connect(settings)
    try:
        yield database
    finally:
        database.close()


def _verify(database: Database, trusted: list[str], head: str | None) -> Verified:
    with database.read() as connection:
        total = count_sealed(connection)
    columns = (TextColumn("verifying"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console(stderr=True), transient=True) as progress:
        task = progress.add_task("verifying", total=total)
        return verify_audit(
            database, trusted, known_head=head, progress=lambda rows: progress.advance(task, rows)
        )


def _lines(found: Verified) -> Iterator[str]:
    if found.breach is not None:
        yield f"BREACH: {found.breach.text}"
    verdict = "whole" if found.breach is None else "verified before it"
    yield f"{found.rows} rows under {found.seals} seals: {verdict}"
    if found.removed:
        yield f"the rows of seals 1 to {found.removed} were removed by retention"
    if found.breach is None:
        yield f"{found.unsealed} rows are not sealed yet"
        if found.head is not None:
            yield f"head {found.head}"


def _as_json(found: Verified) -> dict[str, object]:
    breach = found.breach
    return {
        "is_whole": breach is None,
        "rows": found.rows,
        "seals": found.seals,
        "removed_seals": found.removed,
        "unsealed_rows": found.unsealed,
        "head": found.head,
        "breach": None
        if breach is None
        else {
            "seal": breach.seal,
            "audit_id": None if breach.row is None else str(breach.row),
            "text": breach.text,
        },
    }
