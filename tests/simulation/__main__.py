"""Run worlds drawn from seeds: `python -m tests.simulation --seeds 500`. Exit code 1 on a breach.

With `--seed S` the seeds begin at S, so one that failed is replayed by `--seeds 1 --seed S`.
"""

import argparse
import sys
from time import perf_counter

from tests.simulation.schedules import Drawn


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=100, help="how many worlds")
    parser.add_argument("--seed", type=int, default=0, help="the first one's seed")
    wanted = parser.parse_args()
    began, hours, breaches = perf_counter(), 0.0, 0
    orders: set[str] = set()
    for seed in range(wanted.seed, wanted.seed + wanted.seeds):
        drawn = Drawn(seed)
        found = drawn.run()
        hours += drawn.world.clock.seconds() / 3600
        orders.add(drawn.world.digest)
        breaches += len(found)
        if found:
            _tell(drawn, found)
    minutes = (perf_counter() - began) / 60
    print(  # noqa: T201 - this is a command
        f"{wanted.seeds} seeds, {hours:.1f} simulated hours ({hours / minutes:.0f} a minute), "
        f"{len(orders)} distinct interleavings, {breaches} breaches"
    )
    return 1 if breaches else 0


def _tell(drawn: Drawn, found: list[str]) -> None:
    lines = [f"seed {drawn.seed}:", *(f"  breach: {each}" for each in found)]
    lines += [f"  done to it: {each}" for each in drawn.faults()]
    lines.append(f"  replay: python -m tests.simulation --seeds 1 --seed {drawn.seed}")
    print("\n".join(lines), file=sys.stderr)  # noqa: T201


if __name__ == "__main__":
    sys.exit(main())
