"""`chaos`: kills and hangs the actors of a daemon of its own under load, then audits the outcome."""

import shutil
import signal
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from random import SystemRandom
from threading import Event
from types import FrameType

import click
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from wallet_provisioning.chaos import run
from wallet_provisioning.chaos.errors import ChaosError
from wallet_provisioning.chaos.facts import Facts, Vitals
from wallet_provisioning.chaos.finding import Finding
from wallet_provisioning.chaos.options import ChaosOptions
from wallet_provisioning.chaos.verdict import judge
from wallet_provisioning.cli.exits import CommandError, ExitCode
from wallet_provisioning.cli.output import console, say, show_json, show_line, show_table
from wallet_provisioning.cli.parameters import NumberType
from wallet_provisioning.clock import SystemClock

_SEEDS = 2**32
_LONGEST = 7 * 24 * 60.0
_SHOWN = 20


@click.command()
@click.option(
    "--minutes",
    type=NumberType(0, _LONGEST, min_open=True),
    default=1.0,
    show_default=True,
    help="How long; 0.5 is half a minute.",
)
@click.option("--seed", type=click.IntRange(0), metavar="S", help="Repeats a run; drawn and told without it.")
@click.option(
    "--rate",
    type=NumberType(0, 100, min_open=True),
    default=2.0,
    show_default=True,
    help="Jobs a second; Circle's own limit allows some three.",
)
@click.option("--json", "as_json", is_flag=True, help="Write one object.")
def chaos(*, minutes: float, seed: int | None, rate: float, as_json: bool) -> int:
    """Kill and hang the actors of a daemon of its own under load, then audit the outcome.

    It has a folder, a database and a sandbox of its own and touches nothing else. Ctrl-C ends the
    strikes early; the audit follows all the same. Exit code 1 on a breach; the folder is kept then.
    """
    seed = SystemRandom().randrange(_SEEDS) if seed is None else seed
    options = ChaosOptions(length=timedelta(minutes=minutes), seed=seed, rate=rate)
    say(f"seed {seed}")
    folder = Path(tempfile.mkdtemp(prefix="wallet-provisioning-chaos-")).resolve()
    is_clean = False
    try:
        facts = _make(options, folder)
        findings = judge(facts)
        _show(options, facts, findings, as_json=as_json)
        is_clean = all(found.is_ok for found in findings)
    finally:
        _clear(folder, is_clean=is_clean)
    return ExitCode.DONE if is_clean else ExitCode.FAILED


def _make(options: ChaosOptions, folder: Path) -> Facts:
    bar = Progress(
        TextColumn("{task.description:<11}"),
        BarColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[counts]}"),
        console=console(stderr=True),
    )
    with _until_interrupted() as early, bar:
        task = bar.add_task("starting", total=None, counts="")

        def tell(seen: run.Progress) -> None:
            total = None if seen.share is None else 1.0
            bar.update(
                task, description=seen.phase, total=total, completed=seen.share or 0, counts=_counts(seen)
            )

        try:
            return run.Run(options, folder=folder, clock=SystemClock(), tell=tell, early=early).make()
        except ChaosError as error:
            raise CommandError(ExitCode.UNREACHABLE, str(error)) from error


def _counts(seen: run.Progress) -> str:
    return (
        f"{seen.accepted} jobs, {seen.unfinished} unfinished; killed: {seen.kills} actors, "
        f"{seen.processes} daemons, {seen.sandboxes} sandboxes"
    )


@contextmanager
def _until_interrupted() -> Iterator[Event]:
    """Give an event that the first SIGINT or SIGTERM sets; the second one ends the command."""
    early = Event()

    def hear(number: int, _: FrameType | None) -> None:
        if early.is_set():
            raise SystemExit(128 + number)
        early.set()

    former = {number: signal.signal(number, hear) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield early
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)


def _show(options: ChaosOptions, facts: Facts, findings: tuple[Finding, ...], *, as_json: bool) -> None:
    if as_json:
        show_json(_object(options, facts, findings))
        return
    show_table(
        ("looked at", "", "what holds, or what breaches it"),
        [
            (found.name, "ok" if found.is_ok else "BREACH", line)
            for found in findings
            for line in (found.breaches[:_SHOWN] or (found.detail,))
        ],
    )
    verdict = "nothing was breached" if all(found.is_ok for found in findings) else "the daemon is not sound"
    show_line(f"seed {options.seed}: {verdict}")


def _object(options: ChaosOptions, facts: Facts, findings: tuple[Finding, ...]) -> Mapping[str, object]:
    return {
        "seed": options.seed,
        "ok": all(found.is_ok for found in findings),
        "jobs": len(facts.accepted),
        "kills": len(facts.kills),
        "before": _vitals(facts.before),
        "after": _vitals(facts.after),
        "findings": [
            {
                "name": found.name,
                "ok": found.is_ok,
                "detail": found.detail,
                "breaches": list(found.breaches),
            }
            for found in findings
        ],
    }


def _vitals(vitals: Vitals | None) -> Mapping[str, object] | None:
    return None if vitals is None else asdict(vitals)


def _clear(folder: Path, *, is_clean: bool) -> None:
    if is_clean:
        shutil.rmtree(folder)
    else:
        say(f"kept: {folder}")
