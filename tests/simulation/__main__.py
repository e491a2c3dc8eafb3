"""Run worlds drawn from seeds: `python -m tests.simulation --seeds 500`. Exit code 1 on a breach.

With `--seed S` the seeds begin at S, so one that failed is replayed by `--seeds 1 --seed S`; a schedule of
faults that was printed, or made up, by `--schedule JSON`. `--everywhere` tells the small life of one seed, or
of `--seeds` many, again and again, with one fault at every place instead of many at some: 2,800 lives a seed,
8 minutes on an idle core. Either ends at the latest after `--minutes`, and says then what it left out.
"""

import argparse
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from math import inf
from time import perf_counter

from tests.simulation.everywhere import cases
from tests.simulation.schedules import Schedule, Told, drawn, read, written
from tests.simulation.world import World

_PROGRESS = 250


@dataclass(slots=True)
class _Tried:
    """What was tried so far."""

    began: float = field(default_factory=perf_counter)
    worlds: int = 0
    hours: float = 0.0
    breaches: int = 0
    left_out: int = 0
    orders: set[str] = field(default_factory=set)
    befell: Counter[str] = field(default_factory=Counter)

    def add(self, world: World, found: Sequence[str]) -> None:
        self.worlds += 1
        self.hours += world.clock.seconds() / 3600
        self.orders.add(world.digest)
        self.befell += world.befell()
        self.breaches += len(found)

    @property
    def minutes(self) -> float:
        return (perf_counter() - self.began) / 60

    def lines(self, what: str) -> list[str]:
        hourly = f"{self.hours:.1f} simulated hours ({self.hours / self.minutes:.0f} a minute)"
        orders = f"{len(self.orders)} distinct interleavings"
        cut_short = f", {self.left_out} left out since the time was over" if self.left_out else ""
        return [
            f"{what}, {hourly}, {orders}, {self.breaches} breaches{cut_short}",
            *(f"{times:8} {name}" for name, times in sorted(self.befell.items())),
        ]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, help="how many: 100, or with --everywhere 1")
    parser.add_argument("--seed", type=int, default=0, help="the first one")
    parser.add_argument("--minutes", type=float, default=inf, help="after which no further world is begun")
    parser.add_argument("--schedule", help="one schedule of faults, as it was printed")
    parser.add_argument("--everywhere", action="store_true", help="one fault a world, at every place")
    wanted = parser.parse_args()
    seeds = 1 if wanted.schedule is not None else wanted.seeds or (1 if wanted.everywhere else 100)
    tried = _Tried()
    if wanted.everywhere:
        _go_everywhere(range(wanted.seed, wanted.seed + seeds), wanted.minutes, tried)
    else:
        _run_schedules(wanted, seeds, tried)
    _say(tried.lines(f"{seeds} seeds, {tried.worlds} worlds"))
    return 1 if tried.breaches else 0


def _run_schedules(wanted: argparse.Namespace, seeds: int, tried: _Tried) -> None:
    for schedule in _schedules(wanted, seeds):
        if tried.minutes > wanted.minutes:
            tried.left_out += 1
            continue
        told = Told(schedule)
        found = told.run()
        tried.add(told.world, found)
        if found:
            _tell(told, found, is_drawn=wanted.schedule is None)


def _go_everywhere(seeds: Sequence[int], minutes: float, tried: _Tried) -> None:
    for seed in seeds:
        all_cases = cases(seed)
        for number, case in enumerate(all_cases):
            if tried.minutes > minutes:
                tried.left_out += 1
                continue
            if number % _PROGRESS == 0:
                done = f"{number} of {len(all_cases)} lives"
                _complain([f"seed {seed}: {done}, {tried.breaches} breaches, {tried.minutes:.1f} minutes"])
            world, found = case.live()
            tried.add(world, found)
            if found:
                _complain([f"seed {seed}, {case.name}:", *(f"  breach: {each}" for each in found)])


def _schedules(wanted: argparse.Namespace, seeds: int) -> Iterator[Schedule]:
    if wanted.schedule is not None:
        yield read(wanted.schedule)
    else:
        yield from (drawn(seed) for seed in range(wanted.seed, wanted.seed + seeds))


def _tell(told: Told, found: list[str], *, is_drawn: bool) -> None:
    seed, line = told.schedule.seed, written(told.schedule)
    lines = [f"seed {seed}:", *(f"  breach: {each}" for each in found)]
    lines += [f"  befell: {times} {name}" for name, times in sorted(told.world.befell().items())]
    if is_drawn:
        lines.append(f"  replay: python -m tests.simulation --seeds 1 --seed {seed}")
    lines.append(f"  replay: python -m tests.simulation --schedule '{line}'")
    _complain(lines)


def _say(lines: Sequence[str]) -> None:
    print("\n".join(lines))  # noqa: T201 - this is a command


def _complain(lines: Sequence[str]) -> None:
    print("\n".join(lines), file=sys.stderr)  # noqa: T201


if __name__ == "__main__":
    sys.exit(main())
