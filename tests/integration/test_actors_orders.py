"""Standing orders as the tree obeys them, what the breakers leave in the audit, and what an outage costs."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from tests.support_actors import MINUTE, SOON, UNKNOWN, Production
from tests.support_store import ETH, SOL
from wallet_provisioning.actors.keeper import Keeper
from wallet_provisioning.http.circle.answers import CallFailed, Certainty
from wallet_provisioning.http.circle.breaker import BreakerState, Permit
from wallet_provisioning.jobs.errors import ErrorType
from wallet_provisioning.jobs.states import JobStatus, WalletStatus
from wallet_provisioning.store import controls
from wallet_provisioning.store.controls import BREAKER, CLAIMING, HOLD, OrderState
from wallet_provisioning.store.daemons import Presence, live_daemons
from wallet_provisioning.store.errors import StoreUnavailableError
from wallet_provisioning.store.reports import AuditFilter, list_audit
from wallet_provisioning.store.views import AuditView, JobView
from wallet_provisioning.telemetry.events import BreakerChanged, JobsClaimed, OrdersChanged

HOUR = timedelta(hours=1)
LOOK = timedelta(seconds=3)
WRONG_KEY = CallFailed(
    error_type=ErrorType.CIRCLE_4XX,
    message="HTTP 401, code 401: malformed API key",
    certainty=Certainty.REFUSED,
    is_configuration=True,
    http_status=401,
    code=401,
    circle_request_id="circle-77",
)


def place(tree: Production, state: OrderState, *, kind: str = BREAKER, subject: str = "*") -> None:
    with tree.database.write("admin", "order") as tx:
        controls.place_order(tx, kind=kind, subject=subject, state=state, reason="a chain upgrade")
    tree.ear.announce()


def withdraw(tree: Production, *, kind: str = BREAKER, subject: str = "*") -> None:
    with tree.database.write("admin", "order") as tx:
        controls.withdraw_order(tx, kind=kind, subject=subject)
    tree.ear.announce()


def learned(tree: Production, count: int) -> Callable[[], bool]:
    return lambda: len(tree.events.of(OrdersChanged)) >= count


def audited(tree: Production, prefix: str = "wallet-worker:breaker") -> list[AuditView]:
    with tree.database.read() as connection:
        items = list_audit(connection, AuditFilter(action_prefix=prefix), 200, None).items
    return list(reversed(items))


def has_sol(tree: Production, job: JobView) -> Callable[[], bool]:
    """Return the question whether a job's second wallet lives."""
    return lambda: tree.job(job).wallets[1].status is WalletStatus.LIVE


def open_breaker(tree: Production, chain: str) -> None:
    """Have calls fail, as its actor would hear of them, until the breaker opens."""
    admission = tree.admissions[chain]
    while admission.breaker.state is not BreakerState.OPEN:
        permit = admission.admit(tree.clock, tree.events)
        assert isinstance(permit, Permit)
        admission.record(permit, UNKNOWN, tree.clock, tree.events)
    admission.publish(in_flight=0, waiting=0)


def test_a_breaker_that_is_forced_open_lets_no_call_through_and_costs_no_attempt(tmp_path: Path) -> None:
    with Production(tmp_path) as tree:
        place(tree, OrderState.OPEN, subject="ETH")
        tree.until(learned(tree, 1), within=SOON)
        job = tree.accept()

        tree.until(tree.has_status(JobStatus.RETRY, job))
        seen = tree.job(job)
        assert (seen.error_type, seen.attempt_count) == (ErrorType.CIRCUIT_OPEN, 0)
        assert "forced open by admin: a chain upgrade" in (seen.error_message or "")
        state = tree.admissions["ETH"].state
        assert (state.breaker, state.measured) == (BreakerState.OPEN, BreakerState.CLOSED)
        assert state.opened_at is not None
        assert tree.circle.sent == []

        withdraw(tree, subject="ETH")
        tree.until(tree.has_status(JobStatus.COMPLETED, job), within=LOOK)
        assert tree.job(job).attempt_count == 1
        assert [(row.action, row.changes["after"]["forced_by"]) for row in audited(tree)] == [
            ("wallet-worker:breaker_opened", "admin"),
            ("wallet-worker:breaker_closed", "admin"),
        ]
        assert [event.after for event in tree.events.of(BreakerChanged)] == ["open", "closed"]
        assert not tree.troubles()


def test_an_order_that_nobody_announced_is_learned_and_ends_by_itself(tmp_path: Path) -> None:
    with Production(tmp_path) as tree:
        with tree.database.write("cli", "order") as tx:
            controls.place_order(
                tx, kind=BREAKER, subject="ETH", state=OrderState.OPEN, reason="quiet", until=MINUTE
            )
        tree.pass_time(LOOK)
        job = tree.accept()
        tree.until(tree.has_status(JobStatus.RETRY, job))

        tree.pass_time(MINUTE - 2 * LOOK)
        assert tree.has_status(JobStatus.RETRY, job)()
        tree.until(tree.has_status(JobStatus.COMPLETED, job), within=timedelta(seconds=15))
        assert tree.admissions["ETH"].state.forced is None


def test_a_breaker_that_is_forced_closed_lets_calls_through_and_goes_on_measuring(tmp_path: Path) -> None:
    with Production(tmp_path) as tree:
        place(tree, OrderState.CLOSED, subject="ETH")
        tree.until(learned(tree, 1), within=SOON)
        open_breaker(tree, "ETH")
        tree.circle.refusals["ETH"] = UNKNOWN
        job = tree.accept()

        tree.until(tree.is_sent(1), within=SOON)
        tree.until(tree.has_status(JobStatus.RETRY, job))
        assert tree.job(job).error_type is ErrorType.TIMEOUT
        state = tree.admissions["ETH"].state
        assert (state.breaker, state.measured) == (BreakerState.CLOSED, BreakerState.OPEN)

        withdraw(tree, subject="ETH")
        tree.until(learned(tree, 2), within=SOON)
        assert tree.admissions["ETH"].state.breaker is BreakerState.OPEN


def test_nothing_is_claimed_while_claiming_is_paused(tmp_path: Path) -> None:
    with Production(tmp_path) as tree:
        place(tree, OrderState.PAUSED, kind=CLAIMING)
        tree.until(learned(tree, 1), within=SOON)
        job = tree.accept()
        tree.pass_time(2 * MINUTE)
        assert tree.has_status(JobStatus.QUEUED, job)()

        withdraw(tree, kind=CLAIMING)
        tree.until(tree.has_status(JobStatus.COMPLETED, job), within=LOOK)


def test_a_hold_outweighs_a_breaker_that_is_forced_closed(tmp_path: Path) -> None:
    with Production(tmp_path) as tree:
        place(tree, OrderState.CLOSED, subject="ETH")
        place(tree, OrderState.HELD, kind=f"{HOLD}restored_backup")
        tree.until(learned(tree, 1), within=LOOK)
        tree.until(lambda: tree.admissions["ETH"].state.breaker is BreakerState.OPEN, within=LOOK)
        job = tree.accept()
        tree.pass_time(MINUTE)
        assert tree.has_status(JobStatus.QUEUED, job)()
        assert tree.circle.sent == []

        withdraw(tree, kind=f"{HOLD}restored_backup")
        tree.until(tree.has_status(JobStatus.COMPLETED, job), within=LOOK)


def test_what_a_breaker_did_while_the_store_was_away_is_audited_afterwards(tmp_path: Path) -> None:
    with Production(tmp_path) as tree:
        tree.database.is_away = True
        open_breaker(tree, "ETH")
        tree.pass_time(MINUTE / 2)
        tree.database.is_away = False
        jobs = [tree.accept() for _ in range(3)]

        tree.until(tree.has_status(JobStatus.COMPLETED, *jobs), within=5 * MINUTE)
        tree.until(lambda: tree.admissions["ETH"].state.breaker is BreakerState.CLOSED)
        tree.pass_time(LOOK)
        told = [(event.before, event.after) for event in tree.events.of(BreakerChanged)]
        rows = audited(tree)
        assert told[0] == ("closed", "open")
        assert told[-1] == ("half_open", "closed")
        assert [(row.changes["before"]["breaker"], row.changes["after"]["breaker"]) for row in rows] == told
        assert {(row.resource_type, row.resource_id) for row in rows} == {("chain", "ETH")}


def test_a_journal_that_could_not_be_written_is_kept(tmp_path: Path) -> None:
    with Production(tmp_path) as tree:
        keeper = Keeper(
            database=tree.database,
            shared=tree.shared,
            admissions=tree.admissions,
            presence=None,
            emit=tree.events,
        )
        open_breaker(tree, "ETH")
        tree.database.is_away = True
        with pytest.raises(StoreUnavailableError):
            keeper.write_journal("listener")
        tree.database.is_away = False
        assert len(tree.shared.journal.waiting()) == 1
        keeper.write_journal("listener")
        assert [row.action for row in audited(tree)] == ["wallet-worker:breaker_opened"]
        assert tree.shared.journal.waiting() == ()


def test_an_error_of_the_account_opens_every_chain_and_says_what_to_mend(tmp_path: Path) -> None:
    with Production(tmp_path, chains=(ETH, SOL)) as tree:
        tree.circle.refusals["ETH"] = WRONG_KEY
        tree.circle.held.add("SOL")
        job = tree.accept()
        tree.until(
            lambda: all(
                admission.state.breaker is BreakerState.OPEN for admission in tree.admissions.values()
            )
        )
        for admission in tree.admissions.values():
            assert "check CIRCLE_API_KEY" in (admission.state.reason or "")
            assert "circle-77" in (admission.state.reason or "")
        tree.accept()
        tree.pass_time(SOON)
        assert [sent.chain for sent in tree.circle.sent].count("SOL") == 1  # the one that was under way
        tree.circle.refusals["SOL"] = WRONG_KEY
        tree.circle.answer_all(WRONG_KEY)
        tree.until(tree.has_status(JobStatus.RETRY, job))
        assert (tree.job(job).error_type, tree.job(job).attempt_count) == (ErrorType.CIRCUIT_OPEN, 0)
        tree.pass_time(5 * MINUTE)

        tree.circle.refusals.clear()
        tree.until(tree.has_status(JobStatus.COMPLETED, job), within=20 * MINUTE)
        assert tree.job(job).attempt_count == 1
        assert all(admission.state.breaker is BreakerState.CLOSED for admission in tree.admissions.values())
        assert {row.resource_id for row in audited(tree, "wallet-worker:breaker_opened")} == {"ETH", "SOL"}


def test_a_chain_that_alone_is_refused_does_not_take_the_others_down_for_long(tmp_path: Path) -> None:
    with Production(tmp_path, chains=(ETH, SOL)) as tree:
        tree.circle.refusals["ETH"] = WRONG_KEY
        tree.accept()
        tree.until(lambda: tree.admissions["ETH"].state.breaker is BreakerState.OPEN)

        for _ in range(3):
            tree.until(has_sol(tree, tree.accept()))
            tree.pass_time(MINUTE)
            assert tree.admissions["SOL"].state.breaker is BreakerState.CLOSED
        opened = [row.resource_id for row in audited(tree, "wallet-worker:breaker_opened")]
        assert opened.count("SOL") <= 1 < opened.count("ETH")


def test_a_chain_that_is_down_for_long_costs_no_attempts_and_few_claims(tmp_path: Path) -> None:
    with Production(tmp_path, chains=(ETH, SOL)) as tree:
        open_breaker(tree, "ETH")
        tree.circle.refusals["ETH"] = UNKNOWN
        early = [tree.accept() for _ in range(30)]
        tree.pass_time(10 * SOON)
        assert {tree.job(job).error_type for job in early} == {ErrorType.CIRCUIT_OPEN}
        assert all(tree.job(job).wallets[1].status is WalletStatus.LIVE for job in early)
        claims = sum(event.count for event in tree.events.of(JobsClaimed))

        tree.pass_time(8 * MINUTE)
        late = tree.accept()
        tree.until(lambda: tree.job(late).wallets[1].status is WalletStatus.LIVE, within=SOON)
        waiting = [job for job in map(tree.job, early) if job.status is JobStatus.RETRY]
        assert {job.attempt_count for job in waiting} == {0}
        assert len(waiting) > len(early) / 2
        assert tree.admissions["ETH"].state.breaker is not BreakerState.CLOSED
        more = sum(event.count for event in tree.events.of(JobsClaimed)) - claims
        assert more < 2 * len(early)  # each of them once a round would be eight times as many

        tree.circle.refusals.clear()
        tree.until(lambda: tree.admissions["ETH"].state.breaker is BreakerState.CLOSED, within=3 * MINUTE)
        tree.pass_time(20 * SOON)
        assert tree.has_status(JobStatus.COMPLETED, *early, late)()
        assert {tree.job(job).attempt_count for job in early} == {1}
        assert set(tree.circle.made.values()) == {1}
        assert not tree.troubles()


def test_a_daemon_shows_that_it_lives(tmp_path: Path) -> None:
    presence = Presence(boot_id=uuid4(), version="1.0.0", environment="test", hostname="here")
    with Production(tmp_path, presence=presence) as tree:
        for _ in range(3):
            tree.pass_time(timedelta(seconds=20))
            with tree.database.read() as connection:
                assert live_daemons(connection) == 1
        assert tree.shared.census.count == 1
