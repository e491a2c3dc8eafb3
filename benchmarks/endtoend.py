"""Jobs a second of a whole daemon: every guarantee, log line and metric on, a Circle that takes no time.

Three chains a job. A round fills the queue, starts a daemon on it, lets it get warm and counts in the
middle: neither the start nor the emptying queue is in the figures. PostgreSQL waits for its disk. The
peers do the same work in the same rounds, each in an environment of its own; one that can't be installed
is named in the notes. The reference is the fastest of them over all rounds; the hand-written limit, which
keeps no promise, can't be it.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.backlog import PostgresBacklogs, SqliteBacklogs
from benchmarks.daemons import daemon_environment
from benchmarks.harness import Figures, Metric, Report, Side, best_of, rows_of, take_turns
from benchmarks.inspected import inspected
from benchmarks.peers.running import PEERS, Peer, installed, run_peer
from benchmarks.stub_circle import running_stub
from tests.servers import RedisServer

_ROOT = Path(__file__).parents[1]
_MILLI = 1e3
_METRICS = (
    Metric(name="throughput", unit="jobs/s", target=">= 20 at the large pool, 2 at 5"),
    Metric(name="CPU of the daemon", unit="ms/job", target="0.2 ms at the large pool"),
    Metric(name="thread switches", unit="1/job"),
)


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

    rounds: int = 5
    loads: tuple[Load, ...] = (Load(pool=5, warm=100, counted=600), Load(pool=400, warm=800, counted=4_000))
    peers: tuple[Peer, ...] = PEERS


def run_daemon(url: str, circle: str, load: Load, *extra: str) -> dict[str, Any]:
    """Run a daemon over a filled database in a process of its own, and return what it measured."""
    marks = (str(load.warm), str(load.warm + load.counted))
    with tempfile.TemporaryFile("w+", encoding="utf-8") as log:
        run = subprocess.run(  # noqa: S603 - our own module
            [sys.executable, "-m", "benchmarks.daemon_child", *marks, *extra],
            cwd=_ROOT,
            env=daemon_environment(url, circle, load.pool),
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
        redis = stack.enter_context(RedisServer())
        postgresql = PostgresBacklogs()
        databases: dict[str, SqliteBacklogs | PostgresBacklogs] = {
            "SQLite": SqliteBacklogs(),
            "PostgreSQL": postgresql,
        }
        for backlogs in databases.values():
            stack.callback(backlogs.close)

        def run(kind: str, load: Load, *extra: str) -> dict[str, Any]:
            with databases[kind].copy(load.jobs) as url:
                return run_daemon(url, circle, load, *extra)

        def figures(kind: str, load: Load) -> Figures:
            return _per_job(run(kind, load))

        def peers_figures(peer: Peer) -> Figures:
            with postgresql.empty() as url:
                found = run_peer(peer, url, circle, redis.url)
            throughput, cpu = found["jobs"] / found["seconds"], found["cpu"] / found["jobs"] * _MILLI
            return {"throughput": throughput, "CPU of the daemon": cpu}

        peers, missing = installed(options.peers, progress)
        cases = {f"{kind}, pool {load.pool}": (kind, load) for kind in databases for load in options.loads}
        runs = take_turns(
            [
                *(Side(name=peer.name, run=partial(peers_figures, peer)) for peer in peers),
                *(Side(name=name, run=partial(figures, *case)) for name, case in cases.items()),
            ],
            rounds=options.rounds,
            progress=progress,
        )
        rivals = [peer.name for peer in peers if peer.is_rival]
        reference = best_of(runs, rivals, "throughput", most=True) or next(iter(cases))
        rows = rows_of(runs, _METRICS, reference=reference, ours=list(cases))
        looks: list[str] = []
        for name, case in cases.items():
            progress(f"a look into {name}")
            looks += inspected(name, run(*case, "inspect"))
    notes = (*missing, *looks)
    return Report(name="end-to-end", rows=rows, rounds=options.rounds, reference=reference, notes=notes)
