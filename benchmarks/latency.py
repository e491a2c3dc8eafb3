"""From the wish for a job until its first request is at Circle, while nothing else is to be done.

One job at a time, with a rest between them. The wish is a POST to the daemon's API, or an acceptance in
another process as `provision` makes it. A peer's job and its row are put in by another process too, in one
transaction where the peer allows that. The clock begins before all that, so the commit is in the figures.
Both ends are read from CLOCK_MONOTONIC, which all processes of a machine share.
"""

import http.client
import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias
from urllib.parse import urlsplit
from uuid import uuid4

from benchmarks.backlog import CHAINS, PostgresBacklogs, SqliteBacklogs
from benchmarks.daemons import daemon_environment
from benchmarks.harness import Figures, Metric, Report, Side, best_of, rows_of, take_turns
from benchmarks.peers.running import ASKED, Peer, asked_peer, installed
from benchmarks.stub_circle import timed_stub
from benchmarks.trail import Ended, History, Sample, parts, percentiles
from tests.servers import RedisServer
from wallet_provisioning.clock import SystemClock
from wallet_provisioning.store.acceptance import accept
from wallet_provisioning.store.accepting import JobRequest
from wallet_provisioning.store.database import Database

if TYPE_CHECKING:
    import queue

_ROOT = Path(__file__).parents[1]
_POOL = 5
_LONGEST = 60.0
_METRICS = (
    Metric(name="p50", unit="ms", target="<= 1"),
    Metric(name="p99", unit="ms"),
    Metric(name="p99 / p50", unit="x", target="<= 2, not its ratio"),
)

Ask: TypeAlias = Callable[[], float]
Way: TypeAlias = Literal["HTTP", "another process"]
WAYS: tuple[Way, ...] = ("HTTP", "another process")


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How often; the jobs of a round that make a side warm and those that count; the longest rest in s."""

    rounds: int = 5
    warm: int = 10
    jobs: int = 100
    rest: float = 0.06
    peers: tuple[Peer, ...] = ASKED
    databases: tuple[str, ...] = ("PostgreSQL", "SQLite")


@dataclass(slots=True)
class _Bench:
    """What stands through all rounds, and the ways that were seen. Servers start once they are needed."""

    options: Options
    stack: ExitStack
    circle: str
    arrivals: "queue.SimpleQueue[float]"
    trails: dict[str, tuple[list[Sample], list[Ended]]] = field(default_factory=dict)
    _sqlite: SqliteBacklogs | None = None
    _postgresql: PostgresBacklogs | None = None
    _redis: RedisServer | None = None

    def ours(self, name: str, kind: str, way: Way) -> Figures:
        """Measure a daemon of ours."""
        here = History()
        with (
            self._backlogs(kind).copy(0) as url,
            _daemon(url, self.circle) as daemon,
            _post(daemon.url) if way == "HTTP" else _accept(url, here) as ask,
        ):
            samples = self._take(ask)
        kept, ended = self.trails.setdefault(name, ([], []))
        kept += samples
        ended += [*here.ended, *daemon.ended]
        return percentiles(samples)

    def peers(self, peer: Peer) -> Figures:
        """Measure a peer."""
        with (
            self._servers().empty() as url,
            asked_peer(peer, url, self.circle, self._redis_url()) as ask,
        ):
            return percentiles(self._take(ask))

    def _backlogs(self, kind: str) -> SqliteBacklogs | PostgresBacklogs:
        return self._servers() if kind == "PostgreSQL" else self._files()

    def _files(self) -> SqliteBacklogs:
        if self._sqlite is None:
            self._sqlite = SqliteBacklogs()
            self.stack.callback(self._sqlite.close)
        return self._sqlite

    def _servers(self) -> PostgresBacklogs:
        if self._postgresql is None:
            self._postgresql = PostgresBacklogs()
            self.stack.callback(self._postgresql.close)
        return self._postgresql

    def _redis_url(self) -> str:
        if self._redis is None:
            self._redis = self.stack.enter_context(RedisServer())
        return self._redis.url

    def _take(self, ask: Ask) -> list[Sample]:
        pauses = random.Random(0)  # noqa: S311 - nothing is kept secret by it
        samples = []
        for number in range(self.options.warm + self.options.jobs):
            asked = ask()
            times = [self.arrivals.get(timeout=_LONGEST) for _ in CHAINS]
            if number >= self.options.warm:
                samples.append(Sample(asked=asked, first=times[0]))
            time.sleep(self.options.rest * pauses.uniform(0.5, 1))
        return samples


@dataclass(slots=True)
class _Daemon:
    url: str
    ended: list[Ended] = field(default_factory=list)


@contextmanager
def _daemon(url: str, circle: str) -> Iterator[_Daemon]:
    """Have a daemon wait for jobs; once it has left, what it did is there."""
    pipe = subprocess.PIPE
    with (
        tempfile.TemporaryFile("w+", encoding="utf-8") as log,
        subprocess.Popen(
            [sys.executable, "-m", "benchmarks.latency_child"],
            cwd=_ROOT,
            env=daemon_environment(url, circle, _POOL),
            stdin=pipe,
            stdout=pipe,
            stderr=log,
            text=True,
        ) as process,
    ):
        if process.stdin is None or process.stdout is None or not (line := process.stdout.readline().strip()):
            log.seek(0)
            msg = f"the daemon did not start: {log.read()[-2000:]}"
            raise RuntimeError(msg)
        daemon = _Daemon(line)
        yield daemon
        process.stdin.close()
        daemon.ended += [Ended(**each) for each in json.loads(process.stdout.readline())]


@contextmanager
def _post(url: str) -> Iterator[Ask]:
    """Have jobs asked for over one connection to the API."""
    address = urlsplit(url)
    wire = http.client.HTTPConnection(address.hostname or "", address.port, timeout=_LONGEST)

    def ask() -> float:
        body = json.dumps({"user_id": str(uuid4())})
        asked = time.monotonic()
        wire.request("POST", "/api/v1/onboarding/jobs", body, {"Content-Type": "application/json"})
        answer = wire.getresponse()
        if answer.read() and answer.status != http.HTTPStatus.ACCEPTED:
            msg = f"the daemon answered {answer.status}"
            raise RuntimeError(msg)
        return asked

    yield ask
    wire.close()


@contextmanager
def _accept(url: str, history: History) -> Iterator[Ask]:
    """Have jobs accepted here, in another process than the daemon's."""
    database = Database(url, clock=SystemClock(), emit=history.hear)

    def ask() -> float:
        asked = time.monotonic()
        job = JobRequest(user_id=uuid4(), chains=CHAINS, source="cli")
        accept(database, job, actor="cli", reason="accept_job")
        return asked

    yield ask
    database.close()


def measure(options: Options | None = None, progress: Callable[[str], None] = lambda _line: None) -> Report:
    """Measure each database by each way in, and the peers."""
    options = options or Options()
    with ExitStack() as stack:
        circle, arrivals = stack.enter_context(timed_stub())
        bench = _Bench(options=options, stack=stack, circle=circle, arrivals=arrivals)
        return _compared(bench, options, progress)


def _compared(bench: _Bench, options: Options, progress: Callable[[str], None]) -> Report:
    peers, missing = installed(options.peers, progress)
    ours = [
        Side(name=name, run=partial(bench.ours, name, kind, way))
        for kind in options.databases
        for way in WAYS
        for name in (f"{kind}, {way}",)
    ]
    theirs = [Side(name=peer.name, run=partial(bench.peers, peer)) for peer in peers]
    runs = take_turns([*theirs, *ours], rounds=options.rounds, progress=progress)
    rivals = [peer.name for peer in peers if peer.is_rival]
    reference = best_of(runs, rivals, "p50", most=False) or ours[0].name
    rows = rows_of(runs, _METRICS, reference=reference, ours=[side.name for side in ours])
    looks = (f"{name}, ms: {_listed(parts(*trail))}" for name, trail in bench.trails.items())
    return Report(
        name="latency", rows=rows, rounds=options.rounds, reference=reference, notes=(*missing, *looks)
    )


def _listed(figures: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {figure:.2f}" for name, figure in figures.items())
