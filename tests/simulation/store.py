"""The store of a simulated daemon: its transactions fail as those of a real one do, and are effects."""

import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import Any, TypeAlias
from uuid import UUID

from sqlalchemy import Connection, Dialect, event, select

from wallet_provisioning.clock import Clock
from wallet_provisioning.jobs.states import JobStatus
from wallet_provisioning.store.database import Database
from wallet_provisioning.store.tables import jobs
from wallet_provisioning.store.transaction import Transaction
from wallet_provisioning.supervision.simeffects import Effects
from wallet_provisioning.telemetry.events import Emit


class Trouble(StrEnum):
    """What becomes of a transaction.

    `away`: it can't begin. `refused`: its commit fails, nothing of it is kept. `lost`: it is committed,
    and the answer never comes. `stumble`: an error that nobody foresaw comes instead of the commit;
    `stumble_after`: behind it.
    """

    AWAY = "away"
    REFUSED = "refused"
    LOST = "lost"
    STUMBLE = "stumble"
    STUMBLE_AFTER = "stumble_after"


Mishap: TypeAlias = Callable[[str], Trouble | None]


def nothing_happens(reason: str) -> None:
    """Let a transaction go well."""
    del reason


class StumbledError(Exception):
    """The simulation raised an error beside a commit that nobody foresaw."""


# One dialect for all, so that a statement is compiled once and not anew for each daemon.
_DIALECTS: list[Dialect] = []
_COMPILED: dict[Any, Any] = {}


class SimDatabase(Database):
    """`mishap` is asked at each transaction, by its reason; `read` for one that only reads.

    `held` are (user, actor): whose job was in this daemon's hands, by the store's own word, at a transaction
    that stored a request of this actor. `troubles` counts what happened.
    """

    def __init__(
        self, url: str, *, clock: Clock, emit: Emit, holder: UUID, effects: Effects, mishap: Mishap
    ) -> None:
        super().__init__(url, clock=clock, emit=emit)
        self.held: set[tuple[UUID, str]] = set()
        self.troubles: Counter[Trouble] = Counter()
        self._holder = holder
        self._effects = effects
        self._mishap = mishap
        self._due: Trouble | None = None
        _DIALECTS.append(self._engine.dialect)
        self._engine.dialect = _DIALECTS[0]
        self._engine.update_execution_options(compiled_cache=_COMPILED)
        event.listen(self._engine, "connect", hurry)
        event.listen(self._engine, "begin", self._begin)
        event.listen(self._engine, "commit", self._commit)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        self._due = self._mishap("read")
        with super().read() as connection:
            yield connection

    @contextmanager
    def write(self, actor: str, reason: str) -> Iterator[Transaction]:
        self._effects.pass_by(f"begin {reason}")
        self._due = trouble = self._mishap(reason)
        with super().write(actor, reason) as tx:
            yield tx
            if reason == "open_request":
                self._note_held(tx)
            self._effects.pass_by(f"commit {reason}", can_hang=False)
        self._effects.pass_by(f"committed {reason}")
        if trouble is Trouble.STUMBLE_AFTER:
            self.troubles[trouble] += 1
            raise StumbledError(trouble)

    def _begin(self, _connection: Connection) -> None:
        if self._is_due(Trouble.AWAY):
            raise _lost()

    def _commit(self, connection: Connection) -> None:
        if self._is_due(Trouble.REFUSED):
            raise _lost()
        if self._is_due(Trouble.STUMBLE):
            raise StumbledError(Trouble.STUMBLE)
        if self._is_due(Trouble.LOST):
            connection.connection.commit()
            raise _lost()

    def _is_due(self, trouble: Trouble) -> bool:
        if self._due is not trouble:
            return False
        self._due = None
        self.troubles[trouble] += 1
        return True

    def _note_held(self, tx: Transaction) -> None:
        """Ask by a statement of our own, not by the one that is tested."""
        mine = select(jobs.c.user_id).where(
            jobs.c.status == JobStatus.IN_PROGRESS.value,
            jobs.c.lease_holder == self._holder,
            jobs.c.lease_until > tx.read_clock(),
        )
        self.held.update((user_id, tx.actor) for user_id in tx.execute(mine).scalars())


def hurry(connection: object, _entry: object) -> None:
    """Have a connection wait for no disk: whoever loses power here loses a test."""
    connection.execute("PRAGMA synchronous = OFF")  # type: ignore[attr-defined] # sqlite3's, by its driver


def _lost() -> sqlite3.OperationalError:
    error = sqlite3.OperationalError("disk I/O error")
    error.sqlite_errorcode = sqlite3.SQLITE_IOERR
    return error
