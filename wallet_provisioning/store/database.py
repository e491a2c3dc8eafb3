"""The one door to the database: every operation opens its transaction here.

The door translates errors, times each write and notices when the database goes away and comes back.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING

from sqlalchemy import Connection, select

from wallet_provisioning.clock import Clock
from wallet_provisioning.store.engine import (
    WAIT_FOR_LOCK,
    for_one_statement,
    for_reading,
    for_writing,
    make_engine,
)
from wallet_provisioning.store.errors import (
    StoreBusyError,
    StoreError,
    StoreLockedError,
    StoreUnavailableError,
    StoreUnusableError,
)
from wallet_provisioning.store.faults import DRIVER_ERRORS, translate
from wallet_provisioning.store.pooling import POOLED
from wallet_provisioning.store.transaction import OneStatement, Transaction, with_clock
from wallet_provisioning.store.urls import Dialect, dialect_of, parse_url
from wallet_provisioning.telemetry.events import (
    DependencyBack,
    DependencyLost,
    Emit,
    TransactionEnded,
    unheard,
)

if TYPE_CHECKING:
    from datetime import timedelta

__all__ = ["Connection", "Database"]


class Database:
    """A database and its pool of connections. Safe on any thread; a transaction belongs to one.

    Making one never connects. Every operation may raise `StoreUnavailableError`, which is a state and
    not a bug: the next operation tries again with fresh connections.
    """

    def __init__(
        self,
        url: str,
        *,
        clock: Clock,
        emit: Emit = unheard,
        pool_size: int = 20,
        application_name: str = "wallet-provisioning",
    ) -> None:
        """Read the URL; raises `InvalidDatabaseUrlError`. `pool_size` bounds the transactions at once."""
        parsed = parse_url(url)
        self.url = url
        self.dialect: Dialect = dialect_of(parsed)
        self._clock = clock
        self._emit = emit
        self._engine = make_engine(
            parsed, clock=clock, pool_size=pool_size, application_name=application_name
        )
        self._turn = threading.Lock()
        self._reachable = threading.Lock()
        self._lost_at: timedelta | None = None
        self._is_unwritable = False
        self._lockouts = 0

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Open a read-only snapshot; it is rolled back at the end."""
        with self._door(), self._engine.connect() as plain:
            connection = with_clock(for_reading(plain), self._clock)
            with connection.begin() as transaction:
                yield connection
                transaction.rollback()

    def write(self, actor: str, reason: str) -> AbstractContextManager[Transaction]:
        """Open a write transaction: committed at the end, rolled back on an exception.

        `actor` and `reason` go into the audit and the telemetry. Events that the steps left are stated
        after the commit.
        """
        return self._write(actor, reason, for_writing, Transaction)

    def write_once(self, actor: str, reason: str) -> AbstractContextManager[Transaction]:
        """Open a write of one statement: on PostgreSQL it is committed when it returns.

        That saves two of three round trips. A second statement raises `RuntimeError`, and an exception
        that comes after the first undoes nothing. SQLite, which has no round trips, has `write` for it.
        """
        if self.dialect == "sqlite":
            return self.write(actor, reason)
        return self._write(actor, reason, for_one_statement, OneStatement)

    def ping(self) -> None:
        """Reach the database and come back; raises `StoreUnavailableError`."""
        with self.read() as connection:
            connection.execute(select(1))

    def has_pooler(self) -> bool:
        """Return whether a pooler such as PgBouncer stands before the server; may raise as a read does."""
        with self.read() as connection:
            return POOLED in connection.info

    def close(self) -> None:
        """Close the pooled connections. Those in use close when they are returned."""
        self._engine.dispose()

    @contextmanager
    def _write(
        self,
        actor: str,
        reason: str,
        prepare: Callable[[Connection], Connection],
        kind: type[Transaction],
    ) -> Iterator[Transaction]:
        started = self._clock.monotonic()
        outcome = "rolled_back"
        try:
            with self._door(writes=True), self._writer_turn(), self._engine.connect() as plain:
                connection = prepare(plain)
                before = _changes(plain)
                with connection.begin():
                    tx = kind(connection, actor=actor, reason=reason, dialect=self.dialect, clock=self._clock)
                    yield tx
                if self._is_unwritable and _has_written(plain, before):
                    self._is_unwritable = False
            outcome = "committed"
        except StoreUnavailableError:
            outcome = "unavailable"
            raise
        finally:
            duration = self._clock.monotonic() - started
            self._emit(TransactionEnded(reason=reason, outcome=outcome, duration=duration))
        for event in tx.told:
            self._emit(event)

    @contextmanager
    def _door(self, *, writes: bool = False) -> Iterator[None]:
        try:
            yield
        except DRIVER_ERRORS as error:
            fault = translate(error)
            if fault is None:
                raise
            if _is_loss(fault):
                self._is_unwritable |= writes and isinstance(fault, StoreUnusableError | StoreLockedError)
                self._note_loss(str(fault))
            raise fault from error
        self._note_success()

    def _writer_turn(self) -> AbstractContextManager[None]:
        return nullcontext() if self.dialect == "postgresql" else self._wait_for_turn()

    @contextmanager
    def _wait_for_turn(self) -> Iterator[None]:
        """Let the threads of this process write in turn: SQLite's own waiting sleeps and is unfair.

        Whoever waited behind one that found the file locked doesn't try as long again.
        """
        before = self._lockouts
        if not self._turn.acquire(timeout=2 * WAIT_FOR_LOCK.total_seconds()):
            msg = "another thread has been writing for too long"
            raise StoreBusyError(msg)
        try:
            if self._lockouts != before:
                raise StoreLockedError(StoreLockedError.__doc__)
            yield
        except DRIVER_ERRORS as error:
            self._lockouts += isinstance(translate(error), StoreLockedError)
            raise
        finally:
            self._turn.release()

    def _note_loss(self, error: str) -> None:
        with self._reachable:
            if self._lost_at is not None:
                return
            self._lost_at = self._clock.monotonic()
        self._engine.dispose()
        self._emit(DependencyLost(name="database", error=error))

    def _note_success(self) -> None:
        # On a full disk, or a locked file, one can still read, and write nothing at all: only what was
        # written ends that state.
        if self._lost_at is None or self._is_unwritable:
            return
        with self._reachable:
            lost_at, self._lost_at = self._lost_at, None
        if lost_at is not None:
            self._emit(DependencyBack(name="database", after=self._clock.monotonic() - lost_at))


def _is_loss(fault: StoreError) -> bool:
    """Return whether the database is away for everybody, and not merely slow for one."""
    if isinstance(fault, StoreBusyError):
        return isinstance(fault, StoreLockedError)
    return isinstance(fault, StoreUnavailableError)


def _has_written(connection: Connection, before: int) -> bool:
    """Return whether rows were changed since; PostgreSQL refuses even a lock where it can't write."""
    return connection.dialect.name == "postgresql" or _changes(connection) != before


def _changes(connection: Connection) -> int:
    """Return how many rows an SQLite connection has changed so far."""
    return int(getattr(connection.connection.dbapi_connection, "total_changes", 0))
