"""Everything that befalls a world, as data: which fault comes at the nth thing of its kind.

A schedule is drawn from a seed, made up by a test, or read from the line that a breach printed. The nth
boundary of any actor, the nth transaction, the nth call to Circle: counted over all daemons of the world,
and over all their lives. What the contract does not bear (a third crash of a job, a message of an actor to
itself that is lost) is left out when its turn comes.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import count
from random import Random
from typing import TypeVar

from pydantic import TypeAdapter

from tests.simulation.circle import Fate, Weather, draw_fate
from tests.simulation.daemon import DaemonParts
from tests.simulation.lives import Blow, Cut, live_through
from tests.simulation.store import Trouble
from tests.simulation.world import Parts, World, as_it_is
from wallet_provisioning.supervision.simfaults import INSIDE, STARTED, Boundary, Fault, Harm

T = TypeVar("T")

JOB_CRASHES = 2
_CRASHING = frozenset({Harm.CRASH, Harm.CRASH_AFTER, Harm.KILL, Harm.HANG})
_OPENING = frozenset({"stamp_environment", "rescue_orphans", "hand_back_all"})
_WRONG = 0.05
_BOUNDARIES, _TRANSACTIONS, _CALLS = 400, 200, 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """One world and all that goes wrong in it. `actors`, `store` and `calls` count from 1."""

    seed: int = 0
    people: int = 2
    daemons: int = 1
    lag: float = 0.0
    actors: Mapping[int, Fault] = field(default_factory=dict)
    store: Mapping[int, Trouble] = field(default_factory=dict)
    calls: Mapping[int, Fate] = field(default_factory=dict)
    burns_keys: bool = False
    refuses_used_keys: bool = False
    list_lag: timedelta = timedelta()
    key_life: timedelta | None = None
    cuts: tuple[Cut, ...] = ()

    def weather(self) -> Weather:
        """Return how its Circle behaves."""
        return Weather(
            fates=self.calls,
            burns_keys=self.burns_keys,
            refuses_used_keys=self.refuses_used_keys,
            list_lag=self.list_lag,
            key_life=self.key_life,
        )


_AS_TEXT = TypeAdapter(Schedule)


def written(schedule: Schedule) -> str:
    """Return a schedule as a line of JSON."""
    return _AS_TEXT.dump_json(schedule, exclude_defaults=True).decode()


def read(line: str) -> Schedule:
    """Return the schedule that a line says; raises pydantic's `ValidationError`."""
    return _AS_TEXT.validate_json(line)


def may_be_lost(boundary: Boundary) -> bool:
    """Return whether an actor's message to another can be lost here; a start, and what is its own, can't."""
    is_from_outside = (boundary.path, boundary.message) == ("/", "Stop")
    return not (boundary.is_own or boundary.message == STARTED or is_from_outside)


class Fates:
    """What happens next to actors and transactions, counted through the lives of all daemons."""

    def __init__(self, schedule: Schedule) -> None:
        self._schedule = schedule
        self._boundaries = count(1)
        self._transactions = count(1)
        freezes = sum(cut.blow is Blow.FREEZE for cut in schedule.cuts)
        self._job_crashes_left = JOB_CRASHES - freezes  # who stands still seems to hang

    def over(self, boundary: Boundary) -> Fault | None:
        """Return what befalls an actor now."""
        fault = self._schedule.actors.get(next(self._boundaries))
        if fault is None or not self._is_borne(boundary, fault):
            return None
        return fault

    def mishap(self, reason: str) -> Trouble | None:
        """Return what becomes of a transaction now."""
        if reason in _OPENING:
            return None
        trouble = self._schedule.store.get(next(self._transactions))
        return Trouble.AWAY if trouble is not None and reason == "read" else trouble

    def _is_borne(self, boundary: Boundary, fault: Fault) -> bool:
        if fault.harm is Harm.LOSE and not may_be_lost(boundary):
            return False
        if not boundary.path.startswith("jobs/") or fault.harm not in _CRASHING:
            return True
        self._job_crashes_left -= 1
        return self._job_crashes_left >= 0


class Told:
    """One world with its schedule. `plant` puts a bug into each of its daemons."""

    def __init__(self, schedule: Schedule, *, plant: Parts = as_it_is) -> None:
        self.schedule = schedule
        self._plant = plant
        self._fates = Fates(schedule)
        self.world = World(
            schedule.seed,
            wishes=schedule.people,
            weather=schedule.weather(),
            parts=self._complete,
            size=schedule.daemons,
            lag=schedule.lag,
        )

    def run(self) -> list[str]:
        """Live through it; returns every breach."""
        return live_through(self.world, self.schedule.cuts)

    def _complete(self, parts: DaemonParts) -> DaemonParts:
        return self._plant(replace(parts, faults=self._fates.over, mishap=self._fates.mishap))


def breaches_under(schedule: Schedule, *, plant: Parts = as_it_is) -> list[str]:
    """Return what went wrong in the world of a schedule."""
    return Told(schedule, plant=plant).run()


def drawn(seed: int) -> Schedule:
    """Return the schedule of a seed."""
    chance = Random(seed)
    daemons = chance.choice((1, 1, 2, 3))
    return Schedule(
        seed=seed,
        people=chance.randrange(1, 5),
        daemons=daemons,
        lag=chance.choice((0.0, 0.02, 0.1)),
        actors=_spread(chance, chance.choice((0.0, 0.02, 0.08)), _BOUNDARIES, 16, _draw_fault),
        store=_spread(chance, chance.choice((0.0, 0.01, 0.05)), _TRANSACTIONS, 8, _draw_trouble),
        calls=_spread(chance, chance.choice((0.0, 0.15, 0.4)), _CALLS, 60, _draw_fate),
        burns_keys=chance.random() < 0.3,
        refuses_used_keys=chance.random() < 0.3,
        list_lag=timedelta(milliseconds=chance.choice((0, 200))),
        key_life=chance.choice((None, timedelta(minutes=10), timedelta(seconds=150))),
        cuts=tuple(_draw_cut(chance) for _ in range(chance.choice((0, 0, 1, 2, 3)))),
    )


def _spread(
    chance: Random, rate: float, length: int, most: int, draw: Callable[[Random], T]
) -> Mapping[int, T]:
    places = [number for number in range(1, length + 1) if chance.random() < rate]
    chosen = places if len(places) <= most else sorted(chance.sample(places, most))
    return {number: draw(chance) for number in chosen}


def _draw_fault(chance: Random) -> Fault:
    at = chance.randrange(1, 5) if chance.random() < 0.7 else 0
    harm = chance.choice(sorted(INSIDE) if at else list(Harm))
    seconds = chance.choice((None, 1.0, 5.0, 18.0, 40.0)) if harm is Harm.HANG else None
    return Fault(harm=harm, lasts=None if seconds is None else timedelta(seconds=seconds), at=at)


def _draw_fate(chance: Random) -> Fate:
    return Fate.WRONG if chance.random() < _WRONG else draw_fate(chance)


def _draw_trouble(chance: Random) -> Trouble:
    return chance.choices(list(Trouble), [2, 2, 4, 1, 1])[0]


def _draw_cut(chance: Random) -> Cut:
    seconds = chance.choice((0, 1, 8, 30, 90, 200))
    blow = chance.choice(list(Blow))
    return Cut(
        steps=chance.randrange(1, 700), blow=blow, pause=timedelta(seconds=seconds), which=chance.randrange(3)
    )
