"""The sweeper deletes what is past its time, in short steps with a pause between, once an hour.

Every daemon has one where a retention is set; the database lets one at a time sweep. Nothing waits for
it, and a crash loses nothing: the next pass begins anew.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from random import Random
from typing import TypeAlias, assert_never

from wallet_provisioning.store import retention
from wallet_provisioning.store.audit_retention import remove_sealed
from wallet_provisioning.store.database import Database
from wallet_provisioning.store.errors import StoreError
from wallet_provisioning.store.retention import Mark, Swept
from wallet_provisioning.store.signing import Signer
from wallet_provisioning.store.transaction import Transaction
from wallet_provisioning.supervision.actor import Actor
from wallet_provisioning.supervision.life import Life
from wallet_provisioning.telemetry.events import Emit, RetentionSwept

_PAUSE = timedelta(milliseconds=200)


@dataclass(frozen=True, slots=True, kw_only=True)
class SweeperOptions:
    """How long ended jobs and sealed audit rows are kept; None is for ever. `every` starts a pass."""

    jobs: timedelta | None
    audit: timedelta | None
    signer: Signer | None
    every: timedelta = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepJobs:
    """Timer: delete jobs after a mark."""

    mark: Mark


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepRequests:
    """Timer: delete requests to Circle after a mark."""

    mark: Mark


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepAudit:
    """Timer: delete the rows of the oldest seal."""


SweeperMessage: TypeAlias = SweepJobs | SweepRequests | SweepAudit


class SweeperActor(Actor[SweeperMessage]):
    """Goes over jobs, requests and audit, one step a message."""

    def __init__(
        self, life: Life, *, database: Database, options: SweeperOptions, chance: Random, emit: Emit
    ) -> None:
        """Start with nothing deleted."""
        super().__init__(life)
        self._database = database
        self._options = options
        self._chance = chance
        self._emit = emit
        self._deleted: dict[str, int] = {}

    def started(self) -> None:
        """Wait for a part of the hour, so that daemons don't begin together."""
        self._begin_later()

    def describe(self) -> Mapping[str, object]:
        """Show an operator what this incarnation deleted."""
        return dict(self._deleted)

    def receive(self, message: SweeperMessage) -> None:
        """Make one step and set the timer for the next one."""
        match message:
            case SweepJobs(mark=mark):
                self._sweep_jobs(mark)
            case SweepRequests(mark=mark):
                self._sweep_requests(mark)
            case SweepAudit():
                self._sweep_audit()
            case _:
                assert_never(message)

    def _sweep_jobs(self, mark: Mark) -> None:
        keep = self._options.jobs
        if keep is None:
            self.tell_later(timedelta(), SweepAudit())
            return
        swept = self._step("jobs", lambda tx: retention.sweep_jobs(tx, mark, keep=keep))
        following = SweepRequests(mark=retention.START) if swept.mark is None else SweepJobs(mark=swept.mark)
        self.tell_later(_PAUSE, following)

    def _sweep_requests(self, mark: Mark) -> None:
        keep = self._options.jobs
        if keep is None:
            self.tell_later(timedelta(), SweepAudit())
            return
        swept = self._step("requests", lambda tx: retention.sweep_requests(tx, mark, keep=keep))
        self.tell_later(_PAUSE, SweepAudit() if swept.mark is None else SweepRequests(mark=swept.mark))

    def _sweep_audit(self) -> None:
        keep, signer = self._options.audit, self._options.signer
        if keep is None or signer is None:
            self._begin_later()
            return
        swept = self._step(
            "audit_rows", lambda tx: Swept(count=remove_sealed(tx, signer, keep=keep), mark=None)
        )
        if swept.count:
            self.tell_later(_PAUSE, SweepAudit())
        else:
            self._begin_later()

    def _begin_later(self) -> None:
        self.tell_later(self._options.every * self._chance.uniform(0.5, 1), SweepJobs(mark=retention.START))

    def _step(self, what: str, step: Callable[[Transaction], Swept]) -> Swept:
        """Make a step; after an outage the pass goes on with the next kind, and the next pass begins anew."""
        try:
            with self._database.write(self.life.path, f"sweep_{what}") as tx:
                swept = step(tx)
        except StoreError:
            return retention.NOTHING
        if swept.count:
            self._deleted[what] = self._deleted.get(what, 0) + swept.count
            self._emit(RetentionSwept(what=what, count=swept.count))
        return swept
