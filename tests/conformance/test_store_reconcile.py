from dataclasses import replace
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import func, select, update

from tests.support_reconcile import LONG_AGO, Shelf, kinds, options, reconcile, stamp
from tests.support_store import (
    ETH,
    SOL,
    WALLET_SET,
    Events,
    accept,
    apply,
    claim,
    job_of,
    open_requests,
    operate,
    record,
    request,
    result,
    wallet_of,
)
from wallet_provisioning.clock import SystemClock
from wallet_provisioning.http.circle.answers import CallFailed, Certainty
from wallet_provisioning.jobs import moves
from wallet_provisioning.jobs.errors import ErrorType
from wallet_provisioning.jobs.listed import ListedWallet, Owner, reference_of
from wallet_provisioning.jobs.outcomes import Live
from wallet_provisioning.jobs.states import JobStatus, WalletStatus
from wallet_provisioning.reconcile.findings import Kind
from wallet_provisioning.reconcile.options import CircleUnreachableError, GetOne, Question
from wallet_provisioning.reconcile.walk import Reconciliation
from wallet_provisioning.store import behind, tables
from wallet_provisioning.store.database import Database
from wallet_provisioning.store.errors import CreationHeldError, ReconcileTakenError
from wallet_provisioning.store.reconciliation import begin_run, read_standing
from wallet_provisioning.telemetry.events import WalletCreated

OLD = timedelta()


@pytest.fixture(autouse=True)
def stamped(database: Database) -> None:
    stamp(database)


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


def provision(database: Database, shelf: Shelf, user_id: UUID | None = None) -> ListedWallet:
    """Give a user a wallet on ETH, on both sides."""
    accept(database, request(user_id, ("ETH",)))
    (job,) = claim(database)
    wallet = shelf.add(job.user_id)
    record(database, result(job, live_of(wallet)))
    apply(database, moves.complete(job))
    return wallet


def live_of(wallet: ListedWallet) -> Live:
    return Live(
        blockchain=wallet.blockchain,
        address=wallet.address,
        circle_wallet_id=wallet.circle_wallet_id,
        wallet_set_id=wallet.wallet_set_id,
        account_type=wallet.account_type,
    )


def audited(database: Database, action: str) -> list[dict[str, object]]:
    log = tables.audit_logs.c
    with database.read() as connection:
        rows = connection.execute(select(log.changes).where(log.action == action).order_by(log.id))
        return [row.changes for row in rows]


def hold_of(database: Database) -> str | None:
    with database.read() as connection:
        return behind.read_hold(connection)


def count_rows(database: Database, name: str) -> int:
    with database.read() as connection:
        return connection.execute(select(func.count()).select_from(tables.metadata.tables[name])).scalar_one()


def test_two_equal_sides_have_no_findings_over_many_pages_and_batches(
    database: Database, shelf: Shelf
) -> None:
    for _ in range(5):
        provision(database, shelf)

    report = reconcile(database, shelf)

    assert (report.is_clean, report.at_circle, report.here, report.hold) == (True, 5, 5, None)
    assert sum(report.found.values()) == 0
    assert len(shelf.asked) == 3
    assert count_rows(database, "reconciliation_seen") == 0


def test_a_wallet_that_was_not_recorded_is_adopted_and_audited_once(
    database: Database, shelf: Shelf, events: Events
) -> None:
    job = accept(database, request(chains=("ETH", "SOL"))).job
    wallet = shelf.add(job.user_id)

    assert kinds(reconcile(database, shelf)) == {Kind.ADOPTABLE: 1}
    assert wallet_of(database, job.user_id).status is WalletStatus.CREATING
    report = reconcile(database, shelf, applies=True)

    assert (report.is_clean, report.left["adoptable"], report.found["adoptable"]) == (True, 0, 1)
    assert wallet_of(database, job.user_id).circle_wallet_id == wallet.circle_wallet_id
    assert wallet_of(database, job.user_id, "SOL").status is WalletStatus.CREATING
    (change,) = audited(database, "admin:reconcile_adopt")
    assert change["before"] == {"status": "creating", "circle_wallet_id": None}
    assert [event.adopted for event in events.of(WalletCreated)] == [True]
    assert reconcile(database, shelf, applies=True).found["adoptable"] == 0


def test_a_wallet_is_adopted_whatever_became_of_its_job(database: Database, shelf: Shelf) -> None:
    job = accept(database, request(chains=("ETH",))).job
    operate(database, moves.cancel(job.id))
    shelf.add(job.user_id)

    assert reconcile(database, shelf, applies=True).left["adoptable"] == 0

    assert wallet_of(database, job.user_id).status is WalletStatus.LIVE
    assert job_of(database, job.id).status is JobStatus.CANCELLED


def test_the_job_of_an_adopted_wallet_completes_without_a_creation(database: Database, shelf: Shelf) -> None:
    accept(database, request(chains=("ETH",)))
    (job,) = claim(database)
    wallet = shelf.add(job.user_id)
    reconcile(database, shelf, applies=True)

    opened = open_requests(database, job)

    assert opened.request is None
    assert opened.live[job.user_id].circle_wallet_id == wallet.circle_wallet_id


def test_a_wallet_of_an_unknown_user_is_kept_and_adopted_before_anything_is_created(
    database: Database, shelf: Shelf, events: Events
) -> None:
    user = uuid4()
    wallet = shelf.add(user)
    assert kinds(reconcile(database, shelf)) == {Kind.UNCLAIMED: 1}
    report = reconcile(database, shelf, applies=True)
    assert (report.is_clean, report.hold) == (True, "released")

    accept(database, request(user, ("ETH", "SOL")))
    (job,) = claim(database)
    opened = open_requests(database, job)

    assert opened.request is None
    assert opened.live[user].circle_wallet_id == wallet.circle_wallet_id
    assert wallet_of(database, user).status is WalletStatus.LIVE
    assert open_requests(database, job, chain=SOL).request is not None
    assert count_rows(database, "unclaimed_wallets") == 0
    assert [event.adopted for event in events.of(WalletCreated)] == [True]
    assert len(audited(database, "wallet-worker:unclaimed_wallet_adopted")) == 1


def test_a_kept_wallet_is_no_finding_any_more(database: Database, shelf: Shelf) -> None:
    shelf.add(uuid4())
    reconcile(database, shelf, applies=True)

    report = reconcile(database, shelf)

    assert (report.is_clean, report.waiting) == (True, 1)
    assert hold_of(database) is None


def test_a_wallet_without_our_name_is_matched_by_its_reference(database: Database, shelf: Shelf) -> None:
    job = accept(database, request(chains=("ETH",))).job
    wallet = shelf.add(job.user_id, name="renamed")

    assert reconcile(database, shelf, applies=True).found["adoptable"] == 1

    assert wallet_of(database, job.user_id).circle_wallet_id == wallet.circle_wallet_id


def test_a_nameless_wallet_of_an_unknown_user_waits_under_its_reference(
    database: Database, shelf: Shelf
) -> None:
    user = uuid4()
    wallet = shelf.add(user, name="")
    assert reconcile(database, shelf, applies=True).found["unclaimed"] == 1

    accept(database, request(user, ("ETH",)))
    (job,) = claim(database)

    assert open_requests(database, job).live[user].circle_wallet_id == wallet.circle_wallet_id


def test_wallets_of_others_in_a_shared_set_are_counted_and_raise_no_alarm(
    database: Database, shelf: Shelf
) -> None:
    shelf.add(uuid4(), ref_id="", name="")
    shelf.add(uuid4(), ref_id="customer-17", name="theirs")

    report = reconcile(database, shelf)

    assert (report.is_clean, report.foreign, report.hold) == (True, 2, None)


def test_the_oldest_of_several_is_the_wallet_and_the_others_are_duplicates(
    database: Database, shelf: Shelf
) -> None:
    user = accept(database, request(chains=("ETH",))).job.user_id
    ids = sorted([uuid4(), uuid4()])
    late = shelf.add(user, created_at=LONG_AGO + timedelta(days=1))
    second = shelf.add(user, created_at=LONG_AGO, circle_wallet_id=ids[1])
    first = shelf.add(user, created_at=LONG_AGO, circle_wallet_id=ids[0])

    report = reconcile(database, shelf, applies=True)

    assert wallet_of(database, user).circle_wallet_id == first.circle_wallet_id
    assert kinds(report) == {Kind.ADOPTABLE: 1, Kind.DUPLICATE: 2}
    assert report.left["duplicate"] == 2
    doubles = {change["after"]["duplicate"] for change in audited(database, "admin:reconcile_duplicate")}  # type: ignore[index] # a document
    assert doubles == {str(late.circle_wallet_id), str(second.circle_wallet_id)}


def test_a_live_wallet_stays_even_where_a_second_one_is_older(database: Database, shelf: Shelf) -> None:
    wallet = provision(database, shelf)
    owner = wallet.owner()
    assert owner is not None
    shelf.add(owner.user_id, created_at=LONG_AGO - timedelta(days=1))

    report = reconcile(database, shelf, applies=True)

    assert kinds(report) == {Kind.DUPLICATE: 1}
    assert wallet_of(database, owner.user_id).circle_wallet_id == wallet.circle_wallet_id
    assert hold_of(database) is None


def test_a_wallet_that_the_list_lacks_is_missing_only_where_a_direct_look_finds_none(
    database: Database, shelf: Shelf
) -> None:
    lagging, gone = provision(database, shelf), provision(database, shelf)
    shelf.hidden.add(lagging.circle_wallet_id)
    shelf.wallets.remove(gone)

    report = reconcile(database, shelf)

    assert kinds(report) == {Kind.MISSING: 1}
    assert report.findings[0].circle_wallet_id == gone.circle_wallet_id
    assert sum(isinstance(question, GetOne) for question in shelf.asked) == 2


@pytest.mark.parametrize(
    ("field", "value", "kind"),
    [
        ("state", "FROZEN", Kind.FROZEN),
        ("address", "0xother", Kind.DIFFERS),
        ("blockchain", "BASE", Kind.DIFFERS),
        ("account_type", "EOA", Kind.DIFFERS),
        ("wallet_set_id", uuid4(), Kind.DIFFERS),
        ("ref_id", "changed", Kind.DIFFERS),
        ("name", "changed", Kind.DIFFERS),
    ],
)
def test_what_differs_is_named(
    database: Database, shelf: Shelf, field: str, value: object, kind: Kind
) -> None:
    shelf.wallets[:] = [replace(provision(database, shelf), **{field: value})]  # type: ignore[arg-type] # named above

    report = reconcile(database, shelf, applies=True)

    assert kinds(report) == {kind: 1}
    assert not report.is_clean


def test_the_case_of_an_evm_address_is_no_difference(database: Database, shelf: Shelf) -> None:
    wallet = provision(database, shelf)
    shelf.wallets[:] = [replace(wallet, address=f"0x{wallet.address[2:].upper()}")]

    assert reconcile(database, shelf).is_clean


def test_a_wallet_that_is_being_made_right_now_is_no_finding(database: Database, shelf: Shelf) -> None:
    accept(database, request(chains=("ETH",)))
    (job,) = claim(database)
    open_requests(database, job)
    shelf.add(job.user_id)

    report = reconcile(database, shelf, applies=True, stuck_after=OLD)

    assert kinds(report) == {}
    assert wallet_of(database, job.user_id).status is WalletStatus.CREATING


def test_a_wallet_that_is_recorded_during_the_walk_is_no_finding(database: Database, shelf: Shelf) -> None:
    accept(database, request(chains=("ETH",)))
    (job,) = claim(database)
    wallet = shelf.add(job.user_id)
    shelf.add(uuid4(), ref_id="")
    shelf.add(uuid4(), ref_id="")

    def record_it(_question: Question | None) -> None:
        if len(shelf.asked) == 1:
            record(database, result(job, live_of(wallet)))

    assert reconcile(database, shelf, meanwhile=record_it).is_clean


def test_a_wallet_with_nobody_at_work_is_asked_for_again(database: Database, shelf: Shelf) -> None:
    job = accept(database, request(chains=("ETH",))).job
    with database.write("test", "lose the job's trail") as tx:
        tx.execute(update(tables.wallets).values(job_id=None))
    assert kinds(reconcile(database, shelf)) == {}

    report = reconcile(database, shelf, applies=True, stuck_after=-timedelta(minutes=1))

    assert kinds(report) == {Kind.STUCK: 1}
    assert report.is_clean
    (change,) = audited(database, "admin:reconcile_retry")
    assert change["after"] == {"job_id": str(job.id), "job": "queued", "chain": "ETH"}


def test_a_database_behind_circle_creates_nothing_until_all_is_taken_over(
    database: Database, shelf: Shelf
) -> None:
    lost = uuid4()
    shelf.add(lost)
    assert reconcile(database, shelf).hold == "placed"
    assert "reconcile --apply" in (hold_of(database) or "")
    accept(database, request(lost, ("ETH",)))
    (job,) = claim(database)

    with pytest.raises(CreationHeldError, match="behind Circle"):
        open_requests(database, job)
    assert reconcile(database, shelf, applies=True).hold == "released"

    assert hold_of(database) is None
    assert open_requests(database, job).request is None
    assert len(audited(database, "admin:place_hold")) == len(audited(database, "admin:withdraw_hold")) == 1


def test_what_circle_holds_and_the_database_should_know_is_unknown(database: Database, shelf: Shelf) -> None:
    known = provision(database, shelf)
    accept(database, request(chains=("ETH",)))
    (asked_for,) = claim(database)
    open_requests(database, asked_for)
    waiting = accept(database, request(chains=("ETH",))).job
    owner = known.owner()
    assert owner is not None
    shelf.add(owner.user_id)
    shelf.add(asked_for.user_id)
    shelf.add(uuid4(), ref_id="foreign")
    unknown = {shelf.add(uuid4()), shelf.add(waiting.user_id)}

    with database.read() as connection:
        assert set(behind.unknown_among(connection, shelf.wallets)) == unknown


def test_of_two_runs_the_second_is_refused_until_the_first_is_over(database: Database, shelf: Shelf) -> None:
    first = Reconciliation(database, WALLET_SET, options(), actor="cli", clock=SystemClock()).steps()
    next(first)

    with pytest.raises(ReconcileTakenError):
        reconcile(database, shelf)
    first.close()

    assert reconcile(database, shelf).is_clean


def test_a_run_that_was_killed_is_over_when_its_lease_ends_and_can_not_go_on(
    database: Database, shelf: Shelf
) -> None:
    for _ in range(3):
        shelf.add(uuid4())
    lost = options(lease=-timedelta(seconds=1))
    killed = Reconciliation(database, WALLET_SET, lost, actor="cli", clock=SystemClock()).steps()
    question = next(killed)
    assert question is not None
    successor = Reconciliation(database, WALLET_SET, options(), actor="cli", clock=SystemClock()).steps()
    next(successor)

    with pytest.raises(ReconcileTakenError):
        killed.send(shelf.answer(question))
    successor.close()
    assert kinds(reconcile(database, shelf)) == {Kind.UNCLAIMED: 3}


def test_an_unreachable_circle_ends_the_run_with_nothing_done(database: Database, shelf: Shelf) -> None:
    shelf.add(uuid4())
    shelf.add(uuid4())
    shelf.add(uuid4())
    steps = Reconciliation(
        database, WALLET_SET, options(applies=True), actor="cli", clock=SystemClock()
    ).steps()
    question = next(steps)
    assert question is not None
    steps.send(shelf.answer(question))

    with pytest.raises(CircleUnreachableError, match="no answer"):
        steps.send(
            CallFailed(error_type=ErrorType.TIMEOUT, message="no answer", certainty=Certainty.AMBIGUOUS)
        )

    assert count_rows(database, "unclaimed_wallets") == 0
    with database.read() as connection:
        assert read_standing(connection).age is None
    assert kinds(reconcile(database, shelf)) == {Kind.UNCLAIMED: 3}


def test_a_run_that_nobody_asked_for_is_made_once_an_interval(database: Database, shelf: Shelf) -> None:
    hour = timedelta(hours=1)
    with pytest.raises(ReconcileTakenError):
        reconcile(database, shelf, unless_within=hour)
    reconcile(database, shelf, unless_within=timedelta())

    with pytest.raises(ReconcileTakenError):
        reconcile(database, shelf, unless_within=hour)
    with database.write("test", "begin") as tx:
        begin_run(tx, holder=uuid4(), lease=hour, unless_within=-hour)


def test_what_the_last_run_left_is_kept_for_the_metrics(database: Database, shelf: Shelf) -> None:
    provision(database, shelf)
    shelf.wallets.clear()
    reconcile(database, shelf)

    with database.read() as connection:
        standing = read_standing(connection)

    assert standing.findings["missing"] == 1
    assert standing.findings.keys() == {kind.value for kind in Kind}
    assert standing.age is not None
    assert standing.age < timedelta(minutes=1)


def test_a_wallet_of_another_kind_than_its_chain_is_not_adopted(database: Database, shelf: Shelf) -> None:
    user = accept(database, request(chains=("ETH",))).job.user_id
    shelf.add(user, blockchain="BASE-SEPOLIA")
    shelf.add(user, account_type="EOA")
    shelf.add(user, state="FROZEN")

    report = reconcile(database, shelf, applies=True)

    assert kinds(report) == {Kind.DIFFERS: 2, Kind.FROZEN: 1}
    assert wallet_of(database, user).status is WalletStatus.CREATING


def test_references_are_those_that_requests_carry(database: Database) -> None:
    accept(database, request(chains=("ETH",)))
    (job,) = claim(database)
    stored = open_requests(database, job).request
    assert stored is not None
    owner = Owner(user_id=job.user_id, chain=ETH.name)
    assert stored.members[0].ref_id == reference_of(WALLET_SET, owner)
