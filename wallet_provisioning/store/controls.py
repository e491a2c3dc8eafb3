"""Standing orders: what operators, or the program itself, have told every daemon to do until further notice.

An order is a row, so it survives restarts and holds for daemons that are started later. There is one
for each kind and subject: a chain's name, or `*` for all. Placing one again replaces it; each placing
and withdrawal leaves one audit row in the same transaction and is announced with the commit. The end
of an order is judged by the database's clock.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, delete, not_, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from wallet_provisioning.jobs.errors import ErrorType
from wallet_provisioning.jobs.states import JobStatus, WalletStatus
from wallet_provisioning.store.audit import write_audit
from wallet_provisioning.store.columns import iso
from wallet_provisioning.store.tables import controls, jobs, wallets
from wallet_provisioning.store.transaction import Transaction, now_of
from wallet_provisioning.store.views import Fields
from wallet_provisioning.store.wakeups import CONTROLS, announce, notify

EVERYTHING = "*"
BREAKER = "breaker"
CLAIMING = "claiming"
HOLD = "hold:"
_EXPIRED = "wallet-worker:order_expired"


class OrderState(StrEnum):
    """What is ordered: a breaker that is forced open or closed, claims that pause, creations on hold."""

    OPEN = "open"
    CLOSED = "closed"
    PAUSED = "paused"
    HELD = "held"


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One standing order. `left` is what remained of it when it was read; None where it has no end."""

    kind: str
    subject: str
    state: OrderState
    reason: str
    placed_by: str
    placed_at: datetime
    until: datetime | None
    left: timedelta | None = None

    @property
    def is_hold(self) -> bool:
        """Whether it keeps everything from being created, whatever else is ordered."""
        return self.kind.startswith(HOLD)

    @property
    def stops_claiming(self) -> bool:
        """Whether no job is claimed while it holds."""
        return self.kind == CLAIMING or self.is_hold


def place_order(
    tx: Transaction,
    *,
    kind: str,
    state: OrderState,
    reason: str,
    subject: str = EVERYTHING,
    until: datetime | timedelta | None = None,
    trace_id: str | None = None,
) -> Order:
    """Place an order in the name of the transaction's actor; what it replaces is audited with it.

    `until` is a moment, or how long from now by the database's clock; None is until it is withdrawn.
    """
    moment = tx.read_clock()
    end = moment + until if isinstance(until, timedelta) else until
    before = _find(tx, kind, subject)
    order = Order(
        kind=kind,
        subject=subject,
        state=state,
        reason=reason,
        placed_by=tx.actor,
        placed_at=moment,
        until=end,
        left=None if end is None else end - moment,
    )
    _write(tx, order)
    _audit(tx, _action(kind, state), before, order, trace_id=trace_id)
    notify(tx, CONTROLS)
    if state is OrderState.CLOSED:
        recall_waiting(tx, subject)
    return order


def withdraw_order(
    tx: Transaction,
    *,
    kind: str,
    subject: str = EVERYTHING,
    reason: str | None = None,
    trace_id: str | None = None,
) -> Order | None:
    """Withdraw an order and let the jobs that waited for it be due; None where there is none.

    Nothing is audited where nothing was withdrawn.
    """
    before = _find(tx, kind, subject)
    if before is None:
        return None
    tx.execute(delete(controls).where(_is(kind, subject)))
    _audit(tx, _action(kind, None), before, None, reason=reason, trace_id=trace_id)
    _tell_end(tx, before)
    return before


def expire_orders(tx: Transaction) -> tuple[Order, ...]:
    """Remove the orders whose time is over, with an audit row each. Of many daemons one removes each."""
    moment = tx.read_clock()
    over = delete(controls).where(controls.c.until <= moment).returning(*controls.c)
    expired = tuple(_order(row, moment) for row in tx.execute(over).mappings())
    for order in expired:
        _audit(tx, _EXPIRED, order, None)
        _tell_end(tx, order)
    return expired


def read_orders(connection: Connection) -> tuple[Order, ...]:
    """Return the orders that are in force, by the database's clock."""
    return _read(connection, now_of(connection))


def read_orders_of(tx: Transaction) -> tuple[Order, ...]:
    """Return the orders that are in force once this transaction is committed."""
    return _read(tx.connection, tx.now)


def _read(connection: Connection, now: ColumnElement[datetime]) -> tuple[Order, ...]:
    in_force = or_(controls.c.until.is_(None), controls.c.until > now)
    query = select(*controls.c, now.label("moment")).where(in_force)
    rows = connection.execute(query.order_by(controls.c.kind, controls.c.subject)).mappings()
    return tuple(_order(row, row["moment"]) for row in rows)


def recall_waiting(tx: Transaction, chain: str) -> int:
    """Let jobs be due now that wait for a chain's breaker, or for any with `*`; return how many.

    They keep their state, so this is no move: it only brings forward what was to come later.
    """
    waits = and_(
        jobs.c.status == JobStatus.RETRY.value,
        jobs.c.error_type == ErrorType.CIRCUIT_OPEN.value,
        jobs.c.due_at > tx.now,
    )
    if chain != EVERYTHING:
        waits = and_(waits, _misses(chain))
    moved = tx.execute(update(jobs).where(waits).values(due_at=tx.now, next_retry_at=tx.now))
    if moved.rowcount:
        announce(tx)
    return int(moved.rowcount)


def order_facts(order: Order) -> Mapping[str, Any]:
    """Return an order as its audit rows show it."""
    return {
        "kind": order.kind,
        "subject": order.subject,
        "state": order.state.value,
        "reason": order.reason,
        "placed_by": order.placed_by,
        "placed_at": iso(order.placed_at),
        "until": None if order.until is None else iso(order.until),
    }


def _misses(chain: str) -> ColumnElement[bool]:
    """A job that misses none any more waits in vain: another one's batch brought its wallet along."""
    missing = select(wallets.c.id).where(
        wallets.c.user_id == jobs.c.user_id, wallets.c.status == WalletStatus.CREATING.value
    )
    return or_(missing.where(wallets.c.chain == chain).exists(), not_(missing.exists()))


def _is(kind: str, subject: str) -> ColumnElement[bool]:
    return and_(controls.c.kind == kind, controls.c.subject == subject)


def _find(tx: Transaction, kind: str, subject: str) -> Order | None:
    """Return the order as it stands, held against others until the end of the transaction."""
    found = select(controls).where(_is(kind, subject)).with_for_update()
    row = tx.execute(found).mappings().one_or_none()
    return None if row is None else _order(row, tx.read_clock())


def _write(tx: Transaction, order: Order) -> None:
    values = {
        "state": order.state.value,
        "reason": order.reason,
        "placed_by": order.placed_by,
        "placed_at": order.placed_at,
        "until": order.until,
    }
    insert = postgresql.insert if tx.dialect == "postgresql" else sqlite.insert
    placed = insert(controls).values(kind=order.kind, subject=order.subject, **values)
    tx.execute(placed.on_conflict_do_update(index_elements=["kind", "subject"], set_=values))


def _tell_end(tx: Transaction, order: Order) -> None:
    """Announce the end, and then let jobs try again that waited for it: daemons should know it by then."""
    notify(tx, CONTROLS)
    if order.kind != CLAIMING:
        recall_waiting(tx, order.subject)


def _audit(
    tx: Transaction,
    action: str,
    before: Order | None,
    after: Order | None,
    *,
    reason: str | None = None,
    trace_id: str | None = None,
) -> None:
    order = after or before
    if order is None:
        return
    is_breaker = order.kind == BREAKER
    told = None if reason is None else {"reason": reason}
    write_audit(
        tx,
        action=action,
        resource_type="chain" if is_breaker else "control",
        resource_id=order.subject if is_breaker else order.kind,
        before=None if before is None else order_facts(before),
        after=told if after is None else order_facts(after),
        trace_id=trace_id,
    )


def _action(kind: str, state: OrderState | None) -> str:
    if kind == BREAKER:
        return f"admin:breaker_{'auto' if state is None else f'forced_{state.value}'}"
    if kind == CLAIMING:
        return "admin:resume_claiming" if state is None else "admin:pause_claiming"
    return "admin:withdraw_hold" if state is None else "admin:place_hold"


def _order(row: Fields, moment: datetime) -> Order:
    return Order(
        kind=row["kind"],
        subject=row["subject"],
        state=OrderState(row["state"]),
        reason=row["reason"],
        placed_by=row["placed_by"],
        placed_at=row["placed_at"],
        until=row["until"],
        left=None if row["until"] is None else row["until"] - moment,
    )
