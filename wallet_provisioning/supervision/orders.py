"""What a supervisor is told beside its children's reports: an operator's word, and its own timers."""

from dataclasses import dataclass
from typing import TypeAlias

from wallet_provisioning.supervision.life import Report
from wallet_provisioning.supervision.plans import Plan
from wallet_provisioning.supervision.reply import Answer
from wallet_provisioning.supervision.spec import Child


@dataclass(frozen=True, slots=True, kw_only=True)
class RestartChild:
    """Stop a child in good order and start it again; `reply` gets its new incarnation.

    Several requests at once are one restart. There is no answer if the child can't be started, if the
    supervisor is stopping, or if it knows no such child.
    """

    child: str
    reply: Answer[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Added:
    """The child has started."""

    path: str
    incarnation: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Removed:
    """The child has stopped, and nothing of it is left but what may still be told to its address."""

    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """It was not done, and why."""

    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AddChild:
    """Start one more child, behind all others. One that does not start leaves nothing behind.

    It is supervised as its `Child` says; one that ends for good is forgotten.
    """

    child: Child
    reply: Answer[Added | Refused]


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveChild:
    """Stop a child in good order and forget it, whether it was added at run time or not."""

    child: str
    reply: Answer[Removed | Refused]


@dataclass(frozen=True, slots=True, kw_only=True)
class PauseOver:
    """The pause before a restart is over."""

    plan: Plan


@dataclass(frozen=True, slots=True, kw_only=True)
class DrainOver:
    """A child's time to stop is over; the second time it is given up."""

    child: str
    incarnation: int
    is_last: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class LookForHangs:
    """Time to compare the messages in hand with their deadlines."""


SupervisorMessage: TypeAlias = (
    Report | RestartChild | AddChild | RemoveChild | PauseOver | DrainOver | LookForHangs
)
