"""A small supervision tree to measure in: children of one supervisor, on real threads."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta

from wallet_provisioning.clock import SystemClock
from wallet_provisioning.supervision.actor import recipe
from wallet_provisioning.supervision.child import Child
from wallet_provisioning.supervision.incidents import ChildStarted, Incident
from wallet_provisioning.supervision.places import ROOT, Places
from wallet_provisioning.supervision.policy import Policy
from wallet_provisioning.supervision.restarts import Delay, Intensity
from wallet_provisioning.supervision.root import Root
from wallet_provisioning.supervision.runtime import ThreadRuntime
from wallet_provisioning.supervision.supervisor import Supervisor

_PATIENCE = 120.0
# A benchmark crashes far more often than a program may.
TOLERANT = Policy(
    intensity=Intensity(limit=1_000_000, period=timedelta(milliseconds=1)),
    delay=Delay(base=timedelta(), maximum=timedelta()),
    stops_together=True,
)


@contextmanager
def grove(plant: Callable[[Places], Sequence[Child]], policy: Policy = TOLERANT) -> Iterator[Places]:
    """Have the children run below a supervisor; raises `TimeoutError` if they don't start or stop."""
    clock = SystemClock()
    waiting = _Waiting()
    places = Places(clock, waiting.hear)
    children = plant(places)
    waiting.expect({child.id for child in children})
    family = places.family(ROOT, children)
    top = recipe(Supervisor, family=family, policy=policy, observe=waiting.hear)
    cell = places.cell(ROOT, Child(id=ROOT, recipe=top, family=family))
    runtime = ThreadRuntime()
    root = Root(cell, runtime=runtime, clock=clock, on_end=lambda _why: waiting.ended.set())
    runtime.start()
    root.start()
    try:
        _wait(waiting.all_up)
        yield places
    finally:
        root.stop()
        _wait(waiting.ended)
        runtime.stop()


class _Waiting:
    """Hears of starts until nobody is missing."""

    def __init__(self) -> None:
        self.all_up = threading.Event()
        self.ended = threading.Event()
        self._missing: set[str] = set()

    def expect(self, paths: set[str]) -> None:
        self._missing = paths

    def hear(self, incident: Incident) -> None:
        if isinstance(incident, ChildStarted) and self._missing:
            self._missing.discard(incident.path)
            if not self._missing:
                self.all_up.set()


def _wait(event: threading.Event) -> None:
    if not event.wait(_PATIENCE):
        msg = f"a tree neither started nor stopped within {_PATIENCE:g} s"
        raise TimeoutError(msg)
