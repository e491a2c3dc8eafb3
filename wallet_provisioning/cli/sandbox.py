"""`sandbox`: the Circle simulator alone."""

import asyncio
from datetime import timedelta
from pathlib import Path

import click

from wallet_provisioning.cli.exits import ExitCode
from wallet_provisioning.cli.output import say, show_line
from wallet_provisioning.cli.parameters import DURATION
from wallet_provisioning.cli.signals import until_signalled
from wallet_provisioning.http.sandbox.faultkinds import KINDS
from wallet_provisioning.http.sandbox.faults import FaultPlan
from wallet_provisioning.http.sandbox.options import SandboxOptions
from wallet_provisioning.http.sandbox.serve import serve
from wallet_provisioning.http.sandbox.switchboard import read_fault, read_plan, read_switches
from wallet_provisioning.telemetry.events import Event, Notice

_EPILOG = f"""\b
Faults (--fault, --faults, or PUT /sandbox/faults while it runs), each with chain=, operation=, share=,
times= where not every call shall be hit:
  {", ".join(KINDS[:8])},
  {", ".join(KINDS[8:])}
\b
Switches for what no source settles of Circle:
  retry_after=seconds|date|none        the header of a 429
  http_status.CODE=N                   the HTTP status of a code, as http_status.156020=400
  other_body_gets_original=true        a used key with another body: the first answer, not 156020
  failures_consume_keys=true           a refused request is refused again under its key
  key_life=DURATION|forever            how long a key is known
  ciphertext_first=false               the key is looked up before the ciphertext is checked
  shows_set_name=true                  a wallet set's answer has its name
  blank_metadata=true                  wallets without name and refId show them as ""
  reverses_wallets=true                an answer lists its wallets backwards
"""


@click.command(epilog=_EPILOG)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port", type=click.IntRange(0, 65_535), default=8090, show_default=True, help="0: any free one."
)
@click.option("--latency", type=DURATION, default="100ms", show_default=True, help="Added to each call.")
@click.option("--api-key", metavar="K", help="The only key to accept, such as TEST_API_KEY:id:secret.")
@click.option("--entity-secret", metavar="HEX", help="The entity secret, 64 hex characters.")
@click.option(
    "--state", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="Keeps what was made."
)
@click.option(
    "--faults",
    "faults_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Faults from the start, as JSON for PUT /sandbox/faults.",
)
@click.option(
    "--fault", multiple=True, metavar="NAME=VALUE,…", help="One fault, as kind=cut,when=after,times=1."
)
@click.option("--seed", type=int, metavar="N", help="Has the faults strike alike in every run.")
@click.option("--switch", multiple=True, metavar="NAME=VALUE", help="Another reading of Circle; see below.")
@click.option(
    "--rate-limits/--no-rate-limits", default=True, show_default=True, help="Circle's 10, 5 and 20 a second."
)
@click.option(
    "--wallets-per-set",
    type=click.IntRange(1),
    default=10_000_000,
    show_default=True,
    help="Size of a full set.",
)
@click.option(
    "--registers-secret/--no-registers-secret",
    default=True,
    show_default=True,
    help="Without --entity-secret: whether the first one that arrives is registered (else 156016).",
)
def sandbox(
    *,
    host: str,
    port: int,
    latency: timedelta,
    api_key: str | None,
    entity_secret: str | None,
    state: Path | None,
    faults_file: Path | None,
    fault: tuple[str, ...],
    seed: int | None,
    switch: tuple[str, ...],
    rate_limits: bool,
    wallets_per_set: int,
    registers_secret: bool,
) -> int:
    """Run the Circle simulator alone, until a signal ends it.

    Without --api-key every key of the right form is accepted; without --entity-secret the first one
    that arrives is registered; without --state nothing outlives the process.
    """
    if not host:
        msg = "--host must name an address; 0.0.0.0 is every one of IPv4"
        raise click.UsageError(msg)
    plan = _plan(faults_file, fault)
    options = SandboxOptions(
        host=host,
        port=port,
        latency=latency,
        api_key=api_key,
        entity_secret=entity_secret,
        registers_first_secret=registers_secret,
        state=state,
        rate_limits=rate_limits,
        wallets_per_set=wallets_per_set,
        switches=read_switches(switch),
        faults=plan.faults,
        seed=plan.seed if seed is None else seed,
    )
    asyncio.run(_serve(options))
    return ExitCode.DONE


def _plan(file: Path | None, faults: tuple[str, ...]) -> FaultPlan:
    """Return the faults of the file and then those of the command line."""
    plan = FaultPlan(faults=()) if file is None else read_plan(file.read_bytes(), where=str(file))
    more = tuple(one for text in faults for one in read_fault(text).faults)
    return plan.model_copy(update={"faults": (*plan.faults, *more)})


async def _serve(options: SandboxOptions) -> None:
    asked = asyncio.ensure_future(until_signalled().wait())
    try:
        await serve(options, ready=_tell_address, until=asked, emit=_tell)
    finally:
        asked.cancel()


def _tell(event: Event) -> None:
    if isinstance(event, Notice):
        say(event.text)


def _tell_address(base_url: str) -> None:
    show_line(f"Circle sandbox at {base_url}")
