"""Worlds drawn by chance: how the weather is, who crashes when, when the daemon is killed or stopped."""

from dataclasses import dataclass, field, replace
from datetime import timedelta
from random import Random

from tests.simulation.circle import Weather
from tests.simulation.daemon import DaemonParts
from tests.simulation.lives import Cut, live_through
from tests.simulation.world import Parts, World, as_it_is
from wallet_provisioning.store.errors import StoreUnavailableError
from wallet_provisioning.supervision.simfaults import STARTED, Boundary, Fault, Harm

_JOB_CRASHES = 2
_CRASHING = frozenset({Harm.CRASH, Harm.CRASH_AFTER, Harm.KILL, Harm.HANG})


@dataclass(slots=True)
class Chaos:
    """Faults by chance, up to a number. A job may fail by its third crash, so job actors crash twice."""

    chance: Random
    rate: float
    left: int = 8
    job_crashes_left: int = _JOB_CRASHES
    done: list[tuple[Boundary, Fault]] = field(default_factory=list)

    def __call__(self, boundary: Boundary) -> Fault | None:
        if self.left == 0 or self.chance.random() >= self.rate:
            return None
        fault = self._draw(boundary)
        if fault is not None and not self._may(boundary, fault):
            return None
        if fault is not None:
            self.left -= 1
            self.done.append((boundary, fault))
        return fault

    def _draw(self, boundary: Boundary) -> Fault | None:
        harm = self.chance.choice(list(Harm))
        if harm is Harm.HANG:
            seconds = self.chance.choice((None, 1.0, 5.0, 18.0, 40.0))
            return Fault(harm=harm, lasts=None if seconds is None else timedelta(seconds=seconds))
        if harm is Harm.LOSE and not may_be_lost(boundary):
            return None
        return Fault(harm=harm)

    def _may(self, boundary: Boundary, fault: Fault) -> bool:
        if not boundary.path.startswith("jobs/") or fault.harm not in _CRASHING:
            return True
        self.job_crashes_left -= 1
        return self.job_crashes_left >= 0


def may_be_lost(boundary: Boundary) -> bool:
    """Return whether an actor's message to another can be lost here; a start, and what is its own, can't."""
    is_from_outside = (boundary.path, boundary.message) == ("/", "Stop")
    return not (boundary.is_own or boundary.message == STARTED or is_from_outside)


class CrashInTheMiddleError(Exception):
    """The simulation ended a handler beside a transaction."""


@dataclass(slots=True)
class Mishaps:
    """What happens to transactions: an outage before one or after its commit, or a crash there."""

    chance: Random
    rate: float
    left: int = 6
    crashes_left: int = 2

    def __call__(self, reason: str, is_committed: bool) -> None:  # noqa: FBT001 - as the store asks
        if self.left == 0 or self.chance.random() >= self.rate or reason in _OPENING:
            return
        self.left -= 1
        if self.chance.random() < 0.3 and self.crashes_left:
            self.crashes_left -= 1
            raise CrashInTheMiddleError(reason)
        when = "after" if is_committed else "before"
        msg = f"simulated outage {when} {reason}"
        raise StoreUnavailableError(msg)


_OPENING = frozenset({"stamp_environment", "rescue_orphans", "hand_back_all"})


class Drawn:
    """One world drawn from a seed, and what happens in it."""

    def __init__(self, seed: int, *, plant: Parts = as_it_is) -> None:
        self.seed = seed
        chance = Random(seed)
        self._chance = chance
        self._plant = plant
        self._rates = (chance.choice((0.0, 0.01, 0.04)), chance.choice((0.0, 0.01, 0.04)))
        self._lag = chance.choice((0.0, 0.02, 0.1))
        self.chaos: list[Chaos] = []
        self.cuts = [_draw_cut(chance) for _ in range(chance.choice((0, 0, 1, 2, 3)))]
        weather = _draw_weather(chance)
        self.world = World(seed, wishes=chance.randrange(1, 5), weather=weather, parts=self._complete)

    def run(self) -> list[str]:
        """Live through it; returns every breach."""
        return live_through(self.world, self.cuts)

    def faults(self) -> list[str]:
        """Return what was done to actors, in order."""
        return [
            f"{boundary.path} {boundary.number} {boundary.message}: {fault.harm}"
            for chaos in self.chaos
            for boundary, fault in chaos.done
        ]

    def _complete(self, parts: DaemonParts) -> DaemonParts:
        harm, mishap = self._rates
        left = self.chaos[-1].job_crashes_left if self.chaos else _JOB_CRASHES
        self.chaos.append(Chaos(Random(self._chance.getrandbits(64)), harm, job_crashes_left=left))
        mishaps = Mishaps(Random(self._chance.getrandbits(64)), mishap)
        return self._plant(replace(parts, faults=self.chaos[-1], lag=self._lag, mishap=mishaps))


def _draw_cut(chance: Random) -> Cut:
    seconds = chance.choice((0, 1, 30, 90))
    return Cut(
        steps=chance.randrange(1, 700), is_kill=chance.random() < 0.5, pause=timedelta(seconds=seconds)
    )


def _draw_weather(chance: Random) -> Weather:
    life = chance.choice((None, timedelta(minutes=10)))
    return Weather(
        trouble=chance.choice((0.0, 0.15, 0.4)),
        burns_keys=chance.random() < 0.3,
        refuses_used_keys=chance.random() < 0.3,
        list_lag=timedelta(milliseconds=chance.choice((0, 200))),
        key_life=life,
    )
