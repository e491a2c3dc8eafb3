"""What a Circle actor leaves to its successor, and what it lets the outside see of its chain."""

from dataclasses import dataclass
from datetime import datetime

from wallet_provisioning.clock import Clock
from wallet_provisioning.http.circle.answers import CallFailed
from wallet_provisioning.http.circle.breaker import Breaker, BreakerState, Change, Permit, Refusal
from wallet_provisioning.telemetry.events import BreakerChanged, Emit


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainState:
    """One chain as its actor last published it."""

    chain: str
    breaker: BreakerState = BreakerState.CLOSED
    opened_at: datetime | None = None
    reason: str | None = None
    in_flight: int = 0
    waiting: int = 0


class ChainSeat:
    """One chain's place: breaker and wallet set outlive each incarnation of the actor that sits here.

    Changed by that actor's thread alone; `state` is replaced as a whole and may be read by any thread.
    """

    def __init__(self, chain: str) -> None:
        """Start with a closed breaker and nothing under way."""
        self.chain = chain
        self.breaker = Breaker()
        self.state = ChainState(chain=chain)
        self._opened_at: datetime | None = None

    def take_over(self, clock: Clock, emit: Emit) -> None:
        """Inherit the predecessor's breaker; one that was open becomes half-open."""
        self.breaker, change = self.breaker.inherit()
        self._tell(change, clock, emit)
        self.publish(in_flight=0, waiting=0)

    def admit(self, clock: Clock, emit: Emit) -> Permit | Refusal:
        """Return leave for one call, or why there is none."""
        admitted = self.breaker.admit(clock.monotonic())
        if isinstance(admitted, Permit):
            self._tell(admitted.change, clock, emit)
        return admitted

    def record(self, permit: Permit, failure: CallFailed | None, clock: Clock, emit: Emit) -> None:
        """Let the breaker learn how a call ended; None is a success."""
        self._tell(self.breaker.record(permit, failure, clock.monotonic()), clock, emit)

    def publish(self, *, in_flight: int, waiting: int) -> None:
        """Show the outside how the chain stands."""
        self.state = ChainState(
            chain=self.chain,
            breaker=self.breaker.state,
            opened_at=self._opened_at,
            reason=self.breaker.reason or None,
            in_flight=in_flight,
            waiting=waiting,
        )

    def _tell(self, change: Change | None, clock: Clock, emit: Emit) -> None:
        if change is None:
            return
        if change.after is BreakerState.OPEN:
            self._opened_at = clock.now()
        elif change.after is BreakerState.CLOSED:
            self._opened_at = None
        emit(BreakerChanged(chain=self.chain, before=change.before, after=change.after, reason=change.reason))
