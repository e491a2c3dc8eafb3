"""How a supervisor treats its children, in one place."""

from dataclasses import dataclass, field

from wallet_provisioning.supervision.restarts import Delay, Intensity, Strategy


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """How a supervisor treats its children. `stops_together` drains them all at once.

    More than `zombie_limit` hung threads among its children end the supervisor, and nothing below it
    starts again: only a new process gets rid of them.
    """

    strategy: Strategy = Strategy.ONE_FOR_ONE
    intensity: Intensity = field(default_factory=Intensity)
    delay: Delay = field(default_factory=Delay)
    stops_together: bool = False
    zombie_limit: int = 8
