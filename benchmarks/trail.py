"""Where the time between an acceptance and the first request at Circle goes."""

import statistics
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from benchmarks.harness import percentile
from wallet_provisioning.telemetry.events import Event, TransactionEnded

_MILLI = 1e3
_STEPS = {"accept_job": "accept", "claim_jobs": "claim", "open_request": "stored request"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """A transaction that was committed; `at` is the monotonic clock of the whole machine, in seconds."""

    reason: str
    at: float
    took: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """When somebody asked for a job, and when its first request was at Circle."""

    asked: float
    first: float


@dataclass(slots=True)
class History:
    """Keeps the transactions that a job needs before its first request. Safe on any thread."""

    ended: list[Ended] = field(default_factory=list)

    def hear(self, event: Event) -> None:
        """Keep what matters."""
        if isinstance(event, TransactionEnded) and event.outcome == "committed" and event.reason in _STEPS:
            took = event.duration.total_seconds()
            self.ended.append(Ended(reason=event.reason, at=time.monotonic(), took=took))


def percentiles(samples: Sequence[Sample]) -> Mapping[str, float]:
    """Return p50 and p99 in ms, and the one over the other."""
    waits = [(sample.first - sample.asked) * _MILLI for sample in samples]
    middle, late = percentile(waits, 0.5), percentile(waits, 0.99)
    return {"p50": middle, "p99": late, "p99 / p50": late / middle}


def parts(samples: Sequence[Sample], ended: Sequence[Ended]) -> Mapping[str, float]:
    """Return the median of each part of the way, in ms and in its order: transactions, and what lies between.

    What did not happen between the wish and the first request has no part.
    """
    found: dict[str, list[float]] = {}
    for sample in samples:
        within = [each for each in ended if sample.asked <= each.at <= sample.first]
        for name, took in _parts(sample, within):
            found.setdefault(name, []).append(took * _MILLI)
    return {name: statistics.median(took) for name, took in found.items()}


def _parts(sample: Sample, ended: Sequence[Ended]) -> Iterable[tuple[str, float]]:
    at = sample.asked
    for reason, name in _STEPS.items():
        step = _first(reason, ended, at)
        if step is None:
            continue
        # Another process may act on a commit before the one that made it has noted its end.
        began = max(at, step.at - step.took)
        yield f"to {name}", began - at
        yield name, step.at - began
        at = step.at
    yield "to Circle", sample.first - at


def _first(reason: str, ended: Sequence[Ended], since: float) -> Ended | None:
    """Return the transaction of its kind that ended first after that, if any."""
    return min(
        (each for each in ended if each.reason == reason and each.at >= since),
        key=lambda each: each.at,
        default=None,
    )
