"""What the writer is told, and what it tells: the results of a job's chains on their way into the store."""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import NamedTuple, TypeAlias
from uuid import UUID

from opentelemetry.trace import Span

from wallet_provisioning.jobs.moves import ClaimedJob
from wallet_provisioning.jobs.outcomes import Outcome
from wallet_provisioning.store.moves import Moved
from wallet_provisioning.supervision.address import Address


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """News: the attempt that a job actor holds has ended, by `move`, or was no longer its own (None)."""

    job_id: UUID
    epoch: int
    move: Moved | None


# The number of a job's id, and the epoch. Python hashes a number in a third of the time of a UUID, and a
# job's way looks up a hundred.
AttemptKey: TypeAlias = tuple[int, int]


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
    """A claimed job in the hands of a job actor: what everybody who works on it passes on.

    `key` is the attempt: which job, and in which epoch. It is asked for a dozen times.
    """

    job: ClaimedJob
    slot: str
    holder: Address[Recorded]
    span: Span
    key: AttemptKey = field(init=False)

    def __post_init__(self) -> None:
        """Make the key."""
        object.__setattr__(self, "key", (self.job.id.int, self.job.epoch))


class ChainResult(NamedTuple):
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
class CommitAgain:
    """The pause after an outage is over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gathered:
    """Timer: what ends no job has waited long enough for what does."""


WriterMessage: TypeAlias = RecordResults | Conclude | CommitAgain | Gathered
