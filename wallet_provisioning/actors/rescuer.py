"""The rescuer returns jobs that nobody works on any more.

It hears at once of an actor that died with a job in hand, and looks regularly for leases that ran
out: the daemon that held those is dead, stopped or cut off. News may be lost; then the lease tells.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeAlias, assert_never

from wallet_provisioning.actors.scheduler import WorkKnown
from wallet_provisioning.jobs import moves
from wallet_provisioning.jobs.moves import ClaimedJob
from wallet_provisioning.jobs.states import AuditStatus, MoveName
from wallet_provisioning.store.audit import write_audit
from wallet_provisioning.store.claims import rescue_expired
from wallet_provisioning.store.database import Database
from wallet_provisioning.store.errors import StoreUnavailableError
from wallet_provisioning.store.moves import Moved, apply_moves
from wallet_provisioning.store.transaction import Transaction
from wallet_provisioning.supervision.actor import Actor
from wallet_provisioning.supervision.address import Address
from wallet_provisioning.supervision.incidents import ChildEnded
from wallet_provisioning.supervision.life import Life
from wallet_provisioning.telemetry.events import Emit

_LONGEST_STACK = 4000


@dataclass(frozen=True, slots=True, kw_only=True)
class LookForLost:
    """Timer: look for leases that ran out."""


RescuerMessage: TypeAlias = ChildEnded | LookForLost


class RescuerActor(Actor[RescuerMessage]):
    """Returns jobs by compare-and-set on their epoch, so that it can't take one from a living holder."""

    def __init__(
        self,
        life: Life,
        *,
        database: Database,
        scheduler: Address[WorkKnown],
        look_every: timedelta,
        emit: Emit,
    ) -> None:
        """Start with nothing to return."""
        super().__init__(life)
        self._database = database
        self._scheduler = scheduler
        self._look_every = look_every
        self._emit = emit
        self._reports: list[ChildEnded] = []

    def started(self) -> None:
        """Look at once: a predecessor may have died with reports in hand."""
        self.tell_later(timedelta(), LookForLost())

    def describe(self) -> Mapping[str, object]:
        """Show an operator what stands here."""
        return {"reports_to_settle": len(self._reports), "look_every_seconds": self._look_every}

    def receive(self, message: RescuerMessage) -> None:
        """Return a job whose actor died, or those whose lease ran out."""
        match message:
            case ChildEnded():
                self._reports.append(message)
                self._settle_reports()
            case LookForLost():
                self._look()
            case _:
                assert_never(message)

    def _look(self) -> None:
        self._settle_reports()
        try:
            with self._database.write(self.life.path, "rescue_expired") as tx:
                moved = rescue_expired(tx)
        except StoreUnavailableError:
            moved = ()
        self._tell(moved)
        self.tell_later(self._look_every, LookForLost())

    def _settle_reports(self) -> None:
        """Return the jobs of the dead, and keep a record of each crash; an outage postpones it."""
        while self._reports:
            try:
                with self._database.write(self.life.path, "return_after_crash") as tx:
                    moved = self._settle(tx, self._reports[0])
            except StoreUnavailableError:
                return
            self._reports.pop(0)
            self._tell(moved)

    def _settle(self, tx: Transaction, report: ChildEnded) -> tuple[Moved, ...]:
        job = report.held if isinstance(report.held, ClaimedJob) else None
        text = f"{report.path} ended by {report.reason}: {report.error}"
        evidence = {"path": report.path, "trace_id": report.trace_id, **_evidence(report)}
        moved = () if job is None else apply_moves(tx, [moves.return_after_crash(job, text, evidence)])
        if not any(each.move.name is MoveName.RETURN_AFTER_CRASH for each in moved):
            _audit_crash(tx, report, job)
        return moved

    def _tell(self, moved: tuple[Moved, ...]) -> None:
        for each in moved:
            self._emit(each.event(self.life.path))
        if moved:
            self._scheduler.tell(WorkKnown(is_returned=True))


def _evidence(report: ChildEnded) -> dict[str, object]:
    """Return what an audit row says of a crash: the message without its values, and the stack's end."""
    return {
        "incarnation": report.incarnation,
        "reason": report.reason.value,
        "message": report.message,
        "shown": report.shown,
        "stack": report.stack[-_LONGEST_STACK:],
    }


def _audit_crash(tx: Transaction, report: ChildEnded, job: ClaimedJob | None) -> None:
    write_audit(
        tx,
        action="wallet-worker:actor_crashed",
        resource_type="actor",
        resource_id=report.path,
        user_id=None if job is None else job.user_id,
        job_id=None if job is None else job.id,
        after=_evidence(report),
        status=AuditStatus.FAILED,
        error_message=report.error,
        trace_id=report.trace_id,
    )
