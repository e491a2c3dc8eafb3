"""What a daemon keeps up in the store beside its jobs: the orders as last read, its own row, its journal.

The listener calls it on its thread. Each method raises `StoreUnavailableError` where the store is away,
and loses nothing: the last orders hold, the journal waits, and the row is refreshed at the next beat.
"""

from collections.abc import Mapping, Sequence
from datetime import timedelta

from wallet_provisioning.actors.admission import ChainAdmission, ChainState
from wallet_provisioning.actors.shared import Shared, Transition
from wallet_provisioning.clock import Clock
from wallet_provisioning.http.circle.breaker import BreakerState
from wallet_provisioning.store.audit import write_audit
from wallet_provisioning.store.columns import iso
from wallet_provisioning.store.controls import expire_orders, read_orders, recall_waiting
from wallet_provisioning.store.daemons import HEARTBEAT, Presence, beat
from wallet_provisioning.store.database import Database
from wallet_provisioning.store.transaction import Transaction
from wallet_provisioning.store.wakeups import notify
from wallet_provisioning.telemetry.events import BreakerChanged, Emit, OrdersChanged

ORDERS, PRESENCE = "orders", "presence"
_ACTIONS = {
    BreakerState.OPEN: "wallet-worker:breaker_opened",
    BreakerState.HALF_OPEN: "wallet-worker:breaker_half_opened",
    BreakerState.CLOSED: "wallet-worker:breaker_closed",
}


class Keeper:
    """Keeps this daemon's boards and its rows alike. Outlives each incarnation of the listener."""

    def __init__(
        self,
        *,
        database: Database,
        shared: Shared,
        admissions: Mapping[str, ChainAdmission],
        presence: Presence | None,
        emit: Emit,
    ) -> None:
        """Start without having read or written anything; without a presence no row is written."""
        self._database = database
        self._shared = shared
        self._admissions = admissions
        self._presence = presence
        self._emit = emit

    def read_orders(self, clock: Clock) -> bool:
        """Read the orders, tell of what they force, and return whether they changed."""
        with self._database.read() as connection:
            orders = read_orders(connection)
        before = {chain: admission.state for chain, admission in self._admissions.items()}
        known = {(each.kind, each.subject, each.placed_at) for each in self._shared.orders.all}
        self._shared.orders.learn(orders)
        self._shared.pulse.mark(ORDERS, clock.monotonic())
        is_changed = known != {(each.kind, each.subject, each.placed_at) for each in orders}
        if is_changed:
            told = tuple(f"{each.kind} {each.subject} {each.state}: {each.reason}" for each in orders)
            self._emit(OrdersChanged(orders=told))
            for chain, admission in self._admissions.items():
                self._tell_forced(before[chain], admission.state, clock)
        return is_changed

    def write_journal(self, path: str) -> None:
        """Write what the breakers did to the audit, and recall the jobs that waited for one that closed."""
        waiting = self._shared.journal.waiting()
        if not waiting:
            return
        with self._database.write(path, "write_journal") as tx:
            write_transitions(tx, waiting, self.echo)
        self._shared.journal.forget(waiting)

    def beat(self, path: str, clock: Clock) -> None:
        """Refresh this daemon's row, sweep the dead, and end orders whose time is over.

        On PostgreSQL it also sends word to itself, which shows whether announcements arrive.
        """
        if self._presence is None:
            return
        with self._database.write(path, "heartbeat") as tx:
            living = beat(tx, self._presence)
            expire_orders(tx)
            notify(tx, self.echo)
        self._shared.census.count = max(1, living)
        self._shared.pulse.mark(PRESENCE, clock.monotonic())

    @property
    def echo(self) -> str:
        """What this daemon hears of itself."""
        return "" if self._presence is None else str(self._presence.boot_id)

    @property
    def heartbeat(self) -> timedelta:
        """How often to beat."""
        return HEARTBEAT

    def _tell_forced(self, before: ChainState, after: ChainState, clock: Clock) -> None:
        """Tell of a breaker that an order opened or closed, or gave back to what it measures."""
        if before.breaker is after.breaker:
            return
        by = after.forced or before.forced
        reason = after.reason or "the order that forced it has ended"
        self._shared.journal.note(
            Transition(
                chain=after.chain,
                before=before.breaker,
                after=after.breaker,
                reason=reason,
                at=clock.now(),
                forced_by=None if by is None else by.placed_by,
            )
        )
        self._emit(
            BreakerChanged(chain=after.chain, before=before.breaker, after=after.breaker, reason=reason)
        )


def write_transitions(tx: Transaction, transitions: Sequence[Transition], daemon: str) -> None:
    """Audit what the breakers of a daemon did; jobs that waited for one that closed are due at once."""
    for each in transitions:
        _write(tx, each, daemon)


def _write(tx: Transaction, transition: Transition, daemon: str) -> None:
    write_audit(
        tx,
        action=_ACTIONS[BreakerState(transition.after)],
        resource_type="chain",
        resource_id=transition.chain,
        before={"breaker": transition.before},
        after={
            "breaker": transition.after,
            "reason": transition.reason,
            "at": iso(transition.at),
            "forced_by": transition.forced_by,
            "daemon": daemon,
        },
        trace_id=transition.trace_id,
    )
    if transition.after == BreakerState.CLOSED:
        recall_waiting(tx, transition.chain)
