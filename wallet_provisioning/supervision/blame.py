"""Which ends are held against a child and its supervisor, and what follows from them."""

from datetime import timedelta

from wallet_provisioning.clock import Clock
from wallet_provisioning.supervision.child import Cell, Family
from wallet_provisioning.supervision.incidents import ChildEnded
from wallet_provisioning.supervision.policy import Policy


class Blame:
    """One supervisor's record of failures. It lives in the family, so that no successor forgets it."""

    def __init__(self, family: Family, policy: Policy, clock: Clock) -> None:
        """Name the family and its policy."""
        self._family = family
        self._policy = policy
        self._clock = clock

    def remember(self, cell: Cell, ended: ChildEnded) -> bool:
        """Note a failure; return whether it spends restart intensity."""
        is_blamed = cell.spec.is_blameless is None or not cell.spec.is_blameless(ended)
        now = self._clock.monotonic()
        cell.remember(ended, now, is_blamed=is_blamed)
        if is_blamed:
            period = self._policy.intensity.period
            recent = [at for at in self._family.failures if now - at <= period]
            self._family.failures = [*recent, now]
        return is_blamed

    def is_too_much(self) -> bool:
        """Return whether the failures are more than restarts can mend."""
        return self._policy.intensity.is_exceeded(self._family.failures, self._clock.monotonic())

    def pause(self, cell: Cell) -> timedelta:
        """Return how long a child that failed waits for its restart."""
        return self._policy.delay.before(cell.failures)
