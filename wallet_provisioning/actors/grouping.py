"""How the messages of one commit are taken apart and put together; pure, on whatever thread."""

from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID

from wallet_provisioning.actors.results import (
    Assignment,
    ChainResult,
    Conclude,
    Finished,
    RecordResults,
)
from wallet_provisioning.jobs.errors import ErrorType
from wallet_provisioning.jobs.outcomes import Failed, Live, Outcome, Waiting
from wallet_provisioning.jobs.states import JobStatus
from wallet_provisioning.store.errors import RowRefusedError
from wallet_provisioning.store.moves import Moved
from wallet_provisioning.store.wallets import WalletResult
from wallet_provisioning.telemetry.events import CreatedWallet, WalletsCreated


@dataclass(slots=True)
class Progress:
    """What is known of a job whose attempt has not ended; `committed` is the part that the store has."""

    assignment: Assignment
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    committed: Mapping[str, Outcome] = field(default_factory=dict)

    def add(self, result: ChainResult) -> None:
        """Add an outcome; the first one counts, but a wallet that lives is the truth whenever it comes."""
        if isinstance(result.outcome, Live) or result.chain not in self.outcomes:
            self.outcomes[result.chain] = result.outcome

    def counts(self, result: ChainResult) -> bool:
        """Return whether a result is the one that counts for its chain in this attempt, and is new."""
        outcome = result.outcome
        return self.outcomes[result.chain] is outcome and self.committed.get(result.chain) is not outcome

    def is_over(self) -> bool:
        """Return whether every chain of the job has its outcome."""
        return all(map(self.outcomes.__contains__, self.assignment.job.chains))


def identity_of(message: RecordResults | Conclude) -> Hashable:
    """Return what makes two messages the same: whoever waits for long tells again, and again."""
    if isinstance(message, Conclude):
        return ("conclude", message.assignment.job.id, message.assignment.job.epoch)
    if message.reply_to is not None:
        return ("batch", message.reply_to.path, message.batch)
    return tuple(
        (result.user_id, result.chain, None if result.assignment is None else result.assignment.job.epoch)
        for result in message.results
    )


def results_in(message: RecordResults | Conclude) -> tuple[ChainResult, ...]:
    """Return the results that a message brings."""
    return message.results if isinstance(message, RecordResults) else ()


def row_of(result: ChainResult, failing: Collection[UUID]) -> WalletResult | None:
    """Return what the store keeps of a result; waiting leaves no trace on the wallet.

    `failing` are the jobs that fail in the same transaction.
    """
    outcome = result.outcome
    if isinstance(outcome, Waiting):
        return None
    if result.assignment is None:
        return WalletResult(result.job_id, None, result.user_id, result.chain, outcome, result.request_id)
    job = result.assignment.job
    fails_at = job.revision if failing and job.id in failing else None
    return WalletResult(job.id, job.epoch, result.user_id, result.chain, outcome, result.request_id, fails_at)


def pieces_of(message: RecordResults | Conclude) -> list[RecordResults | Conclude]:
    """Return a message as the smallest ones that can be committed alone."""
    if isinstance(message, Conclude):
        return [message]
    return [RecordResults(results=(result,)) for result in message.results]


def as_refused(message: RecordResults | Conclude, error: Exception) -> RecordResults | None:
    """Return the result as a failure of its chain, where what Circle answered can't be stored.

    A value that the store refuses fails for good; after any other error the wallet is asked for again.
    """
    results = results_in(message)
    if len(results) != 1 or not isinstance(results[0].outcome, Live):
        return None
    (result,) = results
    is_for_good = isinstance(error, RowRefusedError)
    text = f"wallet {result.outcome.circle_wallet_id} could not be stored: {type(error).__name__}"  # type: ignore[union-attr] # checked above
    failed = Failed(error_type=ErrorType.VALIDATION if is_for_good else ErrorType.CRASH, message=text)
    return RecordResults(results=(result._replace(outcome=failed),))


def news_of(slots: tuple[str, ...], moved: Sequence[Moved]) -> Finished:
    """Return what the scheduler is told: whose attempts ended, and when the first of their jobs is due."""
    again = [each.move.due_in for each in moved if each.status is JobStatus.RETRY and each.move.due_in]
    is_queued = any(each.status is JobStatus.QUEUED for each in moved)
    return Finished(slots=slots, due_in=timedelta() if is_queued else min(again, default=None))


def created_in(results: Sequence[WalletResult]) -> WalletsCreated | None:
    """Return what is told of the wallets that went live; None where none did."""
    wallets = [
        CreatedWallet(job_id, user_id, chain, live.blockchain, live.circle_wallet_id, live.adopted)
        for job_id, _, user_id, chain, live, *_ in results
        if isinstance(live, Live)
    ]
    return WalletsCreated(wallets=wallets) if wallets else None
