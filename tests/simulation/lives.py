"""From the first daemon's start to the last one's end, with what must hold at each end."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

from tests.simulation.checks import breaches_of, orphans_of, sick_of, stop_order_of
from tests.simulation.world import PATIENCE, World


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """After so many steps a daemon is killed, or stopped in good order; the next comes after a pause."""

    steps: int
    is_kill: bool
    pause: timedelta = timedelta(seconds=1)


def live_through(world: World, cuts: Sequence[Cut] = ()) -> list[str]:
    """Run a world to its end; returns every breach. The world is closed then."""
    try:
        return list(_live(world, cuts))
    finally:
        world.close()


def _live(world: World, cuts: Sequence[Cut]) -> Iterator[str]:
    world.open()
    for cut in cuts:
        yield from _cut(world, cut)
        world.clock.advance(cut.pause)
        world.open()
    if not world.run_to_the_end():
        yield f"not over after {PATIENCE}"
    yield from sick_of(world)
    yield from _stop(world)
    yield from breaches_of(world)


def _cut(world: World, cut: Cut) -> Iterator[str]:
    for _ in range(cut.steps):
        world.step()
    if cut.is_kill:
        world.daemon.die()
    else:
        yield from _stop(world)


def _stop(world: World) -> Iterator[str]:
    daemon = world.daemon
    events = len(daemon.events)
    if not world.stop():
        yield "the tree did not stop"
    yield from orphans_of(daemon)
    if daemon.has_ended and daemon.reason is None:
        yield from stop_order_of(daemon, events)
    daemon.exit()
    yield from (f"job {job.id} is held after a stop" for job in world.jobs() if job.status == "in_progress")
