"""Long runs of whole daemons on a real PostgreSQL: `python -m tests.endurance several --jobs 2000`.

`several` kills one of three daemons and has another stand still, again and again. `outage` takes the
database away for minutes. `acknowledged` crashes daemon and database in a loop while a client writes down
what it was promised. `announcements` measures how soon a NOTIFY wakes the others, and what that costs.
`chain` takes one chain of Circle away for two simulated hours.
Each prints what it measured. Exit code 1 on a breach.
"""

import argparse
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.endurance import acknowledged, announcements, chain, outage, several
from tests.pgbouncer import PGBOUNCER

Run = Callable[[Path, argparse.Namespace], Iterator[str]]
RUNS: dict[str, Run] = {
    "several": several.run,
    "outage": outage.run,
    "acknowledged": acknowledged.run,
    "announcements": announcements.run,
    "chain": chain.run,
}


def main() -> int:
    """Run what is asked for and print its lines as they come."""
    parser = argparse.ArgumentParser(prog="python -m tests.endurance", description=__doc__)
    parser.add_argument("what", choices=RUNS)
    parser.add_argument("--jobs", type=int, default=2000, help="how many jobs (not for outage, acknowledged)")
    parser.add_argument("--rounds", type=int, default=20, help="how many crashes (acknowledged)")
    parser.add_argument("--seconds", type=float, default=600, help="how long the database is away (outage)")
    parser.add_argument("--seed", type=int, default=0, help="what happens when (several, chain)")
    parser.add_argument("--pooled", action="store_true", help="through PgBouncer (outage)")
    parser.add_argument("--frozen", action="store_true", help="it stands still instead (outage)")
    wanted = parser.parse_args()
    if wanted.pooled and PGBOUNCER is None:
        parser.error("pgbouncer is not installed")
    with tempfile.TemporaryDirectory(prefix="wallet-endurance-") as folder:
        try:
            for line in RUNS[wanted.what](Path(folder), wanted):
                print(line, flush=True)  # noqa: T201  # a command prints
        except AssertionError as breach:
            where = traceback.extract_tb(breach.__traceback__)[-1]
            print(f"BREACH: {str(breach) or where.line}", flush=True)  # noqa: T201
            return 1
    print("no breach", flush=True)  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
