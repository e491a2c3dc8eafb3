"""A whole daemon that waits for jobs: `python -m benchmarks.latency_child`.

Settings come from the environment as always. It prints the URL of its API, serves until its standard input
ends, and then prints which transactions ended when.
"""

import asyncio
import json
import os
import sys
from dataclasses import asdict

from benchmarks.trail import History
from wallet_provisioning.clock import Clock
from wallet_provisioning.daemon import Daemon
from wallet_provisioning.daemon.garbage import tame_collector
from wallet_provisioning.daemon.surroundings import telemetry_options
from wallet_provisioning.settings import Settings
from wallet_provisioning.telemetry.events import Event
from wallet_provisioning.telemetry.options import TelemetryOptions
from wallet_provisioning.telemetry.setup import Telemetry


class _Remembering(Telemetry):
    """Real telemetry that keeps what matters here."""

    def __init__(self, options: TelemetryOptions, clock: Clock) -> None:
        super().__init__(options, clock)
        self.history = History()

    def emit(self, event: Event) -> None:
        """Keep it, and tell telemetry."""
        self.history.hear(event)
        super().emit(event)


async def _run() -> None:
    settings = Settings.load(os.environ, sandbox=False)
    telemetry = _Remembering.open(telemetry_options(settings))
    leaving = asyncio.Event()
    daemon = Daemon(settings, telemetry=telemetry, leaving=leaving)
    await daemon.open()
    tame_collector()
    _say(daemon.url)
    await asyncio.to_thread(sys.stdin.read)
    leaving.set()
    await daemon.wait()
    await daemon.close()
    await asyncio.to_thread(telemetry.close)
    _say(json.dumps([asdict(each) for each in telemetry.history.ended]))


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(_run())
