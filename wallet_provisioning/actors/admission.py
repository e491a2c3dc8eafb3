"""What a Circle actor leaves to its successor, and what it lets the outside see of its chain."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from wallet_provisioning.actors import spans
from wallet_provisioning.actors.shared import Shared, Transition
from wallet_provisioning.clock import Clock
from wallet_provisioning.http.circle.answers import CallFailed
from wallet_provisioning.http.circle.breaker import (
    Breaker,
    BreakerState,
    Change,
    Permit,
    Refusal,
    tell_failure,
)
from wallet_provisioning.jobs.outcomes import Waiting
from wallet_provisioning.store.controls import Order, OrderState
from wallet_provisioning.telemetry.events import BreakerChanged, Emit

# How long jobs wait that nobody needs as a probe: they are recalled when the breaker closes.
RECALLED_LATER = timedelta(minutes=10)
_PIONEERS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainState:
    """One chain as it stands: `breaker` is what calls meet, `measured` what the breaker would say alone.

    They differ only while an order forces it, `forced`.
    """

    chain: str
    breaker: BreakerState = BreakerState.CLOSED
    opened_at: datetime | None = None
    reason: str | None = None
    in_flight: int = 0
    waiting: int = 0
    measured: BreakerState = BreakerState.CLOSED
    forced: Order | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Published:
    """What the actor published last."""

    breaker: BreakerState = BreakerState.CLOSED
    opened_at: datetime | None = None
    reason: str | None = None
    in_flight: int = 0
    waiting: int = 0


class ChainAdmission:
    """Whether a chain takes calls: its breaker outlives each incarnation of the actor that asks.

    Changed by that actor's thread alone; `state` is replaced as a whole and may be read by any thread.
    The standing orders come first, then what is known of the account, then the breaker.
    """

    def __init__(self, chain: str, shared: Shared | None = None) -> None:
        """Start with a closed breaker and nothing under way."""
        self.chain = chain
        self.breaker = Breaker()
        self._shared = shared or Shared()
        self._published = _Published()
        self._opened_at: datetime | None = None
        self._fuse_seen = 0
        self._is_open_by_fuse = False
        self._sent_ahead = (0, 0)

    @property
    def state(self) -> ChainState:
        """How the chain stands, orders and account included. Safe on any thread."""
        seen, order, blown = self._published, self._shared.orders.for_breaker(self.chain), None
        measured, opened_at, reason = seen.breaker, seen.opened_at, seen.reason
        if measured is BreakerState.CLOSED:
            blown = self._shared.fuse.blown
        if blown is not None:
            measured, reason, opened_at = BreakerState.OPEN, blown.reason, blown.at
        effective = measured
        if order is not None:
            effective, reason = _forced_state(order), _told(order)
            opened_at = order.placed_at if effective is BreakerState.OPEN else None
        return ChainState(
            chain=self.chain,
            breaker=effective,
            opened_at=opened_at,
            reason=reason,
            in_flight=seen.in_flight,
            waiting=seen.waiting,
            measured=measured,
            forced=order,
        )

    def take_over(self, clock: Clock, emit: Emit) -> None:
        """Inherit the predecessor's breaker; one that was open becomes half-open."""
        self.breaker, change = self.breaker.inherit()
        self._tell(change, clock, emit)
        self.publish(in_flight=0, waiting=0)

    def admit(self, clock: Clock, emit: Emit) -> Permit | Refusal:
        """Return leave for one call, or why there is none."""
        now = clock.monotonic()
        order = self._shared.orders.for_breaker(self.chain)
        if order is not None and _forced_state(order) is BreakerState.OPEN:
            return Refusal(retry_in=_until_the_end(order), reason=_told(order))
        self._follow_fuse(clock, emit)
        admitted = self.breaker.admit(now) if order is None else self.breaker.admit_anyway(now)
        if isinstance(admitted, Permit):
            self._tell(admitted.change, clock, emit)
        return admitted

    def turn_away(self, count: int, refusal: Refusal) -> list[tuple[int, Waiting]]:
        """Return how long those who can't be served shall wait: so many each time.

        A few come back when the breaker may let a probe through. All others would only be claimed and
        put back again; they are recalled when it closes, and come by themselves should that be lost.
        """
        soon = Waiting(message=refusal.reason, delay=refusal.retry_in)
        if self._shared.orders.for_breaker(self.chain) is not None:
            return [(count, soon)]
        era, sent = self._sent_ahead
        sent = sent if era == self.breaker.era else 0
        few = min(count, max(0, _PIONEERS - sent))
        self._sent_ahead = (self.breaker.era, sent + few)
        later = Waiting(message=refusal.reason, delay=max(refusal.retry_in, RECALLED_LATER))
        return [(number, waiting) for number, waiting in ((few, soon), (count - few, later)) if number]

    def record(self, permit: Permit, failure: CallFailed | None, clock: Clock, emit: Emit) -> None:
        """Let the breaker learn how a call ended; None is a success."""
        if failure is not None and failure.is_configuration:
            reason = f"the configuration is wrong: {tell_failure(failure)}"
            self._shared.fuse.blow(self.chain, reason, clock.now())
        elif failure is None and permit.is_probe:
            self._shared.fuse.mend(self.chain)
        self._tell(self.breaker.record(permit, failure, clock.monotonic()), clock, emit)

    def publish(self, *, in_flight: int, waiting: int) -> None:
        """Show the outside how the chain stands."""
        self._published = _Published(
            breaker=self.breaker.state,
            opened_at=self._opened_at,
            reason=self.breaker.reason or None,
            in_flight=in_flight,
            waiting=waiting,
        )

    def _follow_fuse(self, clock: Clock, emit: Emit) -> None:
        """Open where another chain found the account refused; let a probe through once one was not."""
        blown = self._shared.fuse.blown
        if blown is not None and blown.number != self._fuse_seen:
            self._fuse_seen = blown.number
            if blown.chain != self.chain:
                self._is_open_by_fuse = True
                self._tell(self.breaker.trip(blown.reason, clock.monotonic()), clock, emit)
        elif blown is None and self._is_open_by_fuse:
            self._is_open_by_fuse = False
            self._tell(self.breaker.let_probe("Circle takes the account again"), clock, emit)

    def _tell(self, change: Change | None, clock: Clock, emit: Emit) -> None:
        if change is None:
            return
        if change.after is BreakerState.OPEN:
            self._opened_at = clock.now()
        elif change.after is BreakerState.CLOSED:
            self._opened_at = None
            self._is_open_by_fuse = False
        transition = Transition(
            chain=self.chain,
            before=change.before,
            after=change.after,
            reason=change.reason,
            at=clock.now(),
            trace_id=spans.mark_breaker(self.chain, change.before, change.after, change.reason),
        )
        self._shared.journal.note(transition)
        emit(BreakerChanged(chain=self.chain, before=change.before, after=change.after, reason=change.reason))


def _forced_state(order: Order) -> BreakerState:
    return BreakerState.CLOSED if order.state is OrderState.CLOSED else BreakerState.OPEN


def _told(order: Order) -> str:
    if order.is_hold:
        return f"creations are on hold ({order.kind}, by {order.placed_by}): {order.reason}"
    return f"forced {order.state} by {order.placed_by}: {order.reason}"


def _until_the_end(order: Order) -> timedelta:
    if order.left is None:
        return RECALLED_LATER
    return min(max(order.left, timedelta(seconds=1)), RECALLED_LATER)
