"""How much of what Circle allows is used: 10 creations a second, jobs of 3 chains, Circle's limits in force.

A daemon works on a backlog against the sandbox, in a process of its own, which counts calls as Circle does
and refuses one too many. A run is short; what 100,000 users would take at its pace is worked out from it.
"""

import asyncio
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.backlog import CHAINS, PostgresBacklogs
from benchmarks.harness import Figures, Metric, Report, Side, compare
from wallet_provisioning.http.sandbox.options import SandboxOptions
from wallet_provisioning.http.sandbox.process import SandboxAccess, SandboxProcess

_ROOT = Path(__file__).parents[1]
_ALLOWED = 10
_BATCH = 200
_USERS = 100_000
_PATIENCE = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """A pool, and how many jobs wait at first."""

    pool: int
    jobs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How often, how long, and under which loads: a pool holds up to as many wallets a call as it has actors.

    Up to `binding` actors the budget is the limit on any machine, and the target is meant for those. With
    full batches the daemon and the sandbox have hundreds of jobs a second to do.
    """

    rounds: int = 1
    warm: float = 3.0
    seconds: float = 20.0
    loads: tuple[Load, ...] = (
        Load(pool=5, jobs=1_000),
        Load(pool=50, jobs=4_000),
        Load(pool=400, jobs=12_000),
    )
    binding: int = 50


def _settings(url: str, circle: SandboxAccess, pool: int) -> Mapping[str, str]:
    return {
        "DATABASE_URL": url,
        "CIRCLE_BASE_URL": circle.base_url,
        "CIRCLE_API_KEY": circle.api_key,
        "CIRCLE_ENTITY_SECRET": circle.entity_secret,
        "WORKER_CHAINS": ",".join(CHAINS),
        "WORKER_MAX_CONCURRENCY": str(pool),
        "WORKER_JOB_BATCH_SIZE": str(max(10, pool)),
        "WORKER_SHUTDOWN_TIMEOUT": "5s",
        "ADMIN_PORT": "0",
    }


async def _serve(state: Path, started: Callable[[SandboxAccess], Any]) -> None:
    sandbox = SandboxProcess(SandboxOptions(port=0, state=state, rate_limits=True))
    access = await sandbox.start()
    try:
        await asyncio.to_thread(started, access)
    finally:
        await sandbox.stop()


def run_daemon(url: str, load: Load, options: Options) -> dict[str, Any]:
    """Run a sandbox and a daemon over a filled database, and return what the daemon counted."""
    found: dict[str, Any] = {}
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}

    def work(access: SandboxAccess) -> None:
        with tempfile.TemporaryFile("w+", encoding="utf-8") as log:
            run = subprocess.run(  # noqa: S603 - our own module
                [sys.executable, "-m", "benchmarks.budget_child", str(options.warm), str(options.seconds)],
                cwd=_ROOT,
                env={**kept, **_settings(url, access, load.pool)},
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                check=False,
                timeout=_PATIENCE,
            )
            if run.returncode:
                log.seek(0)
                msg = f"the daemon ended with {run.returncode}: {log.read()[-2000:]}"
                raise RuntimeError(msg)
            found.update(json.loads(run.stdout))

    with tempfile.TemporaryDirectory(prefix="wallet-bench-") as folder:
        asyncio.run(_serve(Path(folder) / "sandbox.jsonl", work))
    return found


def _figures(found: Mapping[str, Any], seconds: float) -> Figures:
    return {
        "share of the calls allowed": found["calls"] / seconds / _ALLOWED,
        "wallets a call": found["wallets"] / max(1, found["calls"]),
        "throughput": found["jobs"] / seconds,
        "calls refused with 429": found["refused"],
        f"{_USERS:,} users at this pace": _USERS / max(1e-9, found["jobs"] / seconds) / 60,
    }


def measure(options: Options | None = None, progress: Callable[[str], None] = lambda _line: None) -> Report:
    """Measure each load."""
    options = options or Options()
    loads = {f"pool {load.pool}": load for load in options.loads}
    reference = next(iter(loads))
    with closing(PostgresBacklogs()) as backlogs:

        def run(load: Load) -> Figures:
            with backlogs.copy(load.jobs) as url:
                return _figures(run_daemon(url, load, options), options.seconds)

        rows = compare(
            [Side(name=name, run=partial(run, load)) for name, load in loads.items()],
            [
                Metric(name="share of the calls allowed", unit="1", target=">= 0.9, stretch 0.97"),
                Metric(name="wallets a call", unit="wallets"),
                Metric(name="throughput", unit="jobs/s"),
                Metric(name="calls refused with 429", unit="calls", target="0"),
                Metric(name=f"{_USERS:,} users at this pace", unit="min"),
            ],
            rounds=options.rounds,
            reference=reference,
            ours=[name for name, each in loads.items() if each.pool <= options.binding],
            progress=progress,
        )
    note = (
        f"Counted for {options.seconds:g} s, {options.warm:g} s after the first creation; the last row is "
        f"worked out from that, not run. Circle takes {_BATCH} wallets a call at most. Where a large pool "
        "uses less of the calls, the machine is the limit, which runs the sandbox too."
    )
    return Report(name="budget", rows=rows, rounds=options.rounds, reference=reference, notes=(note,))
