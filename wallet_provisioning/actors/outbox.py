"""Results that the writer has been told and has not yet committed: kept until it says so."""

from collections.abc import Sequence
from datetime import timedelta

from wallet_provisioning.actors import spans
from wallet_provisioning.actors.calls import Batch, error_type_of, result_of
from wallet_provisioning.actors.results import (
    Assignment,
    AttemptKey,
    BatchId,
    BatchRecorded,
    ChainResult,
    RecordResults,
    WriterMessage,
)
from wallet_provisioning.actors.waiting import Ask
from wallet_provisioning.jobs.outcomes import Outcome
from wallet_provisioning.supervision.address import Address
from wallet_provisioning.supervision.life import Life

_PATIENCE = timedelta(seconds=30)  # the writer's death is news; only news that was lost needs this


class Outbox:
    """One Circle actor's way to the writer. Telling twice is harmless: the first outcome counts."""

    def __init__(self, chain: str, writer: Address[WriterMessage], life: Life) -> None:
        """Start with nothing to keep, under numbers that no earlier incarnation has used."""
        self._chain = chain
        self._writer = writer
        self._me: Address[BatchRecorded] = life.me
        self._incarnation = life.incarnation
        self._clock = life.clock
        self._kept: dict[BatchId, tuple[ChainResult, ...]] = {}
        self._told_at: dict[BatchId, timedelta] = {}
        self._batch_of: dict[AttemptKey, BatchId] = {}
        self._number = 0

    def __len__(self) -> int:
        """Return how many messages the writer has not committed yet."""
        return len(self._kept)

    def answer(self, asks: Sequence[Ask], outcome: Outcome) -> None:
        """Give the same outcome to asks that needed no call of their own."""
        for ask in asks:
            spans.end_chain(ask.span, error_type_of(outcome))
        self._keep(
            tuple(
                ChainResult(
                    user_id=ask.user_id, chain=self._chain, outcome=outcome, assignment=ask.assignment
                )
                for ask in asks
            )
        )

    def answer_batch(self, batch: Batch, outcomes: dict[str, Outcome]) -> None:
        """Give each member of a batch its outcome, by refId; a member without one is left out."""
        results = []
        for member in batch.request.members:
            outcome = outcomes.get(member.ref_id)
            if outcome is not None:
                ask = batch.ask_of(member)
                if ask is not None:
                    spans.end_chain(ask.span, error_type_of(outcome))
                results.append(result_of(batch, member, ask, outcome))
        self._keep(tuple(results))

    def tell_again(self, assignment: Assignment) -> bool:
        """Tell again what is kept for a job, unless it was told just now; return whether anything is."""
        batch = self._batch_of.get(assignment.key)
        if batch is None:
            return False
        if self._clock.monotonic() - self._told_at[batch] >= _PATIENCE:
            self._tell(batch)
        return True

    def tell_all_again(self) -> None:
        """Tell all that is kept again: the writer was restarted."""
        for batch in self._kept:
            self._tell(batch)

    def forget(self, batch: BatchId) -> None:
        """Forget what is committed."""
        self._told_at.pop(batch, None)
        for result in self._kept.pop(batch, ()):
            if result.assignment is not None:
                self._batch_of.pop(result.assignment.key, None)

    def _keep(self, results: tuple[ChainResult, ...]) -> None:
        if results:
            self._number += 1
            batch = BatchId(self._incarnation, self._number)
            self._kept[batch] = results
            self._batch_of.update(
                {result.assignment.key: batch for result in results if result.assignment is not None}
            )
            self._tell(batch)

    def _tell(self, batch: BatchId) -> None:
        self._told_at[batch] = self._clock.monotonic()
        self._writer.tell(RecordResults(results=self._kept[batch], batch=batch, reply_to=self._me))
