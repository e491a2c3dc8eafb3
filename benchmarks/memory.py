"""What an actor that waits for its first message keeps in memory.

Each figure comes from a fresh process: resident memory before and after, over the number of actors.
`python -m benchmarks.memory KIND ACTORS` is such a process; it prints the figure in kB.
"""

import gc
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import psutil
import pykka

from benchmarks.grove import grove
from benchmarks.harness import Figures, Metric, Report, Side, compare
from wallet_provisioning.supervision.actor import Actor, recipe
from wallet_provisioning.supervision.child import Child

_ROOT = Path(__file__).parents[1]
_KILO = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How many actors share the cost of what surrounds them."""

    rounds: int = 9
    actors: int = 1_000


class _Idle(Actor[object]):
    def receive(self, message: object) -> None:
        del message


class _PykkaIdle(pykka.ThreadingActor):
    use_daemon_thread = True


@contextmanager
def _supervised(count: int) -> Iterator[None]:
    children = [Child(id=str(number), recipe=recipe(_Idle)) for number in range(count)]
    with grove(lambda _places: children):
        yield


@contextmanager
def _pykka(count: int) -> Iterator[None]:
    refs = [_PykkaIdle.start() for _ in range(count)]
    yield
    for ref in refs:
        ref.stop()


_KINDS: Mapping[str, Callable[[int], AbstractContextManager[None]]] = {
    "supervised": _supervised,
    "pykka": _pykka,
}


def _resident() -> int:
    gc.collect()
    size: int = psutil.Process().memory_info().rss
    return size


def kilobytes_an_actor(kind: str, actors: int) -> float:
    """Return the growth of this process by one idle actor; it should not have run any before."""
    with _KINDS[kind](1):
        before = _resident()
    with _KINDS[kind](actors):
        return (_resident() - before) / actors / _KILO


def _in_fresh_process(kind: str, actors: int) -> Figures:
    run = subprocess.run(  # noqa: S603 - this module itself
        [sys.executable, "-m", "benchmarks.memory", kind, str(actors)],
        cwd=_ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    return {"idle actor": float(run.stdout)}


def measure(options: Options | None = None, progress: Callable[[str], None] = lambda _line: None) -> Report:
    """Compare a supervised actor with a plain one of pykka."""
    options = options or Options()
    rows = compare(
        [Side(name=kind, run=partial(_in_fresh_process, kind, options.actors)) for kind in _KINDS],
        [Metric(name="idle actor", unit="kB", target="<= 1.2")],
        rounds=options.rounds,
        reference="pykka",
        ours=["supervised"],
        progress=progress,
    )
    return Report(name="memory", rows=rows, rounds=options.rounds, reference="pykka")


if __name__ == "__main__":
    sys.stdout.write(f"{kilobytes_an_actor(sys.argv[1], int(sys.argv[2]))}\n")
