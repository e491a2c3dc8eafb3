"""What a message costs: from one thread to one actor, and back and forth between two.

`Address` carries the context variables of the teller, pykka's own `tell` and a queue do not.
"""

import gc
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from time import perf_counter, process_time

from benchmarks.harness import Figures, Metric, Report, Side, compare, percentile
from benchmarks.hosts import Host, Tell, addresses, pykka_refs, queues
from benchmarks.pinning import pinned

_WORK, _LAST = object(), object()
_MICRO = 1e6


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How much is measured in a round."""

    rounds: int = 21
    messages: int = 50_000
    trips: int = 3_000


def _rate(host: Host, messages: int) -> tuple[float, float]:
    """Return how many messages a second one actor takes from one thread, and a message's CPU in µs."""
    done = threading.Event()

    def handle(message: object) -> None:
        if message is _LAST:
            done.set()

    with host(handle) as (tell,), _only_what_is_told_collected():
        began, burnt = perf_counter(), process_time()
        for _ in range(messages):
            tell(_WORK)
        tell(_LAST)
        done.wait()
        return messages / (perf_counter() - began), (process_time() - burnt) / messages * _MICRO


@contextmanager
def _only_what_is_told_collected() -> Iterator[None]:
    """Keep what was imported out of the collector's sight.

    A backlog brings a full collection about now and then, and that takes as long as the heap is large: a
    throw of the dice that costs as much as the messages do.
    """
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def _trips(host: Host, trips: int) -> list[float]:
    """Return how long each way there and back between two actors took, in microseconds."""
    done = threading.Event()
    stamps: list[float] = []
    tells: list[Tell] = []

    def send_back(message: object) -> None:
        tells[0](message)

    def serve(_message: object) -> None:
        stamps.append(perf_counter())
        if len(stamps) > trips:
            done.set()
        else:
            tells[1](_WORK)

    with host(serve, send_back) as found:
        tells.extend(found)
        tells[0](_WORK)
        done.wait()
    return [(later - earlier) * _MICRO for earlier, later in pairwise(stamps)]


def _round(host: Host, options: Options) -> Figures:
    figures: dict[str, float] = {}
    for where in ("", ", one core"):
        with pinned(is_wanted=bool(where)):
            trips = _trips(host, options.trips)
            rate, burnt = _rate(host, options.messages)
            figures |= {
                f"tell{where}": rate,
                f"CPU of a tell{where}": burnt,
                f"round trip p50{where}": percentile(trips, 0.5),
                f"round trip p99{where}": percentile(trips, 0.99),
            }
    return figures


def measure(options: Options | None = None, progress: Callable[[str], None] = lambda _line: None) -> Report:
    """Compare the three ways to send a message."""
    options = options or Options()
    hosts: dict[str, Host] = {"Address": addresses, "pykka": pykka_refs, "SimpleQueue": queues}
    rows = compare(
        [Side(name=name, run=partial(_round, host, options)) for name, host in hosts.items()],
        [
            Metric(name="tell", unit="1/s", target=">= 0.9, stretch > 1"),
            Metric(name="tell, one core", unit="1/s", target=">= 0.9, stretch > 1"),
            *(
                Metric(name=f"{what}{where}", unit="µs")
                for what in ("CPU of a tell", "round trip p50", "round trip p99")
                for where in ("", ", one core")
            ),
        ],
        rounds=options.rounds,
        reference="pykka",
        ours=["Address"],
        progress=progress,
    )
    return Report(name="tell", rows=rows, rounds=options.rounds, reference="pykka")
