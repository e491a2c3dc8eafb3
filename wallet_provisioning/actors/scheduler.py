"""The scheduler claims due jobs for the job actors that are free.

It is woken by hints (a job was accepted, another daemon said so, actors became free, a retry is due)
and, should they all be lost, by its poll. It claims when half of the pool is free, or after a moment:
so one idle job goes at once, and under load claims come in waves that fill the chains' batches.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeAlias, assert_never
from uuid import UUID

from wallet_provisioning.actors import spans
from wallet_provisioning.actors.job import Available, JobMessage, ReportIn, Rest, Work
from wallet_provisioning.actors.results import Finished
from wallet_provisioning.actors.shared import Shared
from wallet_provisioning.actors.waiting import Wave
from wallet_provisioning.jobs.moves import ClaimedJob
from wallet_provisioning.jobs.states import JobStatus, MoveName
from wallet_provisioning.store.claims import Claims, claim_jobs
from wallet_provisioning.store.database import Database
from wallet_provisioning.store.errors import StoreUnavailableError
from wallet_provisioning.store.newcomers import trace_id_of
from wallet_provisioning.store.queue_front import QueueFront
from wallet_provisioning.supervision.actor import Actor
from wallet_provisioning.supervision.address import Address
from wallet_provisioning.supervision.life import Life
from wallet_provisioning.telemetry.events import Emit, JobsClaimed, JobsMoved, MovedJob

_GATHER = timedelta(milliseconds=20)
# A notification of what was accepted here comes so soon after the claim that its own hint led to.
_ECHO = timedelta(milliseconds=5)
_AFTER_OUTAGE = timedelta(seconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkKnown:
    """Hint: there is a job to claim; `is_returned`, one at the old place that it kept in the queue.

    What was `heard` by way of the store may be an echo of what the scheduler was told at once.
    """

    is_returned: bool = False
    is_heard: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Poll:
    """Timer: the backstop behind the hints."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gathered:
    """Timer: enough waiting for more job actors to become free."""


SchedulerMessage: TypeAlias = WorkKnown | Poll | Gathered | Finished | Available


@dataclass(frozen=True, slots=True, kw_only=True)
class SchedulerOptions:
    """Who claims, how much at once, for how long; `holder` is the daemon's boot id."""

    holder: UUID
    batch_size: int
    poll_interval: timedelta
    lease: timedelta
    include_retries: bool


class SchedulerActor(Actor[SchedulerMessage]):
    """Knows which job actors are free, and whether there may be work."""

    def __init__(
        self,
        life: Life,
        *,
        database: Database,
        job_actors: Mapping[str, Address[JobMessage]],
        options: SchedulerOptions,
        emit: Emit,
        shared: Shared | None = None,
    ) -> None:
        """Start knowing of no free job actor; they are asked when it starts."""
        super().__init__(life)
        self._database = database
        self._job_actors = job_actors
        self._options = options
        self._emit = emit
        self._shared = shared or Shared()
        self._front = QueueFront(life.clock)
        self._free: dict[str, None] = {}
        self._unread: dict[str, None] = {}  # in order, so that a simulation is replayed
        self._may_have_work = True
        self._has_gathered = True
        self._is_gathering = False
        self._wave = 0
        self._quiet_until = timedelta()
        self._next_due: tuple[timedelta, Callable[[], None]] | None = None

    def started(self) -> None:
        """Ask who is free and begin to poll."""
        spans.mark("SchedulerStart")
        for address in self._job_actors.values():
            address.tell(ReportIn())
        self.tell_later(self._options.poll_interval, Poll())

    def describe(self) -> Mapping[str, object]:
        """Show an operator what stands here."""
        return {
            "free_job_actors": list(self._free),
            "may_have_work": self._may_have_work,
            "is_gathering": self._is_gathering,
            "wave": self._wave,
        }

    def receive(self, message: SchedulerMessage) -> None:
        """Take note of this and all that waits, then claim what can be claimed."""
        for each in (message, *self.take_waiting()):
            self._note(each)
        self._claim_all()
        self._let_rest()
        self._shared.pulse.mark(self.life.path, self.life.clock.monotonic())

    def stopping(self) -> None:
        """Claim no more."""
        self._may_have_work = False

    def stopped(self) -> None:
        """Leave a mark in the trace."""
        spans.mark("SchedulerStop")

    def _note(self, message: SchedulerMessage) -> None:
        match message:
            case WorkKnown():
                self._take_hint(message)
            case Poll():
                self._poll()
            case Gathered():
                self._has_gathered, self._is_gathering = True, False
            case Finished():
                self._take_back(message)
            case Available():
                self._free[message.slot] = None
            case _:
                assert_never(message)

    def _take_hint(self, hint: WorkKnown) -> None:
        """Look for work; in a moment, where that may be the job that has just been claimed."""
        if hint.is_returned:
            self._front.look_back()
        left = self._quiet_until - self.life.clock.monotonic()
        if hint.is_heard and left > timedelta():
            self._wake_in(left)
        else:
            self._may_have_work = True

    def _poll(self) -> None:
        self._may_have_work = True
        self.tell_later(self._options.poll_interval, Poll())

    def _take_back(self, news: Finished) -> None:
        self._free.update(dict.fromkeys(news.slots))
        self._unread.update(dict.fromkeys(news.slots))
        if news.due_in is not None:
            self._wake_in(news.due_in)

    def _wake_in(self, delay: timedelta) -> None:
        """Look for work after a delay, unless that happens earlier anyway."""
        now = self.life.clock.monotonic()
        if self._next_due is not None:
            at, cancel = self._next_due
            if now < at <= now + delay:
                return
            cancel()
        self._next_due = (now + delay, self.tell_later(delay, WorkKnown()))

    # Claiming.

    def _claim_all(self) -> None:
        while self._may_have_work and self._free and not self.is_stopping:
            if self._shared.orders.against_claiming() is not None or not self._is_time():
                return
            limit = min(self._options.batch_size, len(self._free))
            claims = self._claim(limit)
            if claims is None:
                return
            self._assign(claims.jobs)
            self._may_have_work = len(claims.jobs) == limit
            self._quiet_until = self.life.clock.monotonic() + _ECHO
            if claims.next_due is not None:
                self._wake_in(claims.next_due)

    def _let_rest(self) -> None:
        """Wake those who were told quietly that their job ended and get no other at once."""
        if not self._is_gathering:
            for slot in self._unread:
                self._job_actors[slot].tell(Rest())
            self._unread.clear()

    def _is_time(self) -> bool:
        """Return whether to claim now; else be woken in a moment."""
        if self._has_gathered or 2 * len(self._free) >= len(self._job_actors):
            return True
        if not self._is_gathering:
            self._is_gathering = True
            self.tell_later(_GATHER, Gathered())
        return False

    def _claim(self, limit: int) -> Claims | None:
        """Claim jobs; None where the store is away, which passes."""
        began = self.life.clock.monotonic()
        try:
            with self._database.write_once(self.life.path, "claim_jobs") as tx:
                claims = claim_jobs(
                    tx,
                    holder=self._options.holder,
                    limit=limit,
                    lease=self._options.lease,
                    include_retries=self._options.include_retries,
                    front=self._front,
                )
        except StoreUnavailableError:
            self.tell_later(_AFTER_OUTAGE, WorkKnown())
            self._may_have_work = False
            return None
        self._emit(JobsClaimed(count=len(claims.jobs), duration=self.life.clock.monotonic() - began))
        return claims

    def _assign(self, jobs: tuple[ClaimedJob, ...]) -> None:
        if not jobs:
            return
        self._wave += 1
        self._has_gathered = False
        wave = Wave(number=self._wave, sizes=_sizes(jobs))
        self._emit(_claimed(jobs, self.life.path))
        for job in jobs:
            slot = next(iter(self._free))
            del self._free[slot]
            self._unread.pop(slot, None)
            self._job_actors[slot].tell(Work(job=job, wave=wave))


def _sizes(jobs: tuple[ClaimedJob, ...]) -> Mapping[str, int]:
    sizes: dict[str, int] = {}
    for job in jobs:
        for chain in job.chains:
            sizes[chain] = sizes.get(chain, 0) + 1
    return sizes


def _claimed(jobs: tuple[ClaimedJob, ...], actor: str) -> JobsMoved:
    moved = [
        MovedJob(job.id, job.user_id, job.attempt, trace_id=trace_id_of(job.traceparent)) for job in jobs
    ]
    return JobsMoved(move=MoveName.CLAIM, status=JobStatus.IN_PROGRESS, actor=actor, jobs=moved)
