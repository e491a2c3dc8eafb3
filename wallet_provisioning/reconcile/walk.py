"""One reconcile as a walk of small steps, so that it needs no memory to speak of and blocks nobody.

Theory of operation. Three walks follow one another. The first goes over Circle's pages: a wallet that is
here too is compared and noted as seen, one of ours that is not is noted whole, others' are counted. The
second goes over our wallets: one that is live and was not seen is looked for at Circle by its id, since
lists may lag; one that waits with nobody at work is stuck. The third settles what is at Circle alone, by
what the store says then. Each step is one short transaction that also renews the run's hold, so one that
is cut off leaves nothing half done, and two runs never mix. A wallet that is being created has its
stored request and its job, and is no finding.

The walk is a generator: it yields a question for Circle and is sent the answer, or yields None where it
only makes room for others. Whoever drives it decides on which thread its transactions run.
"""

from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import Any, Literal, TypeAlias
from uuid import UUID, uuid4

from wallet_provisioning.clock import Clock
from wallet_provisioning.http.circle.answers import CallFailed
from wallet_provisioning.http.circle.listing import WalletPage
from wallet_provisioning.jobs.listed import ListedWallet, Owner, reference_of
from wallet_provisioning.jobs.states import JobStatus, WalletStatus
from wallet_provisioning.reconcile.comparing import compare
from wallet_provisioning.reconcile.findings import Kind, Report, Tally, finding_of
from wallet_provisioning.reconcile.options import (
    Answer,
    CircleUnreachableError,
    GetOne,
    ListPage,
    Question,
    ReconcileOptions,
)
from wallet_provisioning.reconcile.settling import Settling
from wallet_provisioning.store.behind import hold_creations, release_creations
from wallet_provisioning.store.database import Database
from wallet_provisioning.store.errors import StoreError
from wallet_provisioning.store.mending import restart_stuck
from wallet_provisioning.store.reconciliation import abandon_run, begin_run, finish_run, renew_run
from wallet_provisioning.store.strays import (
    Place,
    has_nameless_strays,
    name_strays,
    note_seen,
    note_strays,
    strays_after,
    wallets_after,
    wallets_by_circle_id,
)
from wallet_provisioning.store.transaction import Transaction

Steps: TypeAlias = Generator[Question | None, Answer, None]
_ENDED = (None, JobStatus.COMPLETED.value, JobStatus.FAILED.value)


class Reconciliation:
    """One run. `tally` may be read between its steps; methods raise `StoreError`."""

    def __init__(
        self, database: Database, wallet_set_id: UUID, options: ReconcileOptions, *, actor: str, clock: Clock
    ) -> None:
        """Prepare; nothing is asked or written."""
        self.tally = Tally()
        self._database = database
        self._wallet_set_id = wallet_set_id
        self._options = options
        self._actor = actor
        self._clock = clock
        self._holder = uuid4()

    def steps(self) -> Generator[Question | None, Answer, Report]:
        """Run. Raises `ReconcileTakenError` or `CircleUnreachableError`; closing it gives the run up."""
        since = self._clock.monotonic()
        started = self._begin()
        try:
            yield from self._walk_circle()
            yield from self._walk_store(started)
            yield from self._settle()
            hold = self._finish()
        except BaseException:
            self._abandon()
            raise
        tally = self.tally
        return Report(
            applied=self._options.applies,
            at_circle=tally.at_circle,
            here=tally.here,
            foreign=tally.foreign,
            waiting=tally.waiting,
            found={kind.value: tally.found[kind] for kind in Kind},
            left=tally.left(),
            findings=tuple(tally.kept),
            hold=hold,
            took=self._clock.monotonic() - since,
        )

    # Circle against us.

    def _walk_circle(self) -> Steps:
        cursor: UUID | None = None
        while True:
            page = yield ListPage(wallet_set_id=self._wallet_set_id, after=cursor)
            if not isinstance(page, WalletPage):
                raise _lost(page)
            self._take_page(page)
            cursor = page.next
            if cursor is None:
                return

    def _take_page(self, page: WalletPage) -> None:
        ours = [wallet for wallet in page.wallets if wallet.has_our_reference]
        with self._step("reconcile_page") as tx:
            here = wallets_by_circle_id(tx.connection, [wallet.circle_wallet_id for wallet in page.wallets])
            note_seen(tx, here)
            note_strays(tx, [wallet for wallet in ours if wallet.circle_wallet_id not in here])
        for wallet in page.wallets:
            if wallet.circle_wallet_id in here:
                self._compare(here[wallet.circle_wallet_id], wallet)
            self.tally.foreign += wallet.circle_wallet_id not in here and not wallet.has_our_reference
        self.tally.at_circle += len(page.wallets)

    def _compare(self, row: Any, wallet: ListedWallet) -> None:  # noqa: ANN401 - a row of managed_wallets
        for finding in compare(row, wallet):
            self.tally.add(finding)

    # Us against Circle.

    def _walk_store(self, started: datetime) -> Steps:
        last: UUID | None = None
        with self._step("reconcile_wallets") as tx:
            has_nameless = has_nameless_strays(tx.connection)
        while True:
            with self._step("reconcile_wallets") as tx:
                rows = wallets_after(tx.connection, last, self._options.batch)
                if has_nameless:
                    self._name_strays(tx, rows)
                self._find_stuck(tx, rows, started)
            self.tally.here += len(rows)
            for row in rows:
                if row.status == WalletStatus.LIVE.value and not row.is_seen and row.updated_at < started:
                    yield from self._look_for(row)
            if len(rows) < self._options.batch:
                return
            last = rows[-1].id
            yield None

    def _look_for(self, row: Any) -> Steps:  # noqa: ANN401
        """Look directly for a wallet that no page had."""
        answer = yield GetOne(circle_wallet_id=row.circle_wallet_id)
        match answer:
            case ListedWallet():
                self._compare(row, answer)
            case None:
                self.tally.add(finding_of(Kind.MISSING, row, "Circle has no wallet with this id"))
            case _:
                raise _lost(answer)
        with self._step("reconcile_wallets"):
            return

    def _name_strays(self, tx: Transaction, rows: Sequence[Any]) -> None:
        """Let our wallets tell whose those strays are whose names don't."""
        owners = [Owner(user_id=row.user_id, chain=row.chain) for row in rows]
        name_strays(tx, {reference_of(self._wallet_set_id, owner): owner for owner in owners})

    def _find_stuck(self, tx: Transaction, rows: Sequence[Any], started: datetime) -> None:
        for row in rows:
            is_waiting = row.status == WalletStatus.CREATING.value and row.job_status in _ENDED
            if not is_waiting or row.updated_at > started - self._options.stuck_after:
                continue
            mended = self._options.applies and row.chain in self._options.chains
            if mended:
                restart_stuck(tx, row, self._options.max_attempts)
            detail = f"its job {'is gone' if row.job_status is None else f'is {row.job_status}'}"
            self.tally.add(finding_of(Kind.STUCK, row, detail, mended=mended))

    # What is at Circle alone.

    def _settle(self) -> Steps:
        settling = Settling(self._options, self.tally)
        place: Place | None = None
        while True:
            with self._step("reconcile_strays") as tx:
                strays = strays_after(tx.connection, place, self._options.batch)
                for stray in strays:
                    settling.settle(tx, stray)
            if len(strays) < self._options.batch:
                return
            place = _place(strays[-1])
            yield None

    # The run's hold.

    def _begin(self) -> datetime:
        options = self._options
        with self._database.write(self._actor, "reconcile_begin") as tx:
            return begin_run(
                tx, holder=self._holder, lease=options.lease, unless_within=options.unless_within
            )

    @contextmanager
    def _step(self, reason: str) -> Iterator[Transaction]:
        """Open the transaction of one step, if the run is still ours."""
        with self._database.write(self._actor, reason) as tx:
            renew_run(tx, holder=self._holder, lease=self._options.lease)
            yield tx

    def _finish(self) -> Literal["placed", "released"] | None:
        """End a whole run: creations are held back where the database is behind Circle, or let go on."""
        tally = self.tally
        with self._database.write(self._actor, "reconcile_finish") as tx:
            finish_run(tx, holder=self._holder, findings=tally.left())
            if tally.unprotected:
                return "placed" if hold_creations(tx, tally.examples, tally.unprotected) else None
            return "released" if self._options.applies and release_creations(tx) else None

    def _abandon(self) -> None:
        with suppress(StoreError), self._database.write(self._actor, "reconcile_abandon") as tx:
            abandon_run(tx, holder=self._holder)


def _lost(answer: object) -> CircleUnreachableError:
    if not isinstance(answer, CallFailed):
        msg = f"no answer to this question: {answer!r}"
        raise TypeError(msg)
    return CircleUnreachableError(answer)


def _place(stray: Any) -> Place:  # noqa: ANN401
    return Place(
        ref_id=stray.ref_id,
        blockchain=stray.blockchain,
        created_at=stray.circle_created_at,
        circle_wallet_id=stray.circle_wallet_id,
    )
