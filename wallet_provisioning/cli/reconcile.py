"""`reconcile`: holds the wallets at Circle against those in the store, and mends what can be mended."""

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from uuid import UUID

import click
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn

from wallet_provisioning.cli.circle import open_circle
from wallet_provisioning.cli.exits import CommandError, ExitCode
from wallet_provisioning.cli.opening import open_store
from wallet_provisioning.cli.output import console, say, show_json, show_line, show_table
from wallet_provisioning.clock import SystemClock
from wallet_provisioning.http.circle.client import CircleClient
from wallet_provisioning.reconcile.asking import ask_circle
from wallet_provisioning.reconcile.findings import Report, Tally
from wallet_provisioning.reconcile.options import Answer, CircleUnreachableError, GetOne, ReconcileOptions
from wallet_provisioning.reconcile.walk import Reconciliation
from wallet_provisioning.settings import Settings
from wallet_provisioning.store.database import Database
from wallet_provisioning.store.stamp import read_stamp, require_environment
from wallet_provisioning.store.strays import count_wallets

_SHOWN = 50


@click.command()
@click.option("--apply", "applies", is_flag=True, help="Mend what can be mended, each with its audit row.")
@click.option("--sandbox", is_flag=True, help="Against the built-in sandbox; no daemon may run it now.")
@click.option("--json", "as_json", is_flag=True, help="Write the report as an object.")
@click.pass_obj
def reconcile(environ: Mapping[str, str], *, applies: bool, sandbox: bool, as_json: bool) -> int:
    """Hold the wallets at Circle against those in the database. It may run beside daemons that work.

    Exit code: 0 nothing is left to be done, 1 something is, 3 Circle or the database is out of reach, or
    another reconcile is at work.
    """
    settings = Settings.load(environ, sandbox=sandbox)
    say(*(notice.text for notice in settings.notices if notice.level == "warning"))
    with open_store(settings) as database:
        wallet_set_id = _find_set(database, settings)
        if wallet_set_id is None:
            say("there is no wallet set yet, so there is nothing to compare")
            if as_json:
                show_json(Report.of_nothing(applied=applies).json())
            return ExitCode.DONE
        try:
            report = asyncio.run(_reconcile(database, settings, wallet_set_id, applies=applies))
        except CircleUnreachableError as error:
            raise CommandError(ExitCode.UNREACHABLE, str(error)) from error
    _show(report, as_json=as_json)
    return ExitCode.DONE if report.is_clean else ExitCode.FAILED


def _find_set(database: Database, settings: Settings) -> UUID | None:
    """Return the wallet set of a database that belongs to the settings' environment."""
    with database.read() as connection:
        stamp = read_stamp(connection)
    if stamp is None:
        return None
    require_environment(stamp, settings.environment)
    return stamp.wallet_set_id


async def _reconcile(database: Database, settings: Settings, wallet_set_id: UUID, *, applies: bool) -> Report:
    options = ReconcileOptions(
        chains={chain.name: chain for chain in settings.served},
        applies=applies,
        max_attempts=settings.max_attempts,
    )
    walk = Reconciliation(database, wallet_set_id, options, actor="cli", clock=SystemClock())
    async with open_circle(settings, database) as client:
        with _bar(database) as bar:
            return await _drive(walk, client, bar)


async def _drive(walk: Reconciliation, client: CircleClient, bar: "_Bar") -> Report:
    """Go through the run step by step; an interrupt gives it up in good order."""
    with closing(walk.steps()) as steps:
        answer: Answer = None
        while True:
            try:
                question = steps.send(answer)
            except StopIteration as end:
                report: Report = end.value
                return report
            bar.show(walk.tally, is_direct=isinstance(question, GetOne))
            answer = None if question is None else await ask_circle(client, question)


class _Bar:
    """How far the run is, for a person at a terminal."""

    def __init__(self, progress: Progress, total: int) -> None:
        self._progress = progress
        self._circle: TaskID = progress.add_task("at Circle", total=total)
        self._here: TaskID = progress.add_task("here", total=total)

    def show(self, tally: Tally, *, is_direct: bool) -> None:
        self._progress.update(self._circle, completed=tally.at_circle)
        self._progress.update(
            self._here, completed=tally.here, description="looking directly" if is_direct else "here"
        )


@contextmanager
def _bar(database: Database) -> Iterator[_Bar]:
    with database.read() as connection:
        total = count_wallets(connection)
    where = console(stderr=True)
    columns = (TextColumn("{task.description:<16}"), BarColumn(), MofNCompleteColumn(), TextColumn("wallets"))
    with Progress(*columns, console=where, transient=True, disable=not where.is_terminal) as progress:
        yield _Bar(progress, total)


def _show(report: Report, *, as_json: bool) -> None:
    if as_json:
        show_json(report.json())
        return
    shared = f", {report.foreign} of them others'" if report.foreign else ""
    waiting = f"; {report.waiting} wait for their user" if report.waiting else ""
    took = report.took.total_seconds()
    show_line(f"{report.at_circle} wallets at Circle{shared}, {report.here} here{waiting}, in {took:.1f} s")
    kinds = [(kind, str(count), str(report.left[kind])) for kind, count in report.found.items() if count]
    if kinds:
        show_table(("finding", "found", "left"), kinds)
        show_table(
            ("finding", "user", "chain", "wallet at Circle", "what"),
            [
                (
                    finding.kind.value,
                    str(finding.user_id or ""),
                    finding.chain or finding.blockchain or "",
                    str(finding.circle_wallet_id or ""),
                    f"{finding.detail} (mended)" if finding.mended else finding.detail,
                )
                for finding in report.findings[:_SHOWN]
            ],
        )
    _say_what_follows(report)


def _say_what_follows(report: Report) -> None:
    more = sum(report.found.values()) - _SHOWN
    if more > 0:
        say(f"{more} more findings; --json shows up to a thousand")
    match report.hold:
        case "placed":
            say("the database is behind Circle: creations are held back until `reconcile --apply`")
        case "released":
            say("creations go on")
        case None:
            pass
    if not report.is_clean and not report.applied:
        say("`reconcile --apply` mends what can be mended")
