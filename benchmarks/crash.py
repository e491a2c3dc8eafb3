"""How long after a crash the next message is served, until its answer is back with who sent both.

Ours: the two messages are told to one address; the supervisor restarts the actor in between. pykka:
`on_failure` starts a successor and hands its reference to the sender, which then tells the second
message; more than that a plain pykka program can't do, since what waits for a dying actor is lost. Once
it says nothing of its crashes, and once it writes each one's stack, as our supervisor always does.
Erlang/OTP: a gen_server below a one_for_one supervisor, found again by its registered name.
"""

import queue
import shutil
import subprocess
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from time import perf_counter

from benchmarks.grove import grove
from benchmarks.harness import Figures, Metric, Report, Side, compare, percentile
from benchmarks.onfailure import restarting
from wallet_provisioning.supervision.actor import Actor, recipe
from wallet_provisioning.supervision.child import Child
from wallet_provisioning.supervision.life import Life

_SCRIPT = Path(__file__).with_name("crash.escript")
_CRASH, _NEXT = object(), object()
_MICRO = 1e6
_WARM_UP = 5
# The harder of the two: a crash that nobody hears of costs less than one whose stack is written, as ours is.
_REFERENCE = "pykka on_failure"


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How often each side crashes in a round."""

    rounds: int = 15
    crashes: int = 200


class _ToldError(Exception):
    """The crash that is measured."""


class _Worker(Actor[object]):
    def __init__(self, life: Life, *, served: "queue.SimpleQueue[None]") -> None:
        super().__init__(life)
        self._served = served

    def receive(self, message: object) -> None:
        if message is _CRASH:
            raise _ToldError
        self._served.put(None)


def _supervised(crashes: int) -> list[float]:
    served = queue.SimpleQueue[None]()
    child = Child(id="worker", recipe=recipe(_Worker, served=served))
    with grove(lambda _places: [child]) as places:
        address = places.address("worker")

        def sample() -> None:
            address.tell(_CRASH)
            address.tell(_NEXT)
            served.get()

        return _timed(sample, crashes)


def _plain(crashes: int, *, writes_stacks: bool) -> Figures:
    with restarting(writes_stacks=writes_stacks) as sample:
        return _figures(_timed(sample, crashes))


def _timed(sample: Callable[[], None], times: int) -> list[float]:
    taken = []
    for _ in range(_WARM_UP + times):
        began = perf_counter()
        sample()
        taken.append((perf_counter() - began) * _MICRO)
    return taken[_WARM_UP:]


def _erlang(crashes: int) -> Figures:
    """Run the script, which does both manners of death in turn."""
    run = subprocess.run(  # noqa: S603 - our own script
        [str(shutil.which("escript")), str(_SCRIPT), str(_WARM_UP + crashes)],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    taken: dict[str, list[float]] = defaultdict(list)
    for line in run.stdout.splitlines():
        manner, nanoseconds = line.split()
        taken[manner].append(int(nanoseconds) / 1000)
    figures = _figures(taken["raise"][_WARM_UP:])
    return {**figures, "after a kill from outside, p50": percentile(taken["kill"][_WARM_UP:], 0.5)}


def _figures(taken: Sequence[float]) -> Figures:
    return {"crash to next, p50": percentile(taken, 0.5), "crash to next, p99": percentile(taken, 0.99)}


def measure(options: Options | None = None, progress: Callable[[str], None] = lambda _line: None) -> Report:
    """Compare our supervisor with pykka's own means and, where it is installed, with Erlang/OTP."""
    options = options or Options()
    sides = [
        Side(name="supervisor", run=lambda: _figures(_supervised(options.crashes))),
        *(
            Side(name=name, run=partial(_plain, options.crashes, writes_stacks=does))
            for name, does in ((_REFERENCE, False), ("pykka, stack written", True))
        ),
    ]
    notes: tuple[str, ...] = ()
    if shutil.which("escript") is None:
        notes = ("Erlang/OTP is left out: apt-get install erlang-base",)
    else:
        sides.append(Side(name="Erlang/OTP", run=lambda: _erlang(options.crashes)))
    rows = compare(
        sides,
        [
            Metric(name="crash to next, p50", unit="µs", target="<= 1, stretch 5 x Erlang"),
            Metric(name="crash to next, p99", unit="µs"),
            Metric(name="after a kill from outside, p50", unit="µs"),
        ],
        rounds=options.rounds,
        reference=_REFERENCE,
        ours=["supervisor"],
        progress=progress,
    )
    return Report(name="crash", rows=rows, rounds=options.rounds, reference=_REFERENCE, notes=notes)
