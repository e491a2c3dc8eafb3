"""What a supervisor is in the middle of: starts and stops, one step after the other.

One kind of plan serves boot, restart, every strategy and shutdown. A step is done when every child it
names has done what is asked; then the next begins. Plans over different children run side by side.
"""

from collections import deque
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

AT_ONCE = timedelta()


class Verb(StrEnum):
    """What a step does."""

    PAUSE = "pause"
    START = "start"
    STOP = "stop"


@dataclass(slots=True)
class Step:
    """One verb over some children; `open` are those that have not done it yet."""

    verb: Verb
    open: set[str]
    delay: timedelta = timedelta()


@dataclass(slots=True, eq=False)
class Plan:
    """Steps still to be done, the first of them under way. A boot that fails is not tried again."""

    steps: deque[Step]
    is_boot: bool = False

    @property
    def current(self) -> Step | None:
        """The step under way, None when all are done."""
        return self.steps[0] if self.steps else None

    def names(self, child: str, verb: Verb) -> bool:
        """Return whether the step under way waits for that of the child."""
        step = self.current
        return step is not None and step.verb is verb and child in step.open

    def done(self, child: str, verb: Verb) -> bool:
        """Take a child off the step under way; return whether the step was waiting for it."""
        if self.current is None or not self.names(child, verb):
            return False
        self.current.open.discard(child)
        return True

    def concerns(self, child: str) -> bool:
        """Return whether something is still to be done with the child."""
        return any(child in step.open for step in self.steps)

    def starts(self) -> frozenset[str]:
        """Return the children that are still to be started."""
        return frozenset().union(*(step.open for step in self.steps if step.verb is Verb.START))

    def forget(self, child: str) -> None:
        """Take a child off every step."""
        for step in self.steps:
            step.open.discard(child)


def boot(children: Sequence[str], stopping: Sequence[str] = ()) -> Plan:
    """Start children one after the other; those that a predecessor was stopping must have stopped first."""
    steps = [Step(Verb.STOP, {child}) for child in reversed(stopping)]
    steps += [Step(Verb.START, {child}) for child in children]
    return Plan(deque(steps), is_boot=True)


def shutdown(children: Sequence[str], *, together: bool) -> Plan:
    """Stop children in the reverse order of their start, or all at once."""
    if together:
        return Plan(deque([Step(Verb.STOP, set(children))] if children else []))
    return Plan(deque(Step(Verb.STOP, {child}) for child in reversed(children)))


def restart(
    affected: Sequence[str], running: Collection[str], delay: timedelta, *, is_boot: bool = False
) -> Plan:
    """Stop those that still run in the reverse of the order given, pause, then start all in order."""
    steps = [Step(Verb.STOP, {child}) for child in reversed(list(running))]
    if delay:
        steps.append(Step(Verb.PAUSE, {affected[0]}, delay))
    steps += [Step(Verb.START, {child}) for child in affected]
    return Plan(deque(steps), is_boot=is_boot)
