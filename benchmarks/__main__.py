"""`python -m benchmarks NAME`, run from the root of the work tree; without a name it lists them."""

import argparse
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from rich.console import Console

from benchmarks import budget, crash, endtoend, flat, latency, memory, tell
from benchmarks.harness import Report
from benchmarks.printing import as_json, show


@dataclass(frozen=True, slots=True, kw_only=True)
class Benchmark:
    """One line of the list."""

    about: str
    options: Any
    measure: Callable[..., Report]


BENCHMARKS = {
    "tell": Benchmark(
        about="a message through Address, pykka and SimpleQueue",
        options=tell.Options(),
        measure=tell.measure,
    ),
    "crash": Benchmark(
        about="crash to the next message served: ours, pykka's on_failure, Erlang/OTP",
        options=crash.Options(),
        measure=crash.measure,
    ),
    "memory": Benchmark(
        about="memory of an idle actor: ours, pykka's",
        options=memory.Options(),
        measure=memory.measure,
    ),
    "end-to-end": Benchmark(
        about="jobs a second of a whole daemon on SQLite and PostgreSQL, and where its time goes",
        options=endtoend.Options(),
        measure=endtoend.measure,
    ),
    "latency": Benchmark(
        about="acceptance to the first request at Circle on an idle system",
        options=latency.Options(),
        measure=latency.measure,
    ),
    "budget": Benchmark(
        about="how much of Circle's 10 creations a second a daemon uses",
        options=budget.Options(),
        measure=budget.measure,
    ),
    "flat": Benchmark(
        about="claims, commits and lists after a long history, and beside an old open transaction",
        options=flat.Options(),
        measure=flat.measure,
    ),
}
_OLD_NAMES = {"endtoend": "end-to-end"}
_HISTORY = ("jobs", "audit", "queued", "churn")


def main(arguments: list[str]) -> int:
    """Run what was named; returns the exit code."""
    given = _parser().parse_args(arguments)
    console = Console()
    if given.name is None:
        for name, each in BENCHMARKS.items():
            console.print(f"{name:12}{each.about}", highlight=False, soft_wrap=True)
        return 0
    chosen = benchmark_of(given.name)
    options = replace(chosen.options, **_sizes(given, chosen.options))
    report = chosen.measure(options, _progress())
    if given.json:
        sys.stdout.write(as_json(report) + "\n")
    else:
        show(report, console)
    return 0


def benchmark_of(name: str) -> Benchmark:
    """Return a benchmark by its name, or by the one that it had at first."""
    return BENCHMARKS[_OLD_NAMES.get(name, name)]


def _progress() -> Callable[[str], None]:
    """Return what tells on the standard error how far it has come, and after how many minutes."""
    console, began = Console(stderr=True, highlight=False), time.monotonic()

    def tell_progress(line: str) -> None:
        minutes, seconds = divmod(int(time.monotonic() - began), 60)
        console.print(f"{minutes}:{seconds:02} {line}", soft_wrap=True)

    return tell_progress


def _sizes(given: argparse.Namespace, options: object) -> dict[str, int]:
    """Return what was given of what these options have."""
    names = ("rounds", *_HISTORY)
    return {name: getattr(given, name) for name in names if getattr(given, name) and hasattr(options, name)}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "name",
        nargs="?",
        choices=[*BENCHMARKS, *_OLD_NAMES],
        metavar="NAME",
        help="leave it out for the list",
    )
    parser.add_argument("--rounds", type=int, help="how often each side is measured")
    for name in _HISTORY:
        parser.add_argument(f"--{name}", type=int, help="rows of the long history (flat)")
    parser.add_argument("--json", action="store_true", help="print what was found for a script")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
