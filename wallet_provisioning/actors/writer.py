"""The writer commits results together: one transaction for all that wait.

It is the scarcest actor, so it does nothing else. What it is told carries the claim that it belongs
to, so it knows by itself when the last chain of a job has ended, and ends the job in the same
transaction; SQL only compares id, epoch and state. The chains of a job answer within milliseconds of each
other, and a commit costs as much for one as for all, so what ends no job waits a moment for what does.
Its senders keep what they told until it says `BatchRecorded`, and tell it again when it was restarted:
nothing vital lives here.
"""

from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from random import Random
from typing import NamedTuple, TypeAlias, assert_never
from uuid import UUID

from opentelemetry.trace import Span

from wallet_provisioning.jobs.backoff import Backoff
from wallet_provisioning.jobs.errors import ErrorType
from wallet_provisioning.jobs.moves import ClaimedJob, Move
from wallet_provisioning.jobs.outcomes import Failed, Live, Outcome, Waiting, conclude
from wallet_provisioning.jobs.states import JobStatus, MoveName
from wallet_provisioning.store.database import Database
from wallet_provisioning.store.errors import RowRefusedError, StoreUnavailableError
from wallet_provisioning.store.moves import Moved, apply_moves
from wallet_provisioning.store.wallets import WalletResult, record_results
from wallet_provisioning.supervision.actor import Actor
from wallet_provisioning.supervision.address import Address
from wallet_provisioning.supervision.life import Life
from wallet_provisioning.telemetry.events import Emit, StaleRefused

_GATHER = timedelta(milliseconds=10)
_PAUSE = timedelta(milliseconds=250)
_LONGEST_PAUSE = timedelta(seconds=2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """News: the attempt that a job actor holds has ended, by `move`, or was no longer its own (None)."""

    job_id: UUID
    epoch: int
    move: Moved | None


AttemptKey: TypeAlias = tuple[UUID, int]


class BatchId(NamedTuple):
    """Which results: the sender's incarnation, and its count of what it has told."""

    incarnation: int
    number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchRecorded:
    """News: these results are committed; whoever kept them may forget them."""

    batch: BatchId


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """News: these job actors are free again. `due_in` until the first of their jobs is due again."""

    slots: tuple[str, ...]
    due_in: timedelta | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """A claimed job in the hands of a job actor: what everybody who works on it passes on."""

    job: ClaimedJob
    slot: str
    holder: Address[Recorded]
    span: Span

    @property
    def key(self) -> "AttemptKey":
        """The attempt: which job, and in which epoch."""
        return self.job.id, self.job.epoch


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainResult:
    """How the work on one chain ended; `assignment` is None where the job isn't in hand here."""

    user_id: UUID
    chain: str
    outcome: Outcome
    assignment: Assignment | None
    job_id: UUID | None = None
    request_id: UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordResults:
    """Command: commit these results. `batch` comes back to `reply_to` once they are."""

    results: tuple[ChainResult, ...]
    batch: BatchId | None = None
    reply_to: Address[BatchRecorded] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Conclude:
    """Command: end an attempt that had nothing to do."""

    assignment: Assignment


@dataclass(frozen=True, slots=True, kw_only=True)
class TryAgain:
    """The pause after an outage is over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gathered:
    """Timer: what ends no job has waited long enough for what does."""


WriterMessage: TypeAlias = RecordResults | Conclude | TryAgain | Gathered


@dataclass(slots=True)
class _Progress:
    """What is known of a job whose attempt has not ended."""

    assignment: Assignment
    outcomes: dict[str, Outcome] = field(default_factory=dict)

    def is_over(self) -> bool:
        return all(chain in self.outcomes for chain in self.assignment.job.chains)


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
        self._open: dict[AttemptKey, _Progress] = {}
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
                    self._kept.setdefault(_identity(each), each)
                    is_due |= self._may_end_a_job(each)
                case Gathered():
                    self._is_gathering, is_due = False, True
                case TryAgain():
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
        is_end = isinstance(message, Conclude)
        return is_end or any(self._is_last(result.assignment) for result in _results(message))

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
            self.tell_later(self._pause, TryAgain())
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
            pieces = [piece for message in group for piece in _pieces(message)]
            if len(pieces) > 1:
                for piece in pieces:
                    self._commit_or_isolate([piece])
            elif (refused := _refused(group[0], error)) is not None:
                self._commit([refused])
            else:
                raise
        self._say_recorded(group)

    def _commit(self, group: Sequence[RecordResults | Conclude]) -> None:
        touched = self._merge(group)
        over = {key: progress for key, progress in touched.items() if progress.is_over()}
        ends = [self._end_of(progress) for progress in over.values()]
        failing = {move.job_id for move in ends if move.name is MoveName.FAIL}
        results = [
            _row(result, failing)
            for message in group
            for result in _results(message)
            if self._counts(touched, result)
        ]
        with self._database.write(self.life.path, "record_results") as tx:
            changed = record_results(tx, [row for row in results if row is not None])
            moved = apply_moves(tx, ends) if ends else ()
        self._remember(touched, over)
        self._tell(over, changed, moved)

    def _merge(self, group: Sequence[RecordResults | Conclude]) -> dict[AttemptKey, _Progress]:
        """Return the progress that these messages make, without yet believing it."""
        touched: dict[AttemptKey, _Progress] = {}
        for message in group:
            for assignment in _assignments(message):
                known = self._open.get(assignment.key)
                if assignment.key not in touched:
                    touched[assignment.key] = _Progress(assignment, dict(known.outcomes) if known else {})
            for result in _results(message):
                _add(touched, result)
        return touched

    def _counts(self, touched: dict[AttemptKey, _Progress], result: ChainResult) -> bool:
        """Return whether a result is the one that counts for its chain in this attempt, and is new."""
        if result.assignment is None:
            return True
        key = (result.assignment.job.id, result.assignment.job.epoch)
        known = self._open.get(key)
        is_committed = known is not None and known.outcomes.get(result.chain) is result.outcome
        return not is_committed and touched[key].outcomes[result.chain] is result.outcome

    def _end_of(self, progress: _Progress) -> Move:
        return conclude(progress.assignment.job, progress.outcomes, self._backoff, self._chance)

    def _remember(self, touched: dict[AttemptKey, _Progress], over: dict[AttemptKey, _Progress]) -> None:
        now = self.life.clock.monotonic()
        for key, progress in touched.items():
            self._open[key] = progress
            self._since.setdefault(key, now)
        stale = [key for key, since in self._since.items() if now - since > self._forget_after]
        for key in (*over, *stale):
            self._open.pop(key, None)
            self._since.pop(key, None)

    # What is told after the commit.

    def _tell(
        self, over: dict[AttemptKey, _Progress], changed: Sequence[WalletResult], moved: Sequence[Moved]
    ) -> None:
        by_job = {each.move.job_id: each for each in moved}
        is_alone = len(over) == 1
        for progress in over.values():
            self._tell_holder(progress.assignment, by_job.get(progress.assignment.job.id), is_alone=is_alone)
        if over:
            self._scheduler.tell(_finished(over, moved))
        for each in moved:
            self._emit(each.event(self.life.path))
        for result in changed:
            if (event := result.event()) is not None:
                self._emit(event)

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


def _identity(message: RecordResults | Conclude) -> Hashable:
    """Return what makes two messages the same: whoever waits for long tells again, and again."""
    if isinstance(message, Conclude):
        return ("conclude", message.assignment.job.id, message.assignment.job.epoch)
    if message.reply_to is not None:
        return ("batch", message.reply_to.path, message.batch)
    return tuple(
        (result.user_id, result.chain, None if result.assignment is None else result.assignment.job.epoch)
        for result in message.results
    )


def _assignments(message: RecordResults | Conclude) -> list[Assignment]:
    if isinstance(message, Conclude):
        return [message.assignment]
    return [result.assignment for result in message.results if result.assignment is not None]


def _results(message: RecordResults | Conclude) -> tuple[ChainResult, ...]:
    return message.results if isinstance(message, RecordResults) else ()


def _add(touched: dict[AttemptKey, _Progress], result: ChainResult) -> None:
    """Add an outcome; the first one counts, but a wallet that lives is the truth whenever it comes."""
    if result.assignment is None:
        return
    outcomes = touched[result.assignment.key].outcomes
    if isinstance(result.outcome, Live) or result.chain not in outcomes:
        outcomes[result.chain] = result.outcome


def _row(result: ChainResult, failing: Collection[UUID]) -> WalletResult | None:
    """Return what the store keeps of a result; waiting leaves no trace on the wallet.

    `failing` are the jobs that fail in the same transaction.
    """
    if isinstance(result.outcome, Waiting):
        return None
    job = None if result.assignment is None else result.assignment.job
    return WalletResult(
        job_id=result.job_id if job is None else job.id,
        epoch=None if job is None else job.epoch,
        user_id=result.user_id,
        chain=result.chain,
        outcome=result.outcome,
        request_id=result.request_id,
        fails_job_at=job.revision if job is not None and job.id in failing else None,
    )


def _pieces(message: RecordResults | Conclude) -> list[RecordResults | Conclude]:
    if isinstance(message, Conclude):
        return [message]
    return [RecordResults(results=(result,)) for result in message.results]


def _refused(message: RecordResults | Conclude, error: Exception) -> RecordResults | None:
    """Return the result as a failure of its chain, where what Circle answered can't be stored.

    A value that the store refuses fails for good; after any other error the wallet is asked for again.
    """
    results = _results(message)
    if len(results) != 1 or not isinstance(results[0].outcome, Live):
        return None
    (result,) = results
    is_for_good = isinstance(error, RowRefusedError)
    text = f"wallet {result.outcome.circle_wallet_id} could not be stored: {type(error).__name__}"  # type: ignore[union-attr] # checked above
    failed = Failed(error_type=ErrorType.VALIDATION if is_for_good else ErrorType.CRASH, message=text)
    return RecordResults(results=(replace(result, outcome=failed),))


def _finished(over: dict[AttemptKey, _Progress], moved: Sequence[Moved]) -> Finished:
    again = [each.move.due_in for each in moved if each.status is JobStatus.RETRY and each.move.due_in]
    ended = {each.move.job_id for each in moved}
    slots = tuple(
        progress.assignment.slot for progress in over.values() if progress.assignment.job.id in ended
    )
    is_queued = any(each.status is JobStatus.QUEUED for each in moved)
    return Finished(slots=slots, due_in=timedelta() if is_queued else min(again, default=None))
