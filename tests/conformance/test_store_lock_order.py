"""Whoever locks jobs and wallets locks the jobs first, so that no two writers wait for each other."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support_store import (
    BAD_INPUT,
    TIMEOUT,
    apply,
    claim_new,
    job_of,
    live,
    operate,
    record,
    request,
    result,
    wait_until_it_waits,
    wallet_of,
)
from wallet_provisioning.jobs import moves
from wallet_provisioning.jobs.moves import ClaimedJob
from wallet_provisioning.jobs.outcomes import Failed, Live
from wallet_provisioning.jobs.states import JobStatus, WalletStatus
from wallet_provisioning.store.database import Database
from wallet_provisioning.store.moves import apply_moves
from wallet_provisioning.store.wallets import record_results


@pytest.mark.parametrize("beside", [live(), BAD_INPUT])
def test_a_late_result_and_an_operator_who_tries_again_do_not_wait_for_each_other(
    database: Database, beside: Live | Failed
) -> None:
    """A daemon that lost its job tells of a wallet while the operator has that job's wallets tried again."""
    if database.dialect == "sqlite":
        return
    late = failed_job(database)
    other = claim_new(database, request(chains=("ETH",)))
    with ThreadPoolExecutor(1) as pool:
        with database.write("writer", "record_results") as tx:
            record_results(tx, [result(late, live()), result(other, beside)])
            retried = pool.submit(operate, database, moves.retry_now(late.id))
            wait_until_it_waits(database, retried)
            apply_moves(tx, [moves.complete(late)])
        assert retried.result(60).status is JobStatus.QUEUED
    assert job_of(database, late.id).status is JobStatus.QUEUED
    assert wallet_of(database, late.user_id).status is WalletStatus.LIVE


def failed_job(database: Database) -> ClaimedJob:
    job = claim_new(database, request(chains=("ETH", "SOL")))
    record(database, result(job, BAD_INPUT), result(job, BAD_INPUT, "SOL"))
    apply(database, moves.fail(job, TIMEOUT))
    return job
