from uuid import UUID, uuid4

import pytest

from tests.support_store import (
    BAD_INPUT,
    accept,
    actions,
    apply,
    claim,
    claim_new,
    finish,
    job_of,
    live,
    operate,
    record,
    request,
    request_id,
    result,
    timeline,
    wallet_of,
)
from wallet_provisioning.jobs import moves
from wallet_provisioning.jobs.states import JobStatus, WalletStatus
from wallet_provisioning.store import accepting, reports
from wallet_provisioning.store.database import Database
from wallet_provisioning.store.wallets import WalletResult

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def test_a_new_request_makes_a_queued_job_with_a_wallet_a_chain(database: Database) -> None:
    user = uuid4()

    accepted = accept(database, request(user, ("SOL", "ETH"), max_attempts=7, traceparent=TRACE))

    job = accepted.job
    assert accepted.created
    assert (job.status, job.user_id, job.source, job.max_attempts) == (JobStatus.QUEUED, user, "http", 7)
    assert job.trace_id == "0af7651916cd43dd8448eb211c80319c"
    assert [(wallet.chain, wallet.status) for wallet in job.wallets] == [
        ("SOL", WalletStatus.CREATING),
        ("ETH", WalletStatus.CREATING),
    ]
    assert job_of(database, job.id) == job


def test_a_new_job_is_audited_from_nothing(database: Database) -> None:
    job = accept(database).job

    (row,) = timeline(database, job.id)

    assert row.action == "wallet-worker:job_created"
    assert row.changes["before"] is None
    assert row.changes["after"]["status"] == "queued"
    assert (row.actor, row.user_id, row.resource_id) == ("test", job.user_id, str(job.id))


def test_the_same_key_returns_its_first_job_however_often(database: Database) -> None:
    first = accept(database, request(keys=[request_id("a")]))
    finish(database, claim(database)[0])

    again = accept(database, request(first.job.user_id, ("ETH", "BASE"), keys=[request_id("a")]))

    assert again.job.id == first.job.id
    assert (again.created, again.merged) == (False, ())
    assert again.job.status is JobStatus.COMPLETED


def test_a_key_of_one_kind_is_none_of_another(database: Database) -> None:
    first = accept(database, request(keys=[request_id("a")]))
    other = accepting.RequestKey(kind="idempotency_key", value="a")

    assert accept(database, request(keys=[other])).job.id != first.job.id


def test_keys_that_come_with_a_known_one_lead_to_the_same_job(database: Database) -> None:
    first = accept(database, request(keys=[request_id("a")]))

    accept(database, request(keys=[request_id("b"), request_id("a")]))

    assert accept(database, request(keys=[request_id("b")])).job.id == first.job.id


def test_an_unfinished_job_is_returned_to_a_further_request_with_its_key_recorded(
    database: Database,
) -> None:
    first = accept(database)

    again = accept(database, request(first.job.user_id, keys=[request_id("later")]))
    finish(database, claim(database)[0])
    repeat = accept(database, request(first.job.user_id, keys=[request_id("later")]))

    assert again.job.id == repeat.job.id == first.job.id
    assert not again.created
    assert actions(database, first.job.id).count("job_created") == 1


def test_chains_that_an_unfinished_job_lacks_are_merged_into_it(database: Database) -> None:
    first = accept(database, request(chains=("ETH",)))

    again = accept(database, request(first.job.user_id, ("ETH", "SOL", "BASE")))

    assert again.merged == ("SOL", "BASE")
    assert again.job.chains == ("ETH", "SOL", "BASE")
    assert [wallet.chain for wallet in again.job.wallets] == ["ETH", "SOL", "BASE"]
    (merged,) = timeline(database, first.job.id)[1:]
    assert merged.action == "wallet-worker:chains_merged"
    assert merged.changes == {
        "before": {"chains": ["ETH"], "revision": 0},
        "after": {"chains": ["ETH", "SOL", "BASE"], "revision": 1},
    }
    assert claim(database)[0].chains == ("ETH", "SOL", "BASE")


def test_a_live_chain_is_not_merged(database: Database) -> None:
    finished = claim_new(database, request(chains=("BASE",)))
    finish(database, finished)
    accept(database, request(finished.user_id, ("ETH",)))

    again = accept(database, request(finished.user_id, ("BASE", "ETH")))

    assert (again.merged, again.job.chains) == ((), ("ETH",))


def test_live_chains_are_skipped_in_a_new_job(database: Database) -> None:
    finished = claim_new(database, request(chains=("ETH",)))
    finish(database, finished)

    accepted = accept(database, request(finished.user_id, ("ETH", "SOL")))

    assert accepted.created
    assert accepted.job.id != finished.id
    assert accepted.job.chains == ("SOL",)


def test_with_all_chains_live_the_latest_job_is_returned(database: Database) -> None:
    first = claim_new(database, request(chains=("ETH",)))
    finish(database, first)
    second = claim_new(database, request(first.user_id, ("SOL",)))
    finish(database, second)

    accepted = accept(database, request(first.user_id, ("ETH",), keys=[request_id("x")]))

    assert (accepted.created, accepted.job.id) == (False, second.id)
    assert accept(database, request(first.user_id, ("ETH",), keys=[request_id("x")])).job.id == second.id


def test_a_user_with_wallets_but_no_job_gets_one_that_is_done(database: Database) -> None:
    user = uuid4()
    found = WalletResult(job_id=None, epoch=None, user_id=user, chain="ETH", outcome=live(), request_id=None)
    record(database, found)

    accepted = accept(database, request(user, ("ETH",), keys=[request_id("k")]))

    assert accepted.created
    assert accepted.job.status is JobStatus.COMPLETED
    assert accepted.job.completed_at is not None
    assert accepted.job.wallets[0].status is WalletStatus.LIVE
    assert claim(database) == ()


def test_a_failed_wallet_is_tried_again_by_a_new_job(database: Database) -> None:
    job = claim_new(database, request(chains=("ETH", "SOL")))
    record(database, result(job, BAD_INPUT), result(job, live(), "SOL"))
    apply(database, moves.fail(job, moves.Failure(error_type=BAD_INPUT.error_type, message="refused")))

    accepted = accept(database, request(job.user_id, ("ETH", "SOL")))

    assert accepted.created
    assert accepted.job.chains == ("ETH",)
    wallet = wallet_of(database, job.user_id)
    assert (wallet.status, wallet.error_type, wallet.error_message) == (WalletStatus.CREATING, None, None)
    assert claim(database)[0].id == accepted.job.id


def test_a_cancelled_job_leaves_its_wallets_to_the_next_one(database: Database) -> None:
    first = accept(database, request(chains=("ETH",)))
    operate(database, moves.cancel(first.job.id))

    second = accept(database, request(first.job.user_id, ("ETH",)))

    assert second.created
    assert claim(database)[0].chains == ("ETH",)


def test_ids_are_in_the_order_of_time(database: Database) -> None:
    ids = [accept(database, request(chains=("ETH",))).job.id for _ in range(20)]

    assert ids == sorted(ids)
    with database.read() as connection:
        page = reports.list_jobs(connection, reports.JobFilter())
    assert [job.id for job in page.items] == ids[::-1]


@pytest.mark.parametrize("chains", [(), ("ETH", "ETH")])
def test_a_request_without_chains_or_with_one_twice_is_a_bug(chains: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="at least one chain"):
        accepting.JobRequest(user_id=UUID(int=1), chains=chains, source="cli")
