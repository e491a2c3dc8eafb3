"""One fault in a small life, at every place where there can be one: what the tests only sample."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

from tests.simulation.cases import quiet_life, small_world
from tests.simulation.lives import Blow, Cut, live_through
from tests.simulation.world import World
from wallet_provisioning.supervision.simfaults import INSIDE, Fault, Harm

_SIZES = (1, 2, 3)
_LASTING = (timedelta(seconds=5), timedelta(seconds=20), None)
_PAUSES = (timedelta(seconds=1), timedelta(seconds=30))
_STRIDE = {1: 1, 2: 5, 3: 9}


def lives(seed: int) -> Iterator[tuple[str, World, tuple[Cut, ...]]]:
    """Yield the worlds of a seed that suffer one fault each, with what is done to it."""
    quiet = quiet_life(seed)
    for boundary in quiet.boundaries:
        place = (boundary.path, boundary.number)
        for fault in _faults():
            yield f"{fault} at {boundary}", small_world(seed, {place: fault}), ()
        for at, name in enumerate(quiet.points[boundary], start=1):
            for fault in _faults():
                if fault.harm in INSIDE:
                    world = small_world(seed, {place: replace(fault, at=at)})
                    yield f"{fault} at {boundary}, {name}", world, ()
    for cut, size in _cuts(seed):
        yield f"{cut}, of {size} daemons", small_world(seed, size=size), (cut,)


def breaches_everywhere(seed: int) -> Iterator[tuple[str, World, list[str]]]:
    """Live through them all; yields what was done, the world, and what went wrong in it."""
    for name, world, cuts in lives(seed):
        yield name, world, live_through(world, cuts)


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
