"""Accepting in one statement writes what the long way writes, and leaves all else to that way."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from sqlalchemy import insert, select, text

from tests.servers import PostgresServer
from tests.support_store import (
    CHAINS,
    Events,
    accept,
    actions,
    claim,
    explode,
    finish,
    job_of,
    live,
    record,
    request,
    request_id,
    result,
)
from wallet_provisioning.clock import SystemClock
from wallet_provisioning.jobs.moves import ClaimedJob
from wallet_provisioning.store import tables
from wallet_provisioning.store.accepting import Accepted, JobRequest, accept_job
from wallet_provisioning.store.database import Database
from wallet_provisioning.store.ids import new_id
from wallet_provisioning.store.transaction import Transaction
from wallet_provisioning.store.wakeups import CHANNEL
from wallet_provisioning.telemetry.events import JobAccepted, TransactionEnded

TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
# What differs between any two jobs, beside all times.
OWN = {"id", "user_id", "job_id", "resource_id", "value", "position"}


@pytest.fixture
def server_database(postgres: PostgresServer, postgres_template: str, events: Events) -> Iterator[Database]:
    database = Database(postgres.create_database(postgres_template), clock=SystemClock(), emit=events)
    yield database
    database.close()


def the_long_way(database: Database, wanted: JobRequest) -> Accepted:
    with database.write("test", "accept") as tx:
        return accept_job(tx, wanted)


def rows_of(database: Database, job_id: UUID) -> dict[str, list[dict[str, Any]]]:
    """Return all that a job's acceptance wrote, without what is each job's own."""
    whose = {
        tables.jobs: tables.jobs.c.id,
        tables.wallets: tables.wallets.c.job_id,
        tables.audit_logs: tables.audit_logs.c.job_id,
        tables.request_keys: tables.request_keys.c.job_id,
    }
    with database.read() as connection:
        return {
            table.name: [
                {name: value for name, value in row.items() if name not in OWN and not name.endswith("_at")}
                for row in connection.execute(select(table).where(column == job_id)).mappings()
            ]
            for table, column in whose.items()
        }


def times_of(database: Database, job_id: UUID) -> set[object]:
    with database.read() as connection:
        job = connection.execute(select(tables.jobs).where(tables.jobs.c.id == job_id)).mappings().one()
        others = [
            connection.execute(select(table.c.created_at).where(table.c.job_id == job_id)).scalars().all()
            for table in (tables.wallets, tables.audit_logs, tables.request_keys)
        ]
    assert job["due_at"] == job["created_at"]
    return {job["created_at"], job["updated_at"], *others[0], *others[1], *others[2]}


@pytest.mark.parametrize("keys", [[], ["one"], ["two", "more"]])
@pytest.mark.parametrize("traceparent", [None, TRACEPARENT])
def test_both_ways_write_the_same_and_answer_the_same(
    database: Database, keys: list[str], traceparent: str | None
) -> None:
    def wanted(way: str) -> JobRequest:
        own = [request_id(f"{way}-{key}") for key in keys]
        return request(chains=("ETH", "odd \"'{},\\ chain", "NULL"), keys=own, traceparent=traceparent)

    short, long = accept(database, wanted("short")), the_long_way(database, wanted("long"))

    assert short.created
    assert rows_of(database, short.job.id) == rows_of(database, long.job.id)
    for accepted in (short, long):
        assert accepted.job == job_of(database, accepted.job.id)
    with database.read() as connection:
        count = len(connection.execute(select(tables.request_keys)).all())
    assert count == 2 * len(keys)


def test_all_rows_of_one_statement_are_of_one_moment(server_database: Database) -> None:
    accepted = accept(server_database, request(keys=[request_id("a")]))

    assert times_of(server_database, accepted.job.id) == {accepted.job.created_at}


def test_a_first_job_takes_one_write_and_any_other_one_more(
    server_database: Database, events: Events
) -> None:
    user = uuid4()
    accept(server_database, request(user))
    assert len(events.of(TransactionEnded)) == 1

    accept(server_database, request(user))
    assert [ended.outcome for ended in events.of(TransactionEnded)] == ["committed"] * 3


def test_an_acceptance_is_told_once_whatever_way_it_took(database: Database, events: Events) -> None:
    user = uuid4()
    first, again = accept(database, request(user)), accept(database, request(user, ("ETH", "MORE")))

    assert [(told.job_id, told.created, told.merged) for told in events.of(JobAccepted)] == [
        (first.job.id, True, ()),
        (again.job.id, False, ("MORE",)),
    ]


def test_daemons_hear_of_it(server_database: Database) -> None:
    with psycopg.connect(server_database.url, autocommit=True) as connection:
        connection.execute(f"LISTEN {CHANNEL}")
        accept(server_database)
        (heard,) = connection.notifies(timeout=5, stop_after=1)
    assert heard.payload == ""


def test_a_key_that_is_known_writes_nothing(database: Database) -> None:
    first = accept(database, request(keys=[request_id("a")]))
    again = accept(database, request(keys=[request_id("b"), request_id("a")]))

    assert (again.created, again.job.id) == (False, first.job.id)
    assert accept(database, request(keys=[request_id("b")])).job.id == first.job.id
    with database.read() as connection:
        assert len(connection.execute(select(tables.jobs)).all()) == 1


def test_a_user_whose_job_is_done_is_no_newcomer(database: Database) -> None:
    user = uuid4()
    accept(database, request(user))
    (job,) = claim(database)
    finish_with_wallets(database, job)

    again = accept(database, request(user))
    assert (again.created, again.job.id) == (False, job.id)
    more = accept(database, request(user, (*CHAINS, "MORE")))
    assert more.job.chains == ("MORE",)


def finish_with_wallets(database: Database, job: ClaimedJob) -> None:
    record(database, *[result(job, live(), chain) for chain in job.chains])
    finish(database, job)


# While another transaction is under way: PostgreSQL alone lets two write at once.


@contextmanager
def beside(
    database: Database, steps: Callable[[Transaction], object], *, fails: bool = False
) -> Iterator[Callable[[JobRequest], "Future[Accepted]"]]:
    """Take steps in a transaction that ends after the block, in which others can be made to wait for it."""
    with ThreadPoolExecutor() as pool:
        try:
            with database.write("test", "beside") as tx:
                steps(tx)
                yield lambda wanted: waiting(database, pool.submit(accept, database, wanted))
                if fails:
                    explode(tx)
        except ZeroDivisionError:
            assert fails


def waiting(database: Database, answer: "Future[Accepted]") -> "Future[Accepted]":
    """Return once the request waits for a lock."""
    waits = text(
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE wait_event_type = 'Lock' AND datname = current_database()"
    )
    pause = threading.Event()
    while not answer.done():
        with database.read() as connection:
            if connection.execute(waits).scalar_one():
                break
        pause.wait(0.01)
    return answer


def test_a_job_that_is_made_meanwhile_is_the_answer(server_database: Database) -> None:
    user = uuid4()
    with beside(server_database, lambda tx: accept_job(tx, request(user, ("ETH",)))) as ask:
        answer = ask(request(user, ("ETH", "SOL"), keys=[request_id("a")]))

    accepted = answer.result()
    assert (accepted.created, accepted.merged) == (False, ("SOL",))
    assert accept(server_database, request(keys=[request_id("a")])).job.id == accepted.job.id
    assert actions(server_database, accepted.job.id) == ["job_created", "chains_merged"]


def test_a_key_that_is_written_meanwhile_leads_to_its_job(server_database: Database) -> None:
    key = request_id("a")
    with beside(server_database, lambda tx: accept_job(tx, request(keys=[key]))) as ask:
        answer = ask(request(keys=[key]))

    assert not answer.result().created
    with server_database.read() as connection:
        assert len(connection.execute(select(tables.jobs)).all()) == 1


def test_where_the_other_transaction_fails_the_job_is_made(server_database: Database) -> None:
    user, key = uuid4(), request_id("a")
    with beside(server_database, lambda tx: accept_job(tx, request(user, keys=[key])), fails=True) as ask:
        answer = ask(request(user, keys=[key]))

    assert answer.result().created


def test_a_wallet_that_is_adopted_meanwhile_is_kept(server_database: Database) -> None:
    user = uuid4()
    adopt = insert(tables.wallets).values(
        id=new_id(), user_id=user, chain="ETH", status="failed", generation=3, alone=False
    )
    moment = text("clock_timestamp()")
    with beside(
        server_database, lambda tx: tx.execute(adopt.values(created_at=moment, updated_at=moment))
    ) as ask:
        answer = ask(request(user, keys=[request_id("a")]))

    accepted = answer.result()
    assert accepted.created
    with server_database.read() as connection:
        found = select(tables.wallets.c.generation).where(tables.wallets.c.chain == "ETH")
        assert connection.execute(found).scalars().all() == [3]
        assert len(connection.execute(select(tables.request_keys)).all()) == 1


def test_both_ways_take_their_locks_in_one_order(server_database: Database) -> None:
    """One that holds a key and wants the user's job meets one that wants both: neither waits in a circle."""
    user, key = uuid4(), request_id("a")

    def hold_key(tx: Transaction) -> None:
        stray = {
            "kind": key.kind,
            "value": key.value,
            "job_id": held,
            "created_at": text("clock_timestamp()"),
        }
        tx.execute(insert(tables.request_keys).values(**stray))

    held = new_id()
    with server_database.write("test", "beside") as tx, ThreadPoolExecutor() as pool:
        hold_key(tx)
        answer = waiting(server_database, pool.submit(accept, server_database, request(user, keys=[key])))
        own = accept_job(tx, request(user))
        tx.execute(text("UPDATE request_keys SET job_id = :job").bindparams(job=str(own.job.id)))
        assert not answer.done()
        tx.connection.commit()
    assert answer.result().job.id == own.job.id
