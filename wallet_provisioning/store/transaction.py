"""A write transaction as the steps of the store receive it: who writes, why, and by which clock."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, cast

from sqlalchemy import (
    ColumnElement,
    Connection,
    CursorResult,
    Executable,
    Interval,
    bindparam,
    func,
    literal,
    select,
)

from wallet_provisioning.clock import Clock
from wallet_provisioning.store.columns import Time
from wallet_provisioning.store.urls import Dialect
from wallet_provisioning.telemetry.events import Event

_CLOCK = "wallet_provisioning_clock"
_MOMENT = "moment"
# A subquery is evaluated once, so that an index can serve a condition on it; a bare call can't.
_NOW = select(func.clock_timestamp(type_=Time())).scalar_subquery()
_READ_CLOCK = select(func.clock_timestamp(type_=Time()))


class Transaction:
    """An open write transaction; `Database.write` makes it. Of one thread, and over with its `with`.

    `actor` and `reason` are what the audit and the telemetry say of it.
    """

    def __init__(
        self, connection: Connection, *, actor: str, reason: str, dialect: Dialect, clock: Clock
    ) -> None:
        """Wrap a connection whose transaction has begun."""
        self._connection = connection
        self.actor = actor
        self.reason = reason
        self.dialect: Dialect = dialect
        self.told: list[Event] = []
        self._clock = clock

    @property
    def connection(self) -> Connection:
        """The transaction's connection, for readers within it."""
        return self._connection

    def execute(
        self, statement: Executable, parameters: Mapping[str, Any] | list[dict[str, Any]] | None = None
    ) -> CursorResult[Any]:
        """Run a statement. Driver errors pass through; the door translates them."""
        # Whatever runs on a connection with a cursor has such a result; only the annotation is wider.
        return cast("CursorResult[Any]", self._connection.execute(statement, parameters))

    @property
    def now(self) -> ColumnElement[datetime]:
        """The database's clock as an expression; on SQLite, which has one user, the program's clock."""
        return now_expression(self._connection, self._clock)

    def after(self, delay: timedelta) -> ColumnElement[datetime]:
        """Return the expression of a time from now."""
        if self.dialect == "sqlite":
            return literal(self._clock.now() + delay, Time)
        return func.clock_timestamp(type_=Time()) + literal(delay, Interval)

    def read_clock(self) -> datetime:
        """Return what the database's clock says; on PostgreSQL this is a statement of its own."""
        if self.dialect == "sqlite":
            return self._clock.now()
        return self.connection.execute(_READ_CLOCK).scalar_one()

    @property
    def moment(self) -> dict[str, Any]:
        """The parameter that a statement with `moment_of` needs; none on PostgreSQL."""
        return {_MOMENT: self._clock.now()} if self.dialect == "sqlite" else {}

    def tell_after_commit(self, event: Event) -> None:
        """State an event once the transaction is committed, and never if it isn't."""
        self.told.append(event)


class OneStatement(Transaction):
    """A write of a single statement, which is committed when it returns; `Database.write_once` makes it."""

    _is_used = False

    @property
    def connection(self) -> Connection:
        """Whatever ran here beside the one statement would be a transaction of its own."""
        raise self._refusal()

    def execute(
        self, statement: Executable, parameters: Mapping[str, Any] | list[dict[str, Any]] | None = None
    ) -> CursorResult[Any]:
        """Run the statement. A second one raises `RuntimeError`: it would be a transaction of its own."""
        if self._is_used:
            raise self._refusal()
        self._is_used = True
        return super().execute(statement, parameters)

    def _refusal(self) -> RuntimeError:
        return RuntimeError(f"{self.reason} is a write of one statement; use Database.write for more")


def with_clock(connection: Connection, clock: Clock) -> Connection:
    """Give a reader's connection the clock that it uses where the database has none."""
    return connection.execution_options(**{_CLOCK: clock})


def now_of(connection: Connection) -> ColumnElement[datetime]:
    """Return the current time as an expression, for a reader's connection."""
    return now_expression(connection, connection.get_execution_options()[_CLOCK])


def moment_of(dialect: Dialect) -> ColumnElement[datetime]:
    """Return the current time for a statement that is kept; run it with `Transaction.moment`."""
    return bindparam(_MOMENT, type_=Time) if dialect == "sqlite" else _NOW


def now_expression(connection: Connection, clock: Clock) -> ColumnElement[datetime]:
    """Return the current time as an expression that a query evaluates once and an index can serve."""
    if connection.dialect.name == "sqlite":
        return literal(clock.now(), Time)
    return _NOW
