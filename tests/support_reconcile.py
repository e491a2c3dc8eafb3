"""A Circle of a few wallets that answers the questions of a reconcile, and what tests do with it."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from tests.support_store import ETH, SOL, WALLET_SET
from wallet_provisioning.clock import SystemClock
from wallet_provisioning.http.circle.listing import WalletPage
from wallet_provisioning.jobs.chains import Chain
from wallet_provisioning.jobs.listed import ListedWallet, Owner, name_of, reference_of
from wallet_provisioning.reconcile.findings import Kind, Report
from wallet_provisioning.reconcile.options import Answer, ListPage, Question, ReconcileOptions
from wallet_provisioning.reconcile.walk import Reconciliation
from wallet_provisioning.store.database import Database
from wallet_provisioning.store.stamp import stamp_environment

LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)
_PAGE = 2


@dataclass(slots=True)
class Shelf:
    """The wallets at Circle. `hidden` are not listed, though they can be seen directly: lists lag."""

    wallets: list[ListedWallet] = field(default_factory=list)
    hidden: set[UUID] = field(default_factory=set)
    asked: list[Question] = field(default_factory=list)

    def add(self, user_id: UUID, chain: Chain = ETH, **changes: object) -> ListedWallet:
        """Hold a wallet as this program would have had it made."""
        owner = Owner(user_id=user_id, chain=chain.name)
        number = len(self.wallets)
        wallet = ListedWallet(
            circle_wallet_id=uuid4(),
            ref_id=reference_of(WALLET_SET, owner),
            name=name_of(owner),
            state="LIVE",
            wallet_set_id=WALLET_SET,
            address=f"0x{number:040x}",
            blockchain=chain.blockchain,
            account_type=chain.account_type.value,
            created_at=LONG_AGO + timedelta(seconds=number),
        )
        wallet = replace(wallet, **changes)  # type: ignore[arg-type] # the tests name its fields
        self.wallets.append(wallet)
        return wallet

    def answer(self, question: Question) -> Answer:
        """Answer as Circle does, two wallets a page."""
        self.asked.append(question)
        if not isinstance(question, ListPage):
            found = (each for each in self.wallets if each.circle_wallet_id == question.circle_wallet_id)
            return next(found, None)
        listed = [each for each in self.wallets if each.circle_wallet_id not in self.hidden]
        start = 0
        if question.after is not None:
            start = 1 + [each.circle_wallet_id for each in listed].index(question.after)
        page = listed[start : start + _PAGE]
        is_last = start + _PAGE >= len(listed)
        return WalletPage(wallets=tuple(page), next=None if is_last else page[-1].circle_wallet_id)


def stamp(database: Database) -> None:
    with database.write("test", "stamp") as tx:
        stamp_environment(tx, "test", WALLET_SET)


def options(**changes: object) -> ReconcileOptions:
    given = ReconcileOptions(chains={"ETH": ETH, "SOL": SOL}, batch=2)
    return replace(given, **changes)  # type: ignore[arg-type] # the tests name its fields


def reconcile(
    database: Database,
    shelf: Shelf,
    *,
    meanwhile: Callable[[Question | None], None] = lambda _question: None,
    **changes: object,
) -> Report:
    """Run one reconcile to its end; `meanwhile` happens before each answer."""
    walk = Reconciliation(database, WALLET_SET, options(**changes), actor="cli", clock=SystemClock())
    steps = walk.steps()
    answer: Answer = None
    while True:
        try:
            question = steps.send(answer)
        except StopIteration as end:
            report: Report = end.value
            return report
        meanwhile(question)
        answer = None if question is None else shelf.answer(question)


def kinds(report: Report) -> dict[Kind, int]:
    """Return what was found, without what was not."""
    return {Kind(kind): count for kind, count in report.found.items() if count}
