"""How a supervisor treats its children, in one place."""

from dataclasses import dataclass, field

from wallet_provisioning.supervision.restarts import Delay, Intensity, Strategy


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """How a supervisor treats its children. `stops_together` drains them all at once.

    `max_children` bounds what may be added at run time; None lets any number in. More than `zombie_limit`
    hung threads in the whole tree end it, since only a new process gets rid of them: the root's policy
    says how many, and below the root it is not looked at.
    """

    strategy: Strategy = Strategy.ONE_FOR_ONE
    intensity: Intensity = field(default_factory=Intensity)
    delay: Delay = field(default_factory=Delay)
    stops_together: bool = False
    zombie_limit: int = 8
    max_children: int | None = None
