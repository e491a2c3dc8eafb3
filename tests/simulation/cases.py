"""One small life, told again and again with one thing going wrong in it."""

from collections.abc import Iterable, Mapping, Sequence
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


def small_world(seed: int, places: Mapping[Place, Fault] | None = None, *, size: int = 1) -> World:
    """Return a world in which one person wants wallets and all else goes well."""
    return World(seed, wishes=1, size=size, parts=partial(with_faults, faults=Once(places or {})))


@dataclass(frozen=True, slots=True, kw_only=True)
class Quiet:
    """What a life without faults passes till all know of the job's end; `points` inside its hooks."""

    boundaries: tuple[Boundary, ...]
    points: Mapping[Boundary, Sequence[str]]
    steps: int


@cache
def quiet_life(seed: int, size: int = 1) -> Quiet:
    """Return what a life without faults passes."""
    world = small_world(seed, size=size)
    try:
        world.open()
        steps = 0
        end: timedelta | None = None
        while end is None or world.clock.monotonic() < end:
            world.step()
            steps += 1
            if end is None and world.is_over():
                end = world.clock.monotonic() + _AFTER
        runtime = world.daemon.runtime
        return Quiet(boundaries=tuple(runtime.trace), points=runtime.points, steps=steps)
    finally:
        world.close()


def breaches_at_each(seed: int, boundaries: Iterable[Boundary], fault: Fault) -> dict[str, list[str]]:
    """Return what went wrong in those lives in which this happened at one of the boundaries."""
    found = {}
    for boundary in boundaries:
        place = (boundary.path, boundary.number)
        found[f"{boundary}"] = live_through(small_world(seed, {place: fault}))
    return {name: breaches for name, breaches in found.items() if breaches}


def breaches_at_each_point(
    seed: int, fault: Fault, *, every: int = 1, first: int = 0, only: str = ""
) -> dict[str, list[str]]:
    """Return what went wrong in those lives in which this happened at one of the points inside a hook.

    With `every` at some of them only; `only` those points whose name begins so.
    """
    quiet = quiet_life(seed)
    places = [
        (boundary, at, name)
        for boundary in quiet.boundaries
        for at, name in enumerate(quiet.points[boundary], start=1)
        if name.startswith(only)
    ]
    found = {}
    for boundary, at, name in places[first::every]:
        place = (boundary.path, boundary.number)
        found[f"{boundary}, {name}"] = live_through(small_world(seed, {place: replace(fault, at=at)}))
    return {name: breaches for name, breaches in found.items() if breaches}


def breaches_after_each_cut(
    seed: int, cut: Cut, *, every: int, size: int = 1, first: int = 1
) -> dict[int, list[str]]:
    """Return what went wrong in those lives in which a daemon was struck so after so many steps."""
    found = {
        steps: live_through(small_world(seed, size=size), [replace(cut, steps=steps)])
        for steps in range(first, quiet_life(seed, size).steps + 1, every)
    }
    return {steps: breaches for steps, breaches in found.items() if breaches}
