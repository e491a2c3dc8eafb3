"""A job actor holds one job at a time: it asks the chains, renews the lease, and gives up in time.

It decides nothing: the chains' answers go to the writer, which ends the job. What it does is to heal.
Whatever was lost on the way (an ask, an answer, the writer's memory) it asks for again, on a timer and
when it hears that one of those it depends on has died; whoever is asked twice does the work once.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeAlias, assert_never

from opentelemetry.trace import Span

from wallet_provisioning.actors import spans
from wallet_provisioning.actors.circle import Provision
from wallet_provisioning.actors.results import (
    Assignment,
    ChainResult,
    Conclude,
    Recorded,
    RecordResults,
    WriterMessage,
)
from wallet_provisioning.actors.waiting import Wave
from wallet_provisioning.jobs import moves
from wallet_provisioning.jobs.errors import ErrorType
from wallet_provisioning.jobs.moves import ClaimedJob
from wallet_provisioning.jobs.outcomes import Failed, Outcome, Waiting
from wallet_provisioning.jobs.states import MoveName
from wallet_provisioning.store.claims import renew_lease
from wallet_provisioning.store.database import Database
from wallet_provisioning.store.errors import StaleJobError, StoreUnavailableError
from wallet_provisioning.store.moves import Moved, apply_moves
from wallet_provisioning.supervision.actor import Actor
from wallet_provisioning.supervision.address import Address
from wallet_provisioning.supervision.incidents import ChildEnded
from wallet_provisioning.supervision.life import Life
from wallet_provisioning.telemetry.events import Emit, StaleRefused

_STATUS = {
    MoveName.COMPLETE: "success",
    MoveName.FAIL: "failed",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """Command: provision this job; `wave` says with how many others it was claimed."""

    job: ClaimedJob
    wave: Wave


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportIn:
    """Command: say whether you are free."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Available:
    """News: this job actor holds nothing."""

    slot: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckJob:
    """Timer: renew the lease, look at the time, ask again. An actor has one, whatever job it holds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rest:
    """Command: there is no work for you now; read what was told quietly."""


JobMessage: TypeAlias = Work | Rest | ReportIn | CheckJob | Recorded | ChildEnded


@dataclass(frozen=True, slots=True, kw_only=True)
class JobOptions:
    """The lease that is renewed while an attempt is younger than `timeout`."""

    lease: timedelta
    timeout: timedelta
    retry_unserved: timedelta

    @property
    def check_every(self) -> timedelta:
        """A third of the lease, so that two renewals may fail before it is lost."""
        return self.lease / 3


@dataclass(frozen=True, slots=True, kw_only=True)
class _Hand:
    """The attempt in hand."""

    assignment: Assignment
    since: timedelta

    @property
    def job(self) -> ClaimedJob:
        return self.assignment.job

    @property
    def span(self) -> Span:
        return self.assignment.span


class JobActor(Actor[JobMessage]):
    """Works on one job; its chains run side by side."""

    def __init__(
        self,
        life: Life,
        *,
        database: Database,
        circle: Mapping[str, Address[Provision]],
        writer: Address[WriterMessage],
        scheduler: Address[Available],
        options: JobOptions,
        emit: Emit,
    ) -> None:
        """Start with empty hands."""
        super().__init__(life)
        self._database = database
        self._circle = circle
        self._writer = writer
        self._scheduler = scheduler
        self._options = options
        self._emit = emit
        self._hand: _Hand | None = None
        self._check_at = timedelta()
        self._has_timer = False

    def started(self) -> None:
        """Tell the scheduler that there is one more."""
        self._scheduler.tell(Available(slot=self.life.path))

    def describe(self) -> Mapping[str, object]:
        """Show an operator what stands here."""
        hand = self._hand
        if hand is None:
            return {"job_id": None}
        now = self.life.clock.monotonic()
        return {"job_id": hand.job.id, "epoch": hand.job.epoch, "for_seconds": now - hand.since}

    def receive(self, message: JobMessage) -> None:
        """Take a job, hear of its end, or heal."""
        match message:
            case Work():
                self._begin(message)
            case Recorded():
                self._end(message)
            case CheckJob():
                self._timer_rang()
            case ChildEnded():
                self._ask_again_after(message.path)
            case ReportIn():
                self._report_in()
            case Rest():
                pass
            case _:
                assert_never(message)

    def is_drained(self) -> bool:
        """Return whether no job is in hand."""
        return self._hand is None

    def stopped(self) -> None:
        """Hand back what could not be finished; if the store is away the lease does it."""
        if self._hand is not None:
            self._hand_back(self._hand.job)

    # A job's way.

    def _begin(self, work: Work) -> None:
        if self.is_stopping or self._hand is not None:
            self._hand_back(work.job)
            return
        assignment = Assignment(
            job=work.job, slot=self.life.path, holder=self.life.me, span=spans.start_job(work.job)
        )
        self._hand = _Hand(assignment=assignment, since=self.life.clock.monotonic())
        self.hold(work.job)
        self._ask(work.job.chains, work.wave)
        if not work.job.chains:
            self._writer.tell(Conclude(assignment=assignment))
        self._check_later()

    def _ask(self, chains: tuple[str, ...], wave: Wave | None) -> None:
        hand = self._hand
        if hand is None:
            return
        for chain in chains:
            if chain in self._circle:
                self._ask_chain(chain, Provision(assignment=hand.assignment, wave=wave))
            else:
                self._answer_for(chain, self._not_served())

    def _ask_chain(self, chain: str, wish: Provision) -> None:
        """Tell a chain's actor; of a wave only those wake it that begin its wait for company or end it."""
        if wish.wave is not None and wish.wave.is_quiet(chain):
            self._circle[chain].tell_quietly(wish)
        else:
            self._circle[chain].tell(wish)

    def _end(self, news: Recorded) -> None:
        if self._hand is not None and self._hand.job.epoch == news.epoch and self._hand.job.id == news.job_id:
            self._let_go(news.move)
            if news.move is None:
                self._scheduler.tell(Available(slot=self.life.path))

    def _let_go(self, moved: Moved | None) -> None:
        hand = self._hand
        if hand is None:
            return
        self._hand = None
        self.let_go()
        failure = None if moved is None else moved.move.failure
        spans.end_job(
            hand.span,
            status="retry" if moved is None else _STATUS.get(moved.move.name, "retry"),
            duration=self.life.clock.monotonic() - hand.since,
            error_type=None if failure is None else failure.error_type,
        )

    # Healing.

    def _timer_rang(self) -> None:
        """Check the job in hand if that is due; it may be a younger one than the timer was set for."""
        self._has_timer = False
        if self._hand is None:
            return
        if self.life.clock.monotonic() < self._check_at:
            self._set_timer()
        else:
            self._check(self._hand)

    def _check(self, hand: _Hand) -> None:
        if self.life.clock.monotonic() - hand.since >= self._options.timeout:
            self._give_up(hand)
        elif not self._renew(hand.job):
            self._let_go(None)
            self._scheduler.tell(Available(slot=self.life.path))
            return
        else:
            self._ask(hand.job.chains, None)
        self._check_later()

    def _give_up(self, hand: _Hand) -> None:
        """End the attempt for every chain that has not answered; the writer knows which."""
        message = f"no answer within {self._options.timeout.total_seconds():g} s"
        for chain in hand.job.chains:
            self._answer_for(chain, Failed(error_type=ErrorType.TIMEOUT, message=message))
        if not hand.job.chains:
            self._writer.tell(Conclude(assignment=hand.assignment))

    def _renew(self, job: ClaimedJob) -> bool:
        """Renew the lease; return whether the job is still ours. An outage leaves that open."""
        try:
            with self._database.write(self.life.path, "renew_lease") as tx:
                renew_lease(tx, job_id=job.id, epoch=job.epoch, lease=self._options.lease)
        except StaleJobError:
            self._emit(StaleRefused(job_id=job.id, epoch=job.epoch, what="renew", actor=self.life.path))
            return False
        except StoreUnavailableError:
            return True
        return True

    def _ask_again_after(self, path: str) -> None:
        """Ask again whoever died with what we wait for, at once instead of at the next check."""
        if self._hand is None:
            return
        chain = path.rpartition("/")[2]
        self._ask((chain,) if chain in self._hand.job.chains else self._hand.job.chains, None)

    def _check_later(self) -> None:
        if self._hand is not None:
            now = self.life.clock.monotonic()
            left = self._options.timeout - (now - self._hand.since)
            delay = min(self._options.check_every, left) if left > timedelta() else self._options.check_every
            self._check_at = now + delay
            self._set_timer()

    def _set_timer(self) -> None:
        if not self._has_timer:
            self._has_timer = True
            self.tell_later(self._check_at - self.life.clock.monotonic(), CheckJob())

    def _report_in(self) -> None:
        if self._hand is None:
            self._scheduler.tell(Available(slot=self.life.path))

    def _answer_for(self, chain: str, outcome: Outcome) -> None:
        if self._hand is not None:
            assignment = self._hand.assignment
            result = ChainResult(
                user_id=assignment.job.user_id, chain=chain, outcome=outcome, assignment=assignment
            )
            self._writer.tell(RecordResults(results=(result,)))

    def _not_served(self) -> Waiting:
        message = "no Circle actor for it in this daemon; add it to WORKER_CHAINS"
        return Waiting(message=message, delay=self._options.retry_unserved)

    def _hand_back(self, job: ClaimedJob) -> None:
        try:
            with self._database.write(self.life.path, "hand_back") as tx:
                moved = apply_moves(tx, [moves.hand_back(job)])
        except StoreUnavailableError:
            return
        for each in moved:
            self._emit(each.event(self.life.path))
