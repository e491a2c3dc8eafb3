"""`sandbox`: the Circle simulator alone."""

import asyncio
from datetime import timedelta
from pathlib import Path

import click

from wallet_provisioning.cli.exits import ExitCode
from wallet_provisioning.cli.output import say, show_line
from wallet_provisioning.cli.parameters import DURATION
from wallet_provisioning.cli.signals import until_signalled
from wallet_provisioning.http.sandbox.options import SandboxOptions
from wallet_provisioning.http.sandbox.serve import serve
from wallet_provisioning.telemetry.events import Event, Notice


@click.command()
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
def sandbox(
    *,
    host: str,
    port: int,
    latency: timedelta,
    api_key: str | None,
    entity_secret: str | None,
    state: Path | None,
) -> int:
    """Run the Circle simulator alone, until a signal ends it.

    Without --api-key every key of the right form is accepted; without --entity-secret the first one
    that arrives is registered; without --state nothing outlives the process.
    """
    options = SandboxOptions(
        host=host,
        port=port,
        latency=latency,
        api_key=api_key,
        entity_secret=entity_secret,
        state=state,
    )
    asyncio.run(_serve(options))
    return ExitCode.DONE


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
