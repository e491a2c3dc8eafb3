"""What the actors of one daemon let each other see, beside their messages: small boards, never commands.

Each board has one kind of writer and may be read on any thread; what stands on it is replaced as a
whole. They outlive each incarnation of the actors that write them.
"""

import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from wallet_provisioning.store.controls import BREAKER, EVERYTHING, Order

_MOST_TRANSITIONS = 1000


class StandingOrders:
    """The orders in force as they were last read; the listener reads them again and again.

    While the store is away the last ones hold: an order that keeps something from happening must not
    be forgotten because nobody can read it.
    """

    def __init__(self) -> None:
        """Start without orders."""
        self._orders: tuple[Order, ...] = ()

    @property
    def all(self) -> tuple[Order, ...]:
        """Every order in force."""
        return self._orders

    def learn(self, orders: Sequence[Order]) -> None:
        """Take the orders that are in force now."""
        self._orders = tuple(orders)

    def for_breaker(self, chain: str) -> Order | None:
        """Return what holds for a chain's breaker: a hold, else its own order, else that for all chains."""
        orders = self._orders
        if not orders:
            return None
        found = {order.subject: order for order in orders if order.kind == BREAKER}
        return _first_hold(orders) or found.get(chain) or found.get(EVERYTHING)

    def against_claiming(self) -> Order | None:
        """Return the order that keeps jobs from being claimed, None where they may be."""
        orders = self._orders
        if not orders:
            return None
        return next((order for order in orders if order.stops_claiming), None)


def _first_hold(orders: Sequence[Order]) -> Order | None:
    return next((order for order in orders if order.is_hold), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Transition:
    """A chain's breaker went from one state to another; `forced_by` names who placed an order for it."""

    chain: str
    before: str
    after: str
    reason: str
    at: datetime
    trace_id: str | None = None
    forced_by: str | None = None


class Journal:
    """Transitions that have yet to be written to the audit. Past a thousand the oldest gives way.

    Who notes one pays for an append; the listener writes them, and forgets them once they are committed.
    """

    def __init__(self) -> None:
        """Start empty."""
        self._waiting: deque[Transition] = deque()
        self._turn = threading.Lock()

    def note(self, transition: Transition) -> None:
        """Keep a transition until it is written."""
        with self._turn:
            self._waiting.append(transition)
            if len(self._waiting) > _MOST_TRANSITIONS:
                self._waiting.popleft()

    def waiting(self) -> tuple[Transition, ...]:
        """Return what has yet to be written, the oldest first."""
        with self._turn:
            return tuple(self._waiting)

    def forget(self, written: Sequence[Transition]) -> None:
        """Forget what is committed."""
        gone = {id(each) for each in written}
        with self._turn:
            self._waiting = deque(each for each in self._waiting if id(each) not in gone)


class Pulse:
    """When each long-lived part last did its rounds, as readings of the monotonic clock."""

    def __init__(self) -> None:
        """Start without any."""
        self._at: dict[str, timedelta] = {}
        self._took: dict[str, timedelta] = {}

    def mark(self, name: str, now: timedelta, took: timedelta | None = None) -> None:
        """Note that a part did its round now, and how long that took."""
        if took is not None:
            self._took[name] = took
        self._at[name] = now

    def at(self, name: str) -> timedelta | None:
        """Return when a part last did its round, None where it never did."""
        return self._at.get(name)

    def took(self, name: str) -> timedelta | None:
        """Return how long its last round took."""
        return self._took.get(name)


class Census:
    """How many daemons lived at the last heartbeat: at least this one."""

    def __init__(self) -> None:
        """Start alone."""
        self.count = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Blown:
    """The account itself is refused: which chain found out, when, and why."""

    number: int
    chain: str
    reason: str
    at: datetime


class Fuse:
    """Whether Circle refuses the whole account, as one chain's call has shown.

    A chain whose error another chain's success has refuted is wrong alone, and blows the fuse no more
    until it has worked itself.
    """

    def __init__(self) -> None:
        """Start whole."""
        self._blown: Blown | None = None
        self._count = 0
        self._alone: frozenset[str] = frozenset()
        self._turn = threading.Lock()

    @property
    def blown(self) -> Blown | None:
        """What is wrong with the account, None while nothing is."""
        return self._blown

    def blow(self, chain: str, reason: str, at: datetime) -> None:
        """Take note that a chain's call was refused for the account's sake."""
        with self._turn:
            if self._blown is None and chain not in self._alone:
                self._count += 1
                self._blown = Blown(number=self._count, chain=chain, reason=reason, at=at)

    def mend(self, chain: str) -> None:
        """Take note that a call of this chain went through: the account is not refused."""
        with self._turn:
            if self._blown is not None and self._blown.chain != chain:
                self._alone |= {self._blown.chain}
            self._alone -= {chain}
            self._blown = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """The boards of one daemon."""

    orders: StandingOrders = field(default_factory=StandingOrders)
    journal: Journal = field(default_factory=Journal)
    pulse: Pulse = field(default_factory=Pulse)
    fuse: Fuse = field(default_factory=Fuse)
    census: Census = field(default_factory=Census)
