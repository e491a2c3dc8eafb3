"""A request that meets the end of its user's job asks for nothing that is there: no job is made for it."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID, uuid4

import psycopg
import pytest
from sqlalchemy import select

from tests.support_store import accept, claim_new, finish, live, request, result
from wallet_provisioning.jobs.moves import ClaimedJob, complete
from wallet_provisioning.store import tables
from wallet_provisioning.store.database import Database
from wallet_provisioning.store.moves import apply_moves
from wallet_provisioning.store.wallets import record_results


def jobs_of(database: Database, user_id: UUID) -> list[UUID]:
    with database.read() as connection:
        return list(
            connection.execute(select(tables.jobs.c.id).where(tables.jobs.c.user_id == user_id)).scalars()
        )


def waits_for_a_lock(url: str) -> bool:
    with psycopg.connect(url, autocommit=True) as connection:
        query = (
            "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
        )
        return connection.execute(query).fetchone() is not None


@pytest.fixture
def helper() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(4) as pool:
        yield pool


def test_whoever_waited_for_the_completing_commit_is_answered_with_that_job(
    database: Database, helper: ThreadPoolExecutor
) -> None:
    job = claim_new(database, request(chains=("ETH",)))
    with database.write("writer", "results") as tx:
        record_results(tx, [result(job, live())])
        apply_moves(tx, [complete(job)])
        repeat = helper.submit(accept, database, request(job.user_id, ("ETH",)))
        while database.dialect == "postgresql" and not (repeat.done() or waits_for_a_lock(database.url)):
            pass

    assert (repeat.result().job.id, repeat.result().created) == (job.id, False)
    assert jobs_of(database, job.user_id) == [job.id]


def test_a_chain_that_is_still_missing_then_gets_its_job(
    database: Database, helper: ThreadPoolExecutor
) -> None:
    job = claim_new(database, request(chains=("ETH",)))
    with database.write("writer", "results") as tx:
        record_results(tx, [result(job, live())])
        apply_moves(tx, [complete(job)])
        repeat = helper.submit(accept, database, request(job.user_id, ("ETH", "SOL")))
        while database.dialect == "postgresql" and not (repeat.done() or waits_for_a_lock(database.url)):
            pass

    accepted = repeat.result()
    assert accepted.created
    assert jobs_of(database, job.user_id) == [job.id, accepted.job.id]


def test_users_who_repeat_until_they_have_their_wallets_have_one_job_each(
    database: Database, helper: ThreadPoolExecutor
) -> None:
    def repeat(job: ClaimedJob, is_over: threading.Event) -> set[UUID]:
        answers = set()
        while not is_over.is_set():
            answers.add(accept(database, request(job.user_id, job.chains)).job.id)
        return answers

    for _ in range(10):
        job = claim_new(database, request(uuid4(), ("ETH",)))
        is_over = threading.Event()
        repeats = [helper.submit(repeat, job, is_over) for _ in range(4)]
        finish(database, job)
        accept(database, request(job.user_id, job.chains))
        is_over.set()
        assert set().union(*[each.result() for each in repeats]) <= {job.id}
        assert jobs_of(database, job.user_id) == [job.id]
