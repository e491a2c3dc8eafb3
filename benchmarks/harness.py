"""Sides that are compared run in turn, round after round, so that the machine's moods hit all alike.

A row is one side's figure: median, lowest and highest of its rounds. Its ratio is the median of the
ratios to the reference *of the same round*, which a machine that slows down half-way does not move.
Nothing here judges a figure: a target stands beside the ratio for the reader.
"""

import math
import os
import platform
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version

Figures = Mapping[str, float]
Runs = Mapping[str, Sequence[Figures]]

_LIBRARIES = ("pykka", "sqlalchemy", "psycopg", "httpx", "aiohttp")


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One of the things compared; `run` makes one round and returns its figures by metric."""

    name: str
    run: Callable[[], Figures]


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """What a figure means. `target` is what our side's ratio is hoped to be, in words."""

    name: str
    unit: str
    target: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One side's figure over all rounds; `ratio` is None where its reference has none."""

    metric: str
    side: str
    unit: str
    median: float
    lowest: float
    highest: float
    ratio: float | None
    target: str = ""


def machine() -> str:
    """Return a line on where the figures were taken: cores, load, versions."""
    libraries = ", ".join(f"{name} {version(name)}" for name in _LIBRARIES)
    cores = len(os.sched_getaffinity(0))
    load = os.getloadavg()[0]
    python = f"Python {platform.python_version()}"
    kernel = f"{platform.system()} {platform.release()} {platform.machine()}"
    day = datetime.now(UTC).date()
    return f"{day}, {cores} cores (load {load:.1f}), {python}, {kernel}; {libraries}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a benchmark found; `notes` are lines for the reader, such as a side that was left out."""

    name: str
    rows: tuple[Row, ...]
    rounds: int
    reference: str
    notes: tuple[str, ...] = ()
    machine: str = field(default_factory=machine)


def compare(
    sides: Sequence[Side],
    metrics: Sequence[Metric],
    *,
    rounds: int,
    reference: str,
    ours: Sequence[str] = (),
    progress: Callable[[str], None] = lambda _line: None,
) -> tuple[Row, ...]:
    """Run every side once a round, each round beginning with another one, and return the rows.

    `ours` are the sides that the targets are meant for. What a side raises comes out here.
    """
    runs = take_turns(sides, rounds=rounds, progress=progress)
    return rows_of(runs, metrics, reference=reference, ours=ours)


def take_turns(
    sides: Sequence[Side], *, rounds: int, progress: Callable[[str], None] = lambda _line: None
) -> Runs:
    """Run every side once a round, each beginning with another one. What a side raises comes out here."""
    runs: dict[str, list[Figures]] = {side.name: [] for side in sides}
    for round_ in range(rounds):
        first = round_ % len(sides)
        for side in (*sides[first:], *sides[:first]):
            progress(f"round {round_ + 1} of {rounds}: {side.name}")
            runs[side.name].append(side.run())
    return runs


def best_of(runs: Runs, names: Sequence[str], metric: str, *, most: bool) -> str | None:
    """Return which of these has the highest median of a metric, or the lowest; None where there are none."""
    choose = max if most else min
    return choose(names, key=lambda name: _middle(runs, name, metric), default=None)


def rows_of(
    runs: Runs, metrics: Sequence[Metric], *, reference: str, ours: Sequence[str] = ()
) -> tuple[Row, ...]:
    """Return the rows of what was run. `ours` are the sides that the targets are meant for."""
    return tuple(
        _row(metric, side, runs, reference, is_ours=side in ours)
        for metric in metrics
        for side in runs
        if metric.name in runs[side][0]
    )


def _middle(runs: Runs, side: str, metric: str) -> float:
    return statistics.median(run[metric] for run in runs[side])


def _row(metric: Metric, side: str, runs: Runs, reference: str, *, is_ours: bool) -> Row:
    figures = [run[metric.name] for run in runs[side]]
    return Row(
        metric=metric.name,
        side=side,
        unit=metric.unit,
        median=_middle(runs, side, metric.name),
        lowest=min(figures),
        highest=max(figures),
        ratio=_ratio(metric.name, runs[side], runs.get(reference, [])),
        target=metric.target if is_ours else "",
    )


def _ratio(metric: str, runs: Sequence[Figures], references: Sequence[Figures]) -> float | None:
    pairs = zip(runs, references, strict=False)
    ratios = [run[metric] / other[metric] for run, other in pairs if other.get(metric)]
    return statistics.median(ratios) if ratios else None


def percentile(samples: Sequence[float], share: float) -> float:
    """Return the smallest sample that at least this share of them does not exceed."""
    ordered = sorted(samples)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]
