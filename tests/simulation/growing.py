"""A tree that lives through a schedule of faults while its workers are told things."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TypeAlias

from tests.simulation.trees import Node, Numbered, SimTree
from wallet_provisioning.supervision.simfaults import Boundary, Fault, Harm
from wallet_provisioning.supervision.simulation import SimRuntime

SECOND = timedelta(seconds=1)
GOING_ON = SECOND * 5
TOO_LATE = SECOND * 20
FAULTS = [
    Fault(harm=Harm.CRASH),
    Fault(harm=Harm.CRASH_AFTER),
    Fault(harm=Harm.KILL),
    Fault(harm=Harm.LOSE),
    Fault(harm=Harm.HANG, lasts=GOING_ON),
    Fault(harm=Harm.HANG, lasts=TOO_LATE),
    Fault(harm=Harm.HANG),
]

Places: TypeAlias = dict[tuple[str, int], Fault]
Plan: TypeAlias = list[tuple[int, str, int]]


@dataclass(slots=True)
class Schedule:
    """Faults at (path, number), while `is_on`. Only messages between workers are lost; the root is spared."""

    places: Places
    is_on: bool = False
    harmed: Counter[Harm] = field(default_factory=Counter)

    def __call__(self, boundary: Boundary) -> Fault | None:
        fault = self.places.get((boundary.path, boundary.number))
        is_work = boundary.message == Numbered.__name__
        if not self.is_on or fault is None or boundary.path == "/":
            return None
        if fault.harm is Harm.LOSE and not is_work:
            return None
        if is_work and (fault.harm in {Harm.CRASH, Harm.LOSE} or fault == Fault(harm=Harm.HANG)):
            self.harmed[fault.harm] += 1
        return fault


@dataclass(frozen=True, slots=True)
class Life:
    """A tree that lived through a schedule, what it was told, and what may be missing."""

    tree: SimTree
    told: int
    harmed: int


def live(root: Node, seed: int, places: Places, plan: Plan, runtime: type[SimRuntime] = SimRuntime) -> Life:
    """Tell the workers of a tree what is planned, while faults come over them."""
    schedule = Schedule(places)
    tree = SimTree(root, seed, faults=schedule, lag=0.05, runtime=runtime).start()
    assert tree.come_up()
    schedule.is_on = True
    numbers: Counter[tuple[str, str]] = Counter()
    for at, sender, which in sorted(plan):
        path = tree.workers[which % len(tree.workers)]
        numbers[sender, path] += 1
        message = Numbered(sender=sender, number=numbers[sender, path])
        tree.tell_later(timedelta(milliseconds=at), path, message)
    tree.run(90 * SECOND)
    schedule.is_on = False
    return Life(tree, len(plan), schedule.harmed.total())
