"""One small life, told again and again with one thing going wrong in it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import cache, partial

from tests.simulation.daemon import DaemonParts
from tests.simulation.lives import Cut, live_through
from tests.simulation.world import World
from wallet_provisioning.supervision.simfaults import Boundary, Fault

Place = tuple[str, int]

_AFTER = timedelta(milliseconds=500)


@dataclass(slots=True)
class Once:
    """Faults at places, each of them once, whichever daemon comes there first."""

    places: Mapping[Place, Fault]
    done: set[Place] = field(default_factory=set)

    def __call__(self, boundary: Boundary) -> Fault | None:
        place = (boundary.path, boundary.number)
        if place not in self.places or place in self.done:
            return None
        self.done.add(place)
        return self.places[place]


def with_faults(parts: DaemonParts, faults: Once) -> DaemonParts:
    return replace(parts, faults=faults)


def small_world(seed: int, places: Mapping[Place, Fault] | None = None) -> World:
    """Return a world in which one person wants wallets and all else goes well."""
    return World(seed, wishes=1, parts=partial(with_faults, faults=Once(places or {})))


@cache
def quiet_life(seed: int) -> tuple[tuple[Boundary, ...], int]:
    """Return the boundaries of a life without faults till all know of the job's end, and its steps."""
    world = small_world(seed)
    try:
        world.open()
        steps = 0
        end: timedelta | None = None
        while end is None or world.clock.monotonic() < end:
            world.step()
            steps += 1
            if end is None and world.is_over():
                end = world.clock.monotonic() + _AFTER
        return tuple(world.daemon.runtime.trace), steps
    finally:
        world.close()


def breaches_at_each(seed: int, boundaries: Iterable[Boundary], fault: Fault) -> dict[str, list[str]]:
    """Return what went wrong in those lives in which this happened at one of the boundaries."""
    found = {}
    for boundary in boundaries:
        place = (boundary.path, boundary.number)
        found[f"{boundary}"] = live_through(small_world(seed, {place: fault}))
    return {name: breaches for name, breaches in found.items() if breaches}


def breaches_after_each_cut(seed: int, *, is_kill: bool, every: int) -> dict[int, list[str]]:
    """Return what went wrong in those lives whose daemon was killed or stopped after so many steps."""
    _, steps = quiet_life(seed)
    found = {
        cut: live_through(small_world(seed), [Cut(steps=cut, is_kill=is_kill)])
        for cut in range(1, steps + 1, every)
    }
    return {cut: breaches for cut, breaches in found.items() if breaches}
