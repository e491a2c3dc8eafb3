"""One fault in a small life, at every place where there can be one: what the tests only sample."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from random import Random

from tests.simulation.cases import Place, quiet_life, small_world
from tests.simulation.lives import LATE, Blow, Cut, live_through
from tests.simulation.world import World
from wallet_provisioning.supervision.places import ROOT
from wallet_provisioning.supervision.simfaults import INSIDE, Fault, Harm

_SIZES = (1, 2, 3)
_LASTING = (timedelta(seconds=5), timedelta(seconds=20), None)
_PAUSES = (timedelta(seconds=1), timedelta(seconds=30))
_STRIDE = {1: 1, 2: 5, 3: 9}


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One life, and the one thing that goes wrong in it."""

    name: str
    seed: int
    places: Mapping[Place, Fault] = field(default_factory=dict)
    cuts: tuple[Cut, ...] = ()
    size: int = 1

    def live(self) -> tuple[World, list[str]]:
        """Live through it; returns the world, which is closed, and what went wrong in it."""
        world = small_world(self.seed, self.places, size=self.size)
        found = live_through(world, self.cuts)
        return world, [each for each in found if each != LATE or not self._lost_the_stop(world)]

    def _lost_the_stop(self, world: World) -> bool:
        """Return whether the outside's word to stop was lost: then the time for the stop is what ends it."""
        return any(
            boundary.path == ROOT
            and boundary.message == "Stop"
            and self.places.get((boundary.path, boundary.number)) == Fault(harm=Harm.LOSE)
            for daemon in world.daemons
            for boundary in daemon.runtime.trace
        )


def cases(seed: int) -> list[Case]:
    """Return all of a seed, in an order drawn from it: who has time for some saw some of everything."""
    found = [*_faulty(seed), *_struck(seed)]
    Random(seed).shuffle(found)
    return found


def _faulty(seed: int) -> Iterator[Case]:
    quiet = quiet_life(seed)
    for boundary in quiet.boundaries:
        place = (boundary.path, boundary.number)
        for fault in _faults():
            yield Case(name=f"{fault} at {boundary}", seed=seed, places={place: fault})
        for at, name in enumerate(quiet.points[boundary], start=1):
            for fault in _faults():
                if fault.harm in INSIDE:
                    places = {place: replace(fault, at=at)}
                    yield Case(name=f"{fault} at {boundary}, {name}", seed=seed, places=places)


def _struck(seed: int) -> Iterator[Case]:
    for cut, size in _cuts(seed):
        yield Case(name=f"{cut}, of {size} daemons", seed=seed, cuts=(cut,), size=size)


def _faults() -> Iterator[Fault]:
    for harm in Harm:
        for lasts in _LASTING if harm is Harm.HANG else (None,):
            yield Fault(harm=harm, lasts=lasts)


def _cuts(seed: int) -> Iterator[tuple[Cut, int]]:
    for size in _SIZES:
        for steps in range(1, quiet_life(seed, size).steps + 1, _STRIDE[size]):
            for blow in Blow:
                for pause in _PAUSES:
                    yield Cut(steps=steps, blow=blow, pause=pause, which=steps % size), size
