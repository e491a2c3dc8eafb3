"""What an answer of Circle means for a stored request and its members, noted in the store at once."""

from collections.abc import Sequence
from datetime import timedelta
from typing import assert_never

from wallet_provisioning.actors.calls import Batch, failure_of, is_refused_for_good
from wallet_provisioning.http.circle.answers import CallFailed, Certainty, Fulfilled, KeyRefused
from wallet_provisioning.jobs.outcomes import Outcome, Waiting
from wallet_provisioning.store.audit import DUPLICATE_WALLET, write_audit
from wallet_provisioning.store.database import Database
from wallet_provisioning.store.wallets import mark_ambiguous, mark_certain, raise_generation, refuse_request
from wallet_provisioning.telemetry.events import DuplicateWallet, Emit


class Settler:
    """Turns answers into outcomes. Its methods raise `StoreError` where the store is away: try again."""

    def __init__(self, path: str, database: Database, retry_configuration: timedelta, emit: Emit) -> None:
        """Act in the name of the actor at `path`."""
        self._path = path
        self._database = database
        self._retry_configuration = retry_configuration
        self._emit = emit

    def outcomes(self, batch: Batch, answer: Fulfilled | KeyRefused | CallFailed) -> dict[str, Outcome]:
        """Return the outcome of each member by refId; a member without one is to be asked for anew."""
        match answer:
            case Fulfilled():
                self._report_duplicates(batch, answer)
                return dict(answer.wallets)
            case KeyRefused():
                self._report_duplicates(batch, answer)
                if answer.missing:
                    self._raise_generation(batch, answer.missing)
                return {**answer.found, **answer.failed, **_to_look_up_again(answer)}
            case CallFailed():
                return self._failed(batch, answer)
            case _:
                assert_never(answer)

    def _failed(self, batch: Batch, answer: CallFailed) -> dict[str, Outcome]:
        if is_refused_for_good(answer):
            if self._close(batch, answer):
                return {}
        else:
            self._note_certainty(batch, answer.certainty)
        outcome = failure_of(answer, self._retry_configuration, is_probe=batch.permit.is_probe)
        return {member.ref_id: outcome for member in batch.request.members}

    def _note_certainty(self, batch: Batch, certainty: Certainty) -> None:
        """Note whether Circle may have acted: such a request is never split afterwards."""
        with self._database.write(self._path, "note_certainty") as tx:
            if certainty is Certainty.AMBIGUOUS:
                mark_ambiguous(tx, batch.request.id)
            else:
                mark_certain(tx, batch.request.id)

    def _close(self, batch: Batch, answer: CallFailed) -> bool:
        """Close a request that Circle refused; return whether its members shall go on one by one."""
        with self._database.write(self._path, "refuse_request") as tx:
            is_closed = refuse_request(tx, batch.request.id, message=answer.message)
        return is_closed and len(batch.request.members) > 1

    def _raise_generation(self, batch: Batch, missing: Sequence[str]) -> None:
        """Let the members that exist nowhere have a new key, now that Circle refused the stored one."""
        users = [member.user_id for member in batch.request.members if member.ref_id in set(missing)]
        with self._database.write(self._path, "raise_generation") as tx:
            raise_generation(tx, batch.request.id, members=users)

    def _report_duplicates(self, batch: Batch, answer: Fulfilled | KeyRefused) -> None:
        """Tell of wallets that exist twice: they can't be deleted, so a person must look."""
        if not answer.duplicates:
            return
        users = {member.ref_id: member.user_id for member in batch.request.members}
        with self._database.write(self._path, "report_duplicates") as tx:
            for each in answer.duplicates:
                write_audit(
                    tx,
                    action=DUPLICATE_WALLET,
                    resource_type="wallet",
                    resource_id=str(each.duplicate),
                    user_id=users[each.ref_id],
                    after={"chain": batch.request.chain, "kept": str(each.kept), "ref_id": each.ref_id},
                )
        for each in answer.duplicates:
            self._emit(
                DuplicateWallet(
                    user_id=users[each.ref_id],
                    chain=batch.request.chain,
                    kept=each.kept,
                    duplicate=each.duplicate,
                )
            )


def _to_look_up_again(answer: KeyRefused) -> dict[str, Waiting]:
    """Return those that one look-up lacks: lists may lag, and it is nobody's attempt to wait for them."""
    message = "Circle refused the idempotency key; what it made before is looked up once more"
    waiting = Waiting(message=message, delay=answer.look_again_in, circle_request_id=answer.circle_request_id)
    return dict.fromkeys(answer.unproven, waiting)
