from datetime import timedelta
from uuid import uuid4

import pytest
from sqlalchemy import select

from tests.support_store import (
    BAD_INPUT,
    EXPIRED,
    NO_ANSWER,
    SOL,
    TIMEOUT,
    Events,
    accept,
    actions,
    apply,
    claim,
    claim_new,
    explode,
    in_one,
    live,
    open_requests,
    record,
    result,
    timeline,
    wallet_of,
)
from wallet_provisioning.jobs import moves
from wallet_provisioning.jobs.errors import ErrorType
from wallet_provisioning.jobs.moves import Failure
from wallet_provisioning.jobs.states import WalletStatus
from wallet_provisioning.store import claims, tables
from wallet_provisioning.store.database import Database
from wallet_provisioning.store.errors import RowRefusedError
from wallet_provisioning.store.moves import apply_moves
from wallet_provisioning.store.wallets import WalletResult, record_results
from wallet_provisioning.telemetry.events import DuplicateWallet


def request_state(database: Database) -> list[str]:
    with database.read() as connection:
        return list(connection.execute(select(tables.circle_requests.c.state)).scalars())


def test_a_live_wallet_is_kept_with_all_that_circle_said(database: Database) -> None:
    job = claim_new(database)
    found = live()

    recorded = record(database, result(job, found))

    assert recorded == (result(job, found),)
    wallet = wallet_of(database, job.user_id)
    assert (wallet.status, wallet.address, wallet.circle_wallet_id, wallet.blockchain) == (
        WalletStatus.LIVE,
        "0xabc",
        found.circle_wallet_id,
        "ETH-SEPOLIA",
    )


def test_a_live_wallet_is_audited_with_circles_request_id(database: Database) -> None:
    job = claim_new(database)
    found = live()
    record(database, result(job, found))

    row = timeline(database, job.id)[-1]

    assert (row.action, row.resource_type, row.epoch) == ("wallet-worker:wallet_created", "wallet", 1)
    assert row.resource_id == str(wallet_of(database, job.user_id).id)
    assert row.changes["before"]["status"] == "creating"
    after = row.changes["after"]
    assert (after["status"], after["chain"], after["circle_request_id"], after["adopted"]) == (
        "live",
        "ETH",
        "circle-1",
        False,
    )
    assert after["circle_wallet_id"] == str(found.circle_wallet_id)


def test_a_repeat_changes_nothing(database: Database) -> None:
    job = claim_new(database)
    found = live()
    record(database, result(job, found))

    assert record(database, result(job, found), result(job, found)) == ()
    assert actions(database, job.id).count("wallet_created") == 1


def test_the_same_result_twice_in_a_group_counts_once(database: Database) -> None:
    job = claim_new(database)
    found = live()

    assert len(record(database, result(job, found), result(job, found))) == 1


def test_a_live_wallet_is_recorded_whatever_became_of_its_job(database: Database) -> None:
    accept(database)
    (zombie,) = claim(database, lease=EXPIRED)
    with database.write("rescuer", "rescue") as tx:
        claims.rescue_expired(tx)
    claim(database)

    assert len(record(database, result(zombie, live()))) == 1
    assert wallet_of(database, zombie.user_id).status is WalletStatus.LIVE


def test_a_live_wallet_of_a_failed_one_is_recorded(database: Database) -> None:
    job = claim_new(database)
    record(database, result(job, BAD_INPUT))
    apply(database, moves.fail(job, TIMEOUT))

    record(database, result(job, live()))

    wallet = wallet_of(database, job.user_id)
    assert (wallet.status, wallet.error_type, wallet.error_message) == (WalletStatus.LIVE, None, None)


def test_a_wallet_that_the_store_never_asked_for_is_recorded_too(database: Database) -> None:
    user = uuid4()
    found = WalletResult(job_id=None, epoch=None, user_id=user, chain="ETH", outcome=live(), request_id=None)

    assert record(database, found) == (found,)
    assert wallet_of(database, user).status is WalletStatus.LIVE


def test_a_second_wallet_at_circle_is_reported_and_not_taken_over(database: Database, events: Events) -> None:
    job = claim_new(database)
    kept, second = live(), live()
    record(database, result(job, kept))

    assert record(database, result(job, second)) == ()

    assert wallet_of(database, job.user_id).circle_wallet_id == kept.circle_wallet_id
    (event,) = events.of(DuplicateWallet)
    assert (event.kept, event.duplicate) == (kept.circle_wallet_id, second.circle_wallet_id)
    row = timeline(database, job.id)[-1]
    assert (row.action, row.status) == ("wallet-worker:duplicate_wallet", "failed")
    assert row.changes["after"]["duplicate"] == str(second.circle_wallet_id)


def test_a_failure_for_good_fails_the_wallet(database: Database) -> None:
    job = claim_new(database)

    assert len(record(database, result(job, BAD_INPUT))) == 1

    wallet = wallet_of(database, job.user_id)
    assert (wallet.status, wallet.error_type, wallet.error_message) == (
        WalletStatus.FAILED,
        ErrorType.CIRCLE_4XX,
        "refused",
    )
    row = timeline(database, job.id)[-1]
    assert (row.action, row.status, row.error_message) == (
        "wallet-worker:wallet_failed",
        "failed",
        "refused",
    )


def test_a_failure_that_may_pass_leaves_the_wallet_in_the_making(database: Database) -> None:
    job = claim_new(database)

    record(database, result(job, NO_ANSWER))

    wallet = wallet_of(database, job.user_id)
    assert (wallet.status, wallet.error_type) == (WalletStatus.CREATING, ErrorType.TIMEOUT)
    assert timeline(database, job.id)[-1].status == "retry_scheduled"


def test_a_failure_that_ends_its_job_in_the_same_transaction_is_audited_as_one(database: Database) -> None:
    job = claim_new(database)
    last = result(job, NO_ANSWER)._replace(fails_job_at=job.revision)
    ending = moves.fail(job, Failure(error_type=NO_ANSWER.error_type, message="no answer"))

    in_one(database, lambda tx: record_results(tx, [last]), lambda tx: apply_moves(tx, [ending]))

    (row,) = [row for row in timeline(database, job.id) if row.action == "wallet-worker:wallet_failed"]
    assert (row.status, row.changes["after"]["status"]) == ("failed", "failed")
    assert wallet_of(database, job.user_id).status is WalletStatus.FAILED


def test_a_failure_that_ends_no_job_since_chains_were_merged_in_is_audited_as_passing(
    database: Database,
) -> None:
    job = claim_new(database)

    record(database, result(job, NO_ANSWER)._replace(fails_job_at=job.revision - 1))

    row = timeline(database, job.id)[-1]
    assert (row.status, row.changes["after"]["status"]) == ("retry_scheduled", "creating")


def test_failures_count_from_the_holder_alone(database: Database) -> None:
    accept(database)
    (zombie,) = claim(database, lease=EXPIRED)
    with database.write("rescuer", "rescue") as tx:
        claims.rescue_expired(tx)
    assert record(database, result(zombie, BAD_INPUT)) == ()
    (holder,) = claim(database)
    stranger = WalletResult(
        job_id=None,
        epoch=None,
        user_id=holder.user_id,
        chain="ETH",
        outcome=BAD_INPUT,
        request_id=None,
    )

    assert record(database, result(zombie, BAD_INPUT), stranger) == ()

    assert wallet_of(database, holder.user_id).error_type is None


def test_a_failure_never_undoes_a_live_wallet(database: Database) -> None:
    job = claim_new(database)
    record(database, result(job, live()))

    assert record(database, result(job, BAD_INPUT)) == ()
    assert record(database, result(job, live(SOL), "SOL"), result(job, BAD_INPUT, "SOL")) != ()
    assert wallet_of(database, job.user_id).status is WalletStatus.LIVE
    assert wallet_of(database, job.user_id, "SOL").status is WalletStatus.LIVE


def test_a_success_after_a_failure_in_one_group_wins(database: Database) -> None:
    job = claim_new(database)

    record(database, result(job, BAD_INPUT), result(job, live()))

    assert wallet_of(database, job.user_id).status is WalletStatus.LIVE


def test_a_group_of_all_kinds_is_recorded_at_once(database: Database) -> None:
    job = claim_new(database)

    recorded = record(
        database, result(job, live()), result(job, BAD_INPUT, "SOL"), result(job, NO_ANSWER, "APTOS")
    )

    assert len(recorded) == 3
    assert [wallet_of(database, job.user_id, chain).status for chain in ("ETH", "SOL", "APTOS")] == [
        "live",
        "failed",
        "creating",
    ]
    assert record(database) == ()


def test_one_bad_member_leaves_nothing_of_its_group_and_the_rest_go_one_by_one(
    database: Database,
) -> None:
    one = claim_new(database)
    two = claim_new(database)
    three = claim_new(database)
    taken = live()
    record(database, result(one, taken))
    group = [result(two, live()), result(three, live(circle_wallet_id=taken.circle_wallet_id))]

    with pytest.raises(RowRefusedError):
        in_one(
            database,
            lambda tx: apply_moves(tx, [moves.complete(two)]),
            lambda tx: record_results(tx, group),
        )
    assert wallet_of(database, two.user_id).status is WalletStatus.CREATING
    assert actions(database, two.id) == ["job_created", "provision_start"]

    assert record(database, group[0]) == (group[0],)
    with pytest.raises(RowRefusedError):
        record(database, group[1])
    assert wallet_of(database, three.user_id).status is WalletStatus.CREATING


def test_an_exception_later_in_the_transaction_takes_the_results_back(database: Database) -> None:
    job = claim_new(database)

    with pytest.raises(ZeroDivisionError):
        in_one(
            database,
            lambda tx: record_results(tx, [result(job, live())]),
            lambda tx: apply_moves(tx, [moves.complete(job)]),
            explode,
        )

    assert wallet_of(database, job.user_id).status is WalletStatus.CREATING
    assert actions(database, job.id) == ["job_created", "provision_start"]


def test_a_request_is_resolved_once_all_its_wallets_have_ended(database: Database) -> None:
    for _ in range(2):
        accept(database)
    one, two = claim(database)
    stored = open_requests(database, one, two).request
    assert stored is not None

    record(database, result(one, live(), request_id=stored.id))
    assert request_state(database) == ["unresolved"]
    record(database, result(two, NO_ANSWER, request_id=stored.id))
    assert request_state(database) == ["unresolved"]
    record(database, result(two, live(), request_id=stored.id))
    assert request_state(database) == ["resolved"]


def test_a_job_and_its_wallets_end_in_one_transaction(database: Database) -> None:
    job = claim_new(database)

    with database.write("writer", "results") as tx:
        record_results(tx, [result(job, live(), chain) for chain in job.chains])
        assert len(apply_moves(tx, [moves.complete(job)])) == 1

    assert actions(database, job.id) == [
        "job_created",
        "provision_start",
        *["wallet_created"] * 3,
        "provision_complete",
    ]
    assert timeline(database, job.id)[-1].created_at - timeline(database, job.id)[0].created_at < timedelta(
        minutes=1
    )
