"""What an actor is told beside its messages, in the lane that overtakes all others."""

from dataclasses import dataclass

from wallet_provisioning.supervision.inspection import Described
from wallet_provisioning.supervision.reply import Answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """The base of all control messages."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop(Control):
    """Control: end when what is in hand is done, or at once."""

    at_once: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Kill(Control):
    """Control: crash, or block for ever, as an operator or a test demands."""

    hang: bool
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Describe(Control):
    """Control: say what stands in the actor. One that hangs, restarts or has stopped gives no answer."""

    reply: Answer[Described]


class KilledError(Exception):
    """The actor was told to crash."""
