"""The writer commits results together: one transaction for all that wait.

It is the scarcest actor, so it does nothing else. What it is told carries the claim that it belongs
to, so it knows by itself when the last chain of a job has ended, and ends the job in the same
transaction; SQL only compares id, epoch and state. The chains of a job answer within milliseconds of each
other, and a commit costs as much for one as for all, so what ends no job waits a moment for what does.
Its senders keep what they told until it says `BatchRecorded`, and tell it again when it was restarted:
nothing vital lives here.
"""

from collections.abc import Hashable, Mapping, Sequence
from datetime import timedelta
from random import Random
from typing import assert_never

from wallet_provisioning.actors.grouping import (
    Progress,
    as_refused,
    created_in,
    identity_of,
    news_of,
    pieces_of,
    results_in,
    row_of,
)
from wallet_provisioning.actors.results import (
    Assignment,
    AttemptKey,
    BatchRecorded,
    ChainResult,
    CommitAgain,
    Conclude,
    Finished,
    Gathered,
    Recorded,
    RecordResults,
    WriterMessage,
)
from wallet_provisioning.jobs.backoff import Backoff
from wallet_provisioning.jobs.outcomes import conclude
from wallet_provisioning.jobs.states import MoveName
from wallet_provisioning.store.database import Database
from wallet_provisioning.store.errors import StoreUnavailableError
from wallet_provisioning.store.moves import Moved, events_of
from wallet_provisioning.store.recording import Recording, record
from wallet_provisioning.store.settling import Ending
from wallet_provisioning.supervision.actor import Actor
from wallet_provisioning.supervision.address import Address
from wallet_provisioning.supervision.life import Life
from wallet_provisioning.telemetry.events import Emit, StaleRefused

_GATHER = timedelta(milliseconds=10)
_PAUSE = timedelta(milliseconds=250)
_LONGEST_PAUSE = timedelta(seconds=2)


class WriterActor(Actor[WriterMessage]):
    """Commits what waits as one group; a member that can't be committed is redone alone."""

    def __init__(
        self,
        life: Life,
        *,
        database: Database,
        backoff: Backoff,
        chance: Random,
        scheduler: Address[Finished],
        emit: Emit,
        forget_after: timedelta,
    ) -> None:
        """Start knowing nothing; `forget_after` bounds how long a job that never ends is remembered."""
        super().__init__(life)
        self._database = database
        self._backoff = backoff
        self._chance = chance
        self._scheduler = scheduler
        self._emit = emit
        self._forget_after = forget_after
        self._open: dict[AttemptKey, Progress] = {}
        self._since: dict[AttemptKey, timedelta] = {}
        self._kept: dict[Hashable, RecordResults | Conclude] = {}
        self._kept_of: dict[AttemptKey, int] = {}
        self._is_gathering = False
        self._pause = timedelta()

    def describe(self) -> Mapping[str, object]:
        """Show an operator what stands here."""
        return {
            "jobs_in_progress": len(self._open),
            "messages_kept": len(self._kept),
            "pause_seconds": self._pause,
        }

    def receive(self, message: WriterMessage) -> None:
        """Commit this and all that waits behind it; during an outage only keep it."""
        is_open, is_due = not self._pause, self.is_stopping
        for each in (message, *self.take_waiting()):
            match each:
                case RecordResults() | Conclude():
                    self._kept.setdefault(identity_of(each), each)
                    is_due |= self._may_end_a_job(each)
                case Gathered():
                    self._is_gathering, is_due = False, True
                case CommitAgain():
                    is_open = is_due = True
                case _:
                    assert_never(each)
        if self._kept and is_open:
            self._commit_kept() if is_due else self._gather()

    def is_drained(self) -> bool:
        """Return whether nothing is kept."""
        return not self._kept

    def _may_end_a_job(self, message: RecordResults | Conclude) -> bool:
        """Count the results that are kept of each attempt; return whether one may have its last."""
        if isinstance(message, Conclude):
            return True
        # All are counted, so no `any`, which would stop at the first.
        return True in [self._is_last(result.assignment) for result in message.results]

    def _is_last(self, assignment: Assignment | None) -> bool:
        """Return whether this result may be its attempt's last; a repeat counts too, and does no harm."""
        if assignment is None:
            return True
        key = assignment.key
        known = self._open.get(key)
        count = self._kept_of[key] = self._kept_of.get(key, 0) + 1
        return count + (0 if known is None else len(known.outcomes)) >= len(assignment.job.chains)

    def _gather(self) -> None:
        """Be woken in a moment, should nothing that ends a job come before."""
        if not self._is_gathering:
            self._is_gathering = True
            self.tell_later(_GATHER, Gathered())

    def _commit_kept(self) -> None:
        try:
            self._commit_or_isolate(list(self._kept.values()))
        except StoreUnavailableError:
            self._pause = min(_LONGEST_PAUSE, max(_PAUSE, self._pause * 2))
            self.tell_later(self._pause, CommitAgain())
        else:
            self._kept, self._kept_of = {}, {}
            self._pause = timedelta()

    def _commit_or_isolate(self, group: list[RecordResults | Conclude]) -> None:
        """Commit a group; where something in it can't be stored, commit one by one."""
        try:
            self._commit(group)
        except StoreUnavailableError:
            raise
        except Exception as error:
            pieces = [piece for message in group for piece in pieces_of(message)]
            if len(pieces) > 1:
                for piece in pieces:
                    self._commit_or_isolate([piece])
            elif (refused := as_refused(group[0], error)) is not None:
                self._commit([refused])
            else:
                raise
        self._say_recorded(group)

    def _commit(self, group: Sequence[RecordResults | Conclude]) -> None:
        touched, added = self._merge(group)
        over = {key: progress for key, progress in touched.items() if progress.is_over()}
        endings = [self._ending_of(progress) for progress in over.values()]
        failing = {ending.job.id for ending in endings if ending.move.name is MoveName.FAIL}
        results = [
            row_of(result, failing)
            for result, progress in added
            if progress is None or progress.counts(result)
        ]
        recording = record(
            self._database, self.life.path, [row for row in results if row is not None], endings
        )
        self._remember(touched, over)
        self._tell(over, recording)

    def _merge(
        self, group: Sequence[RecordResults | Conclude]
    ) -> tuple[dict[AttemptKey, Progress], list[tuple[ChainResult, Progress | None]]]:
        """Return the progress that these messages make, not yet believed, and each result with its own.

        A result of no attempt in hand here has none.
        """
        touched: dict[AttemptKey, Progress] = {}
        added: list[tuple[ChainResult, Progress | None]] = []
        for message in group:
            if isinstance(message, Conclude):
                self._touch(touched, message.assignment)
            for result in results_in(message):
                progress = None
                if result.assignment is not None:
                    progress = self._touch(touched, result.assignment)
                    progress.add(result)
                added.append((result, progress))
        return touched, added

    def _touch(self, touched: dict[AttemptKey, Progress], assignment: Assignment) -> Progress:
        """Return the progress of an attempt in this commit, which begins with what is committed."""
        key = assignment.key
        progress = touched.get(key)
        if progress is None:
            known = self._open.get(key)
            committed = {} if known is None else known.outcomes
            progress = touched[key] = Progress(assignment, dict(committed), committed)
        return progress

    def _ending_of(self, progress: Progress) -> Ending:
        job = progress.assignment.job
        return Ending(job, conclude(job, progress.outcomes, self._backoff, self._chance))

    def _remember(self, touched: dict[AttemptKey, Progress], over: dict[AttemptKey, Progress]) -> None:
        now = self.life.clock.monotonic()
        for key, progress in touched.items():
            if key not in over:
                self._open[key] = progress
                self._since.setdefault(key, now)
        stale = [key for key, since in self._since.items() if now - since > self._forget_after]
        for key in (*over, *stale):
            self._open.pop(key, None)
            self._since.pop(key, None)

    # What is told after the commit.

    def _tell(self, over: dict[AttemptKey, Progress], recording: Recording) -> None:
        moved_of = {(each.move.job_id.int, each.move.epoch): each for each in recording.moved}
        is_alone = len(over) == 1
        for key, progress in over.items():
            self._tell_holder(progress.assignment, moved_of.get(key), is_alone=is_alone)
        if over:
            slots = tuple(each.assignment.slot for key, each in over.items() if key in moved_of)
            self._scheduler.tell(news_of(slots, recording.moved))
        for event in events_of(recording.moved, self.life.path):
            self._emit(event)
        created = created_in(recording.counted)
        if created is not None:
            self._emit(created)

    def _tell_holder(self, assignment: Assignment, moved: Moved | None, *, is_alone: bool) -> None:
        """Tell the job actor; under load it reads this with its next assignment, unwoken."""
        news = Recorded(job_id=assignment.job.id, epoch=assignment.job.epoch, move=moved)
        if is_alone:
            assignment.holder.tell(news)
        else:
            assignment.holder.tell_quietly(news)
        if moved is None:
            job = assignment.job
            self._emit(StaleRefused(job_id=job.id, epoch=job.epoch, what="end", actor=self.life.path))

    def _say_recorded(self, group: Sequence[RecordResults | Conclude]) -> None:
        for message in group:
            if isinstance(message, RecordResults) and message.reply_to and message.batch:
                message.reply_to.tell(BatchRecorded(batch=message.batch))
