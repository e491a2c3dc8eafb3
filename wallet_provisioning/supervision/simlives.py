"""One life of an actor in a simulation: what it waits for, and how its hooks are run."""

import threading
from collections.abc import Callable
from contextvars import Context
from dataclasses import dataclass, field
from enum import Enum, auto

from wallet_provisioning.supervision.letters import Letter
from wallet_provisioning.supervision.life import Life
from wallet_provisioning.supervision.simeffects import Aside, Effects
from wallet_provisioning.supervision.simfaults import (
    Breakable,
    Fault,
    Harm,
    ProcessEndedError,
    SimulatedCrashError,
)

_PATIENCE = 5.0


class Stage(Enum):
    """What an incarnation does between its steps. A released one goes on with what it got stuck with."""

    NEW = auto()
    AWAKE = auto()
    PARKED = auto()
    STUCK = auto()
    RELEASED = auto()


_BUSY = frozenset({Stage.NEW, Stage.AWAKE, Stage.RELEASED})


@dataclass(slots=True, eq=False)
class Incarnation:
    """One life of an actor, and where it stands between its steps.

    `taken` is what it got stuck with before it did anything, `aside` the hook in which it got stuck, and
    `passed` are the points of its present hook.
    """

    actor: Breakable
    life: Life
    pace: float
    stepped_at: float
    stage: Stage = Stage.NEW
    taken: Letter | None = None
    aside: Aside | None = None
    passed: list[str] = field(default_factory=list)

    def is_ready(self) -> bool:
        """Return whether it could be stepped now."""
        if self.stage is Stage.PARKED:
            return not self.life.port.gate.locked()
        return self.stage is not Stage.STUCK

    def is_kept_waiting(self, until: float) -> bool:
        """Return whether it would have stood with something in hand for too long."""
        return self.stage in _BUSY and until - self.stepped_at > _PATIENCE

    def run(self, hook: Callable[[], None], fault: Fault | None, effects: Effects) -> bool:
        """Run a hook; return False where it has not come to its end but stands still."""
        self.actor.fault = fault
        context = Context()

        def run() -> None:
            context.run(hook)

        if fault is not None and fault.at and fault.harm is Harm.HANG:
            self.aside = Aside(run)
            return self.go_on(effects, fault)
        with effects.of(self.passed, fault, None):
            try:
                run()
            except (SimulatedCrashError, ProcessEndedError):
                self._lose_thread()
        self.actor.fault = None
        return True

    def go_on(self, effects: Effects, fault: Fault | None) -> bool:
        """Run a hook on its own thread until it gets stuck (False), or on to its end."""
        if self.aside is None:
            return True
        with effects.of(self.passed, fault, self.aside):
            self.aside.go_on()
        if self.aside.is_over:
            self._end_aside(self.aside)
        return self.aside is None

    def cut(self, effects: Effects) -> None:
        """End a hook that stands still, where it stands; nothing of what would follow is done."""
        if self.aside is not None:
            with effects.of(self.passed, None, None):
                self.aside.cut()
            self._end_aside(self.aside)

    def _end_aside(self, aside: Aside) -> None:
        self.aside, self.actor.fault = None, None
        self.life.port.thread = threading.current_thread()  # as with all others; its own has ended
        if isinstance(aside.error, SimulatedCrashError | ProcessEndedError):
            self._lose_thread()
        elif aside.error is not None:
            raise aside.error

    def _lose_thread(self) -> None:
        """Be one whose thread ended over the report of its own end."""
        self.life.port.is_over = True
