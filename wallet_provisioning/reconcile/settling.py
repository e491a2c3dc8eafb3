"""What is to be done about wallets that are at Circle alone.

They come in groups of one refId and blockchain, the oldest first, each with what the store says of its
owner at this moment, which is after all of Circle's answers. So the first usable one of a group is the
wallet, as every daemon would choose, and the others are duplicates.
"""

from typing import Any
from uuid import UUID

from wallet_provisioning.jobs.states import UNFINISHED, JobStatus, WalletStatus
from wallet_provisioning.reconcile.findings import Kind, Tally, finding_of
from wallet_provisioning.reconcile.options import ReconcileOptions
from wallet_provisioning.store.behind import is_covered
from wallet_provisioning.store.mending import adopt_stray, keep_stray, report_duplicate
from wallet_provisioning.store.transaction import Transaction


class Settling:
    """Judges strays in their order, and mends where it is told to."""

    def __init__(self, options: ReconcileOptions, tally: Tally) -> None:
        """Start before the first group."""
        self._options = options
        self._tally = tally
        self._group: tuple[str, str] | None = None
        self._kept: UUID | None = None

    def settle(self, tx: Transaction, stray: Any) -> None:  # noqa: ANN401 - a row of `strays_after`
        """Judge one stray, and mend it in this transaction if that is asked for."""
        group = (stray.ref_id, stray.blockchain)
        if group != self._group:
            self._group, self._kept = group, None
        if stray.status == WalletStatus.LIVE.value and not stray.is_recorded:
            self._report_duplicate(tx, stray, stray.kept)
        elif self._kept is not None:
            self._report_duplicate(tx, stray, self._kept)
        elif not self._is_at_peace(stray):
            self._take_over(tx, stray)

    def _is_at_peace(self, stray: Any) -> bool:  # noqa: ANN401
        """Return whether it has been recorded meanwhile, waits for its user, or is being made right now."""
        is_at_work = stray.job_status is not None and JobStatus(stray.job_status) in UNFINISHED
        is_being_made = stray.request_id is not None and is_at_work
        self._tally.waiting += bool(stray.is_kept)
        if not (stray.is_recorded or stray.is_kept or is_being_made):
            return False
        self._kept = stray.circle_wallet_id
        return True

    def _take_over(self, tx: Transaction, stray: Any) -> None:  # noqa: ANN401
        fault = self._fault(stray)
        if fault is not None:
            self._tally.add(finding_of(fault[0], stray, fault[1]))
            return
        self._kept = stray.circle_wallet_id
        if stray.status is None:
            mended = self._options.applies and keep_stray(tx, stray)
            found = finding_of(Kind.UNCLAIMED, stray, _whose(stray, is_mended=mended), mended=mended)
        else:
            mended = self._options.applies and adopt_stray(tx, stray)
            what = "recorded" if mended else f"here it is {stray.status}"
            found = finding_of(Kind.ADOPTABLE, stray, f"it exists at Circle; {what}", mended=mended)
        self._tally.add(found)
        if not mended and (stray.status is None or not is_covered(stray.status, stray.request_id)):
            self._tally.unprotected += 1
            self._tally.examples[3:] = []
            self._tally.examples.append(stray.circle_wallet_id)

    def _fault(self, stray: Any) -> tuple[Kind, str] | None:  # noqa: ANN401
        """Return why a wallet of ours can't be used."""
        if stray.state != "LIVE":
            return Kind.FROZEN, f"its state at Circle is {stray.state}"
        served = self._options.chains.get(stray.chain or "")
        blockchain = stray.wallet_blockchain if served is None else served.blockchain
        if blockchain is not None and stray.blockchain != blockchain:
            return Kind.DIFFERS, f"blockchain: {blockchain} here, {stray.blockchain} at Circle"
        if served is not None and stray.account_type != served.account_type.value:
            account_type = served.account_type.value
            return Kind.DIFFERS, f"accountType: {account_type} here, {stray.account_type} at Circle"
        return None

    def _report_duplicate(self, tx: Transaction, stray: Any, kept: UUID) -> None:  # noqa: ANN401
        if self._options.applies:
            report_duplicate(tx, stray, kept)
        self._tally.add(finding_of(Kind.DUPLICATE, stray, f"{kept} is the user's wallet"))


def _whose(stray: Any, *, is_mended: bool) -> str:  # noqa: ANN401
    what = "kept for them" if is_mended else "a request for them would make a second one"
    return f"its user {'is unknown' if stray.user_id is None else 'has asked for nothing'} here; {what}"
