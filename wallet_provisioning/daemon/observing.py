"""The program as the gauges see it: the tree is read as it stands, the store by short queries."""

from collections.abc import Mapping, Sequence
from datetime import timedelta

from wallet_provisioning.clock import SystemClock
from wallet_provisioning.daemon.control import TreeControl
from wallet_provisioning.http.circle.breaker import BreakerState
from wallet_provisioning.http.circle.budget import Budget
from wallet_provisioning.http.circle.budget import Kind as CallKind
from wallet_provisioning.reconcile.findings import Kind
from wallet_provisioning.store.database import Database
from wallet_provisioning.store.queue_watch import Queue, QueueWatch
from wallet_provisioning.store.reconciliation import read_standing
from wallet_provisioning.supervision.snapshot import ActorView

_LEVELS = {BreakerState.CLOSED: 0, BreakerState.HALF_OPEN: 1, BreakerState.OPEN: 2}


class ObservedDaemon:
    """One running daemon. Methods are safe on any thread; those that ask the store may raise `StoreError`."""

    def __init__(self, control: TreeControl, database: Database, budget: Budget | None = None) -> None:
        """Look at a daemon."""
        self._control = control
        self._database = database
        self._budget = budget
        self._watch = QueueWatch(SystemClock())

    def active_jobs(self) -> int:
        """Return how many job actors hold a job."""
        return self._control.active_jobs()

    def scheduler_running(self) -> bool:
        """Return whether the scheduler takes jobs."""
        return self._control.is_scheduler_running()

    def queue_depths(self) -> Mapping[str, int]:
        """Return how many unfinished jobs stand in each status."""
        return {status.value: count for status, count in self._queue().depths.items()}

    def oldest_due_age(self) -> timedelta | None:
        """Return how long the longest-waiting due job has been due."""
        return self._queue().oldest_due_age

    def _queue(self) -> Queue:
        with self._database.read() as connection:
            return self._watch.look(connection)

    def oldest_in_progress_age(self) -> timedelta | None:
        """Return how long ago the longest-running job was claimed."""
        return self._queue().oldest_in_progress_age

    def actors(self) -> Sequence[ActorView]:
        """Return the tree."""
        return self._control.actors()

    def breakers(self) -> Mapping[str, int]:
        """Return each chain's breaker: 0 closed, 1 half-open, 2 open."""
        return {chain: _LEVELS[state] for chain, state in self._control.breakers().items()}

    def budget_waiting(self) -> Mapping[str, int]:
        """Return how many calls to Circle wait for their turn, by kind."""
        return {} if self._budget is None else {kind.value: self._budget.waiting(kind) for kind in CallKind}

    def budget_rates(self) -> Mapping[str, float]:
        """Return how many calls a second may be made now, by kind."""
        return {} if self._budget is None else {kind.value: self._budget.rate(kind) for kind in CallKind}

    def reconcile_findings(self) -> Mapping[str, int]:
        """Return what the last reconcile of any daemon or operator left, by kind."""
        with self._database.read() as connection:
            found = read_standing(connection).findings
        return {kind.value: found.get(kind.value, 0) for kind in Kind}

    def reconcile_age(self) -> timedelta | None:
        """Return how long ago it ended."""
        with self._database.read() as connection:
            return read_standing(connection).age
