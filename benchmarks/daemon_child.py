"""A whole daemon that measures itself: `python -m benchmarks.daemon_child WARM STOP [inspect]`.

Settings come from the environment as always. It counts from the first commit of results after WARM
jobs were completed to the first one after STOP, prints one JSON object and ends. With `inspect` it
also counts messages and statements, and samples its threads, which costs something: its times are then
no figures.
"""

import asyncio
import json
import os
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from benchmarks.counting import Post, Statements, count_messages
from benchmarks.threads import Reading, Sampler, read_threads
from wallet_provisioning.clock import Clock
from wallet_provisioning.daemon import Daemon
from wallet_provisioning.daemon.garbage import tame_collector
from wallet_provisioning.daemon.surroundings import telemetry_options
from wallet_provisioning.settings import Settings
from wallet_provisioning.telemetry.events import Event, JobMoved, JobsMoved, TransactionEnded
from wallet_provisioning.telemetry.options import TelemetryOptions
from wallet_provisioning.telemetry.setup import Telemetry

_SAMPLES = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class _Mark:
    """How far everything had come."""

    reading: Reading
    jobs: int
    messages: Counter[str]
    wakes: int
    transactions: Counter[str]
    statements: Counter[str]
    seconds: dict[str, float]


class _Watched(Telemetry):
    """Real telemetry that takes readings as jobs are completed; the events come from many threads."""

    def __init__(self, options: TelemetryOptions, clock: Clock) -> None:
        super().__init__(options, clock)
        self.marks: list[int] = []
        self.marks_passed: list[_Mark] = []
        self.post = Post()
        self.statements = Statements()
        self.transactions: Counter[str] = Counter()
        self.seconds: dict[str, float] = defaultdict(float)
        self.completed = 0
        self.on_marks: list[Callable[[], object]] = []

    def emit(self, event: Event) -> None:
        """Tell telemetry, and count."""
        super().emit(event)
        match event:
            case JobMoved(status="completed") | JobsMoved(status="completed"):
                self.completed += event.size()
            case TransactionEnded(outcome="committed"):
                self._committed(event)
            case _:
                pass

    def _committed(self, event: TransactionEnded) -> None:
        self.transactions[event.reason] += 1
        self.statements.ended(event.reason)
        self.seconds[event.reason] += event.duration.total_seconds()
        passed = len(self.marks_passed)
        # Only the writer commits results, so this is one thread's work.
        if event.reason == "record_results" and self.completed >= self.marks[passed]:
            self.marks_passed.append(self._mark(times_first=passed > 0))
            self.on_marks[passed]()

    def _mark(self, *, times_first: bool) -> "_Mark":
        return _Mark(
            reading=read_threads(times_first=times_first),
            jobs=self.completed,
            messages=Counter(self.post.kinds),
            wakes=len(self.post.wakes),
            transactions=Counter(self.transactions),
            statements=Counter(self.statements.by_reason),
            seconds=dict(self.seconds),
        )


async def _run(warm: int, stop: int, *, inspects: bool) -> dict[str, Any]:
    settings = Settings.load(os.environ, sandbox=False)
    telemetry = _Watched.open(telemetry_options(settings))
    loop, leaving, sampler = asyncio.get_running_loop(), asyncio.Event(), Sampler()
    begin = sampler.start if inspects else _nothing
    telemetry.marks = [warm, stop, sys.maxsize]

    def end() -> None:
        sampler.stop()
        loop.call_soon_threadsafe(leaving.set)

    telemetry.on_marks = [begin, end]
    if inspects:
        count_messages(telemetry.post)
        telemetry.statements.count()
    daemon = Daemon(settings, telemetry=telemetry, leaving=leaving)
    await daemon.open()
    tame_collector()
    await daemon.wait()
    await daemon.close()
    await asyncio.to_thread(telemetry.close)
    samples = [[*key, count] for key, count in sampler.seen.most_common(_SAMPLES)]
    return {**_figures(*telemetry.marks_passed), "samples": samples}


def _nothing() -> None:
    """Begin no sampling."""


def _figures(began: _Mark, ended: _Mark) -> dict[str, Any]:
    transactions = ended.transactions - began.transactions
    return {
        "jobs": ended.jobs - began.jobs,
        "seconds": ended.reading.at - began.reading.at,
        "cpu": ended.reading.cpu - began.reading.cpu,
        "cpu_by_group": _grown(began.reading.cpu_by_group, ended.reading.cpu_by_group),
        "switches": dict(ended.reading.switches - began.reading.switches),
        "messages": dict(ended.messages - began.messages),
        "wakes": ended.wakes - began.wakes,
        "transactions": dict(transactions),
        "statements": dict(ended.statements - began.statements),
        "seconds_in": {reason: _grown(began.seconds, ended.seconds)[reason] for reason in transactions},
    }


def _grown(before: Mapping[str, float], after: Mapping[str, float]) -> dict[str, float]:
    return {name: figure - before.get(name, 0.0) for name, figure in after.items()}


if __name__ == "__main__":
    found = asyncio.run(_run(int(sys.argv[1]), int(sys.argv[2]), inspects="inspect" in sys.argv))
    sys.stdout.write(json.dumps(found) + "\n")
