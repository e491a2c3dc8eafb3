"""From the first daemon's start to the last one's end, with what must hold at each end."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from tests.simulation.checks import breaches_of, orphans_of, sick_of, stop_order_of
from tests.simulation.daemon import SimDaemon
from tests.simulation.world import PATIENCE, World

LATE = "the tree did not stop"


class Blow(StrEnum):
    """What befalls a whole daemon: `kill -9`, an orderly stop, or a time between SIGSTOP and SIGCONT."""

    KILL = "kill"
    STOP = "stop"
    FREEZE = "freeze"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """After so many steps a daemon is struck, of several that one; the next comes after a pause.

    A daemon that is frozen goes on after it.
    """

    steps: int
    blow: Blow
    pause: timedelta = timedelta(seconds=1)
    which: int = 0


def end_of(world: World) -> list[str]:
    """Let a world that has begun come to its end; returns every breach. The world is closed then."""
    try:
        return list(_end(world))
    finally:
        world.close()


def live_through(world: World, cuts: Sequence[Cut] = ()) -> list[str]:
    """Run a world to its end; returns every breach. The world is closed then."""
    try:
        return list(_live(world, cuts))
    finally:
        world.close()


def _live(world: World, cuts: Sequence[Cut]) -> Iterator[str]:
    world.open()
    for cut in cuts:
        for _ in range(cut.steps):
            world.step()
        if world.up:
            yield from _strike(world, world.up[cut.which % len(world.up)], cut)
    yield from _end(world)


def _end(world: World) -> Iterator[str]:
    if not world.run_to_the_end():
        yield f"not over after {PATIENCE}"
    yield from sick_of(world)
    for daemon in tuple(world.up):
        yield from _stop(world, daemon, None)
    yield from (f"job {job.id} is held after a stop" for job in world.jobs() if job.status == "in_progress")
    yield from breaches_of(world)


def _strike(world: World, daemon: SimDaemon, cut: Cut) -> Iterator[str]:
    match cut.blow:
        case Blow.KILL:
            world.kill(daemon, cut.pause)
        case Blow.FREEZE:
            world.freeze(daemon, cut.pause)
        case Blow.STOP:
            world.blows["daemon stopped"] += 1
            yield from _stop(world, daemon, cut.pause)


def _stop(world: World, daemon: SimDaemon, pause: timedelta | None) -> Iterator[str]:
    events = len(daemon.events)
    has_ended = world.stop(daemon, pause)
    if daemon.runtime.has_died:
        daemon.die()
        return
    if not has_ended:
        yield LATE  # the end of the process is the end of all
    else:
        yield from orphans_of(daemon)
    if daemon.has_ended and daemon.reason is None:
        yield from stop_order_of(daemon, events)
    daemon.exit()
    mine = (job for job in world.jobs_held_by(daemon.holder))
    yield from (f"job {job} is held by a daemon that was stopped" for job in mine)
