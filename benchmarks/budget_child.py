"""A whole daemon that counts its calls: `python -m benchmarks.budget_child WARM SECONDS`.

Settings come from the environment as always. It lets so many seconds pass after its first creation, counts
for so many, prints one JSON object and ends.
"""

import asyncio
import json
import os
import sys
import threading
from typing import Any

from wallet_provisioning.clock import Clock
from wallet_provisioning.daemon import Daemon
from wallet_provisioning.daemon.surroundings import telemetry_options
from wallet_provisioning.settings import Settings
from wallet_provisioning.telemetry.events import CircleCalled, Event, JobMoved, JobsMoved
from wallet_provisioning.telemetry.options import TelemetryOptions
from wallet_provisioning.telemetry.setup import Telemetry


class _Watched(Telemetry):
    """Real telemetry that counts; the events come from many threads."""

    def __init__(self, options: TelemetryOptions, clock: Clock) -> None:
        super().__init__(options, clock)
        self.begun = threading.Event()
        self.calls = self.wallets = self.refused = self.completed = 0

    def emit(self, event: Event) -> None:
        """Tell telemetry, and count."""
        super().emit(event)
        match event:
            case CircleCalled(outcome="circle_rate_limit"):
                self.refused += 1
            case CircleCalled(operation="create_wallet", outcome="success"):
                self.begun.set()
                self.calls += 1
                self.wallets += event.wallets
            case JobMoved(status="completed") | JobsMoved(status="completed"):
                self.completed += event.size()
            case _:
                pass

    def counts(self) -> dict[str, int]:
        """Return how far everything has come."""
        return {
            "calls": self.calls,
            "wallets": self.wallets,
            "refused": self.refused,
            "jobs": self.completed,
        }


async def _run(warm: float, seconds: float) -> dict[str, Any]:
    telemetry = _Watched.open(telemetry_options(settings := Settings.load(os.environ, sandbox=False)))
    leaving = asyncio.Event()
    daemon = Daemon(settings, telemetry=telemetry, leaving=leaving)
    await daemon.open()
    await asyncio.to_thread(telemetry.begun.wait)
    await asyncio.sleep(warm)
    before = telemetry.counts()
    await asyncio.sleep(seconds)
    after = telemetry.counts()
    leaving.set()
    await daemon.close()
    await asyncio.to_thread(telemetry.close)
    return {name: after[name] - before[name] for name in after}


if __name__ == "__main__":
    found = asyncio.run(_run(float(sys.argv[1]), float(sys.argv[2])))
    sys.stdout.write(json.dumps(found) + "\n")
