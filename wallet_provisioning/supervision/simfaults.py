"""What can go wrong with an actor in a simulation, and when: values, so that a schedule can be replayed."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import TypeAlias

from wallet_provisioning.supervision.actor import Actor


class Harm(StrEnum):
    """What happens to an actor over a message, or over its start.

    `crash`: its hook raises before it did anything. `crash_after`: it raises when all is done. `kill`:
    it gets the control message `Kill` right after. `hang`: it stands still with the message in hand, and
    goes on later or never. `lose`: the message is taken and nobody handles it; a start that is lost is a
    thread that never begins. `die`: the whole process ends there, as by `kill -9`.
    """

    CRASH = "crash"
    CRASH_AFTER = "crash_after"
    KILL = "kill"
    HANG = "hang"
    LOSE = "lose"
    DIE = "die"


INSIDE = frozenset({Harm.CRASH, Harm.HANG, Harm.DIE})


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """A harm; a hang ends after `lasts`, or never.

    `at` is where in the hook it strikes: 0 before anything was done, n at the nth point that the hook
    passes (`Effects`). Only those of `INSIDE` strike at a point; where there is none, nothing happens.
    """

    harm: Harm
    lasts: timedelta | None = None
    at: int = 0


STARTED = "started"


@dataclass(frozen=True, slots=True, kw_only=True)
class Boundary:
    """A place for a fault: the `number`th thing that the actors at `path` are given, from 1.

    `message` is its type's name, or `started` for a start. `is_own` of an actor's timer to itself.
    """

    path: str
    number: int
    message: str
    is_own: bool = False


Faults: TypeAlias = Callable[[Boundary], Fault | None]


def no_faults(boundary: Boundary) -> None:
    """Let everything go well."""
    del boundary


def at(places: Mapping[tuple[str, int], Fault]) -> Faults:
    """Return the schedule with a fault at each of these paths and numbers."""
    return lambda boundary: places.get((boundary.path, boundary.number))


class SimulatedCrashError(Exception):
    """A schedule of faults wanted the actor to crash here."""


class ProcessEndedError(BaseException):
    """A schedule of faults wanted the process to end here: nothing of what would follow is done."""


class Breakable(Actor[object]):
    """The first base of a simulated actor's class: its hooks break when they are told to."""

    fault: Fault | None = None

    def started(self) -> None:
        """Start, or crash before or after that."""
        self._break(super().started)

    def receive(self, message: object) -> None:
        """Handle a message, or crash before or after that."""
        self._break(lambda: super(Breakable, self).receive(message))

    def stopping(self) -> None:
        """Begin to stop, or crash before or after that."""
        self._break(super().stopping)

    def _break(self, hook: Callable[[], None]) -> None:
        fault, self.fault = self.fault, None
        if fault is None or fault.at:
            hook()
            return
        if fault.harm is Harm.CRASH:
            raise SimulatedCrashError(fault.harm)
        hook()
        if fault.harm is Harm.CRASH_AFTER:
            raise SimulatedCrashError(fault.harm)
