"""Jobs a second of a whole daemon: every guarantee, log line and metric on, a Circle that takes no time.

Three chains a job. A round fills the queue, starts a daemon on it, lets it get warm and counts in the
middle: neither the start nor the emptying queue is in the figures. PostgreSQL waits for its disk.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.backlog import CHAINS, PostgresBacklogs, SqliteBacklogs
from benchmarks.harness import Figures, Metric, Report, Side, compare
from benchmarks.inspected import inspected
from benchmarks.stub_circle import running_stub

_ROOT = Path(__file__).parents[1]
_ENTITY_SECRET = "ab" * 32
_MILLI = 1e3
_REFERENCE = "PostgreSQL, pool 5"


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """A pool, the jobs that make it warm and those that count; a rest keeps it busy to the end."""

    pool: int
    warm: int
    counted: int

    @property
    def jobs(self) -> int:
        """How many jobs wait at first."""
        return self.warm + self.counted + 3 * self.pool


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How often, and under which loads."""

    rounds: int = 7
    loads: tuple[Load, ...] = (Load(pool=5, warm=100, counted=600), Load(pool=400, warm=800, counted=4_000))


def _settings(url: str, circle: str, pool: int) -> Mapping[str, str]:
    return {
        "DATABASE_URL": url,
        "CIRCLE_BASE_URL": circle,
        "CIRCLE_API_KEY": "TEST_API_KEY:benchmark:benchmark",
        "CIRCLE_ENTITY_SECRET": _ENTITY_SECRET,
        "CIRCLE_WALLET_RATE": "100000",
        "CIRCLE_POST_RATE": "100000",
        "CIRCLE_GET_RATE": "100000",
        "WORKER_CHAINS": ",".join(CHAINS),
        "WORKER_MAX_CONCURRENCY": str(pool),
        "WORKER_JOB_BATCH_SIZE": str(max(10, pool)),
        "ADMIN_PORT": "0",
    }


def run_daemon(url: str, circle: str, load: Load, *extra: str) -> dict[str, Any]:
    """Run a daemon over a filled database in a process of its own, and return what it measured."""
    marks = (str(load.warm), str(load.warm + load.counted))
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "PYTHONPATH") if name in os.environ}
    with tempfile.TemporaryFile("w+", encoding="utf-8") as log:
        run = subprocess.run(  # noqa: S603 - our own module
            [sys.executable, "-m", "benchmarks.daemon_child", *marks, *extra],
            cwd=_ROOT,
            env={**kept, **_settings(url, circle, load.pool)},
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            check=False,
            timeout=300,
        )
        if run.returncode:
            log.seek(0)
            msg = f"the daemon ended with {run.returncode}: {log.read()[-2000:]}"
            raise RuntimeError(msg)
    found: dict[str, Any] = json.loads(run.stdout)
    return found


def _per_job(found: Mapping[str, Any]) -> Figures:
    jobs = found["jobs"]
    return {
        "throughput": jobs / found["seconds"],
        "CPU of the daemon": found["cpu"] / jobs * _MILLI,
        "thread switches": sum(found["switches"].values()) / jobs,
    }


def measure(options: Options | None = None, progress: Callable[[str], None] = lambda _line: None) -> Report:
    """Measure each database under each load, then look once more into each with a running count."""
    options = options or Options()
    with ExitStack() as stack:
        circle = stack.enter_context(running_stub())
        databases: dict[str, SqliteBacklogs | PostgresBacklogs] = {
            "SQLite": SqliteBacklogs(),
            "PostgreSQL": PostgresBacklogs(),
        }
        for backlogs in databases.values():
            stack.callback(backlogs.close)

        def run(kind: str, load: Load, *extra: str) -> dict[str, Any]:
            with databases[kind].copy(load.jobs) as url:
                return run_daemon(url, circle, load, *extra)

        def figures(kind: str, load: Load) -> Figures:
            return _per_job(run(kind, load))

        cases = {f"{kind}, pool {load.pool}": (kind, load) for kind in databases for load in options.loads}
        largest = max(load.pool for load in options.loads)
        rows = compare(
            [Side(name=name, run=partial(figures, *case)) for name, case in cases.items()],
            [
                Metric(name="throughput", unit="jobs/s"),
                Metric(name="CPU of the daemon", unit="ms/job", target="<= 0.2, stretch 0.1"),
                Metric(name="thread switches", unit="1/job"),
            ],
            rounds=options.rounds,
            reference=_REFERENCE,
            ours=[name for name, (_, load) in cases.items() if load.pool == largest],
            progress=progress,
        )
        notes = tuple(line for name, case in cases.items() for line in inspected(name, run(*case, "inspect")))
    return Report(name="endtoend", rows=rows, rounds=options.rounds, reference=_REFERENCE, notes=notes)
