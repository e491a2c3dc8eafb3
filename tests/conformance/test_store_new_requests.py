"""One statement stores a request whose members are all new; it must store just what the closer look does."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeAlias
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Table, select, text, update

from tests.support_store import (
    BAD_INPUT,
    ETH,
    EXPIRED,
    WALLET_SET,
    accept,
    apply,
    claim,
    claim_new,
    live,
    member,
    open_requests,
    record,
    request,
    result,
    wait_until_it_waits,
)
from wallet_provisioning.jobs import moves
from wallet_provisioning.jobs.moves import ClaimedJob
from wallet_provisioning.store import wallets
from wallet_provisioning.store.controls import EVERYTHING
from wallet_provisioning.store.database import Database
from wallet_provisioning.store.new_requests import store_new
from wallet_provisioning.store.tables import circle_requests, controls, unclaimed_wallets
from wallet_provisioning.store.tables import wallets as wallet_table
from wallet_provisioning.store.transaction import Transaction
from wallet_provisioning.store.unclaimed import BEHIND

Members: TypeAlias = Sequence[wallets.RequestMember]
Spoil: TypeAlias = Callable[[Database, ClaimedJob], wallets.RequestMember | None]


def store(database: Database, members: Members) -> wallets.StoredRequest | None:
    with database.write_once("circle/ETH", "open_request") as tx:
        return store_new(tx, ETH, WALLET_SET, members)


def rows(database: Database, table: Table, *but: str) -> list[dict[str, Any]]:
    columns = [column for column in table.c if column.name not in but]
    with database.read() as connection:
        found = [dict(row._mapping) for row in connection.execute(select(*columns))]
    return sorted(found, key=lambda row: str([row.get(name) for name in ("user_id", "chain", "id")]))


def set_wallet(database: Database, job: ClaimedJob, **values: object) -> None:
    mine = (wallet_table.c.user_id == job.user_id) & (wallet_table.c.chain == "ETH")
    with database.write("test", "spoil") as tx:
        tx.execute(update(wallet_table).where(mine).values(**values))


def claimed(database: Database, count: int = 3) -> tuple[ClaimedJob, ...]:
    for _ in range(count):
        accept(database)
    return claim(database)


def test_it_stores_just_what_the_closer_look_stores(database: Database) -> None:
    jobs = claimed(database)
    members = [member(job) for job in jobs]
    stranger = wallets.RequestMember(job_id=uuid4(), epoch=1, user_id=uuid4())
    moving = ("id", "request_id", "first_sent_at", "updated_at")

    at_once = store(database, members)
    assert at_once is not None
    kept = [rows(database, table, *moving) for table in (circle_requests, wallet_table)]
    bound_to = {row["request_id"] for row in rows(database, wallet_table) if row["chain"] == "ETH"}
    for job in jobs:
        set_wallet(
            database,
            job,
            **dict.fromkeys(("request_id", "position", "ref_id", "blockchain", "account_type")),
            wallet_set_id=None,
        )
    with database.write("test", "forget") as tx:
        tx.execute(circle_requests.delete())
    with database.write("circle/ETH", "open_request") as tx:
        opened = wallets.open_request(tx, chain=ETH, wallet_set_id=WALLET_SET, members=[*members, stranger])

    assert opened.fenced_off == (stranger,)
    assert opened.request is not None
    assert bound_to == {at_once.id}
    assert [rows(database, table, *moving) for table in (circle_requests, wallet_table)] == kept
    assert {field: getattr(at_once, field) for field in at_once.__slots__ if field != "id"} == {
        field: getattr(opened.request, field) for field in at_once.__slots__ if field != "id"
    }


def test_its_moment_is_that_of_the_wallets_and_of_the_first_sending(database: Database) -> None:
    (job,) = claimed(database, 1)

    assert store(database, [member(job)]) is not None

    (stored,) = rows(database, circle_requests)
    (wallet,) = [row for row in rows(database, wallet_table) if row["chain"] == "ETH"]
    assert wallet["updated_at"] == stored["first_sent_at"] > wallet["created_at"]


def _older(_database: Database, job: ClaimedJob) -> wallets.RequestMember:
    return member(job)._replace(epoch=job.epoch - 1)


def _of_another_user(_database: Database, job: ClaimedJob) -> wallets.RequestMember:
    return member(job)._replace(user_id=uuid4())


def _handed_back(database: Database, job: ClaimedJob) -> None:
    apply(database, moves.hand_back(job))


def _lease_is_over(database: Database, job: ClaimedJob) -> wallets.RequestMember:
    apply(database, moves.hand_back(job))
    (again,) = claim(database, lease=EXPIRED)
    return member(again)


def _is_live(database: Database, job: ClaimedJob) -> None:
    record(database, result(job, live()))


def _has_failed(database: Database, job: ClaimedJob) -> None:
    record(database, result(job, BAD_INPUT))


def _is_bound(database: Database, job: ClaimedJob) -> None:
    open_requests(database, job)


def _is_to_be_alone(database: Database, job: ClaimedJob) -> None:
    set_wallet(database, job, alone=True)


def _has_a_later_key(database: Database, job: ClaimedJob) -> None:
    set_wallet(database, job, generation=1)


def _is_another_jobs(database: Database, job: ClaimedJob) -> None:
    set_wallet(database, job, job_id=uuid4())


def _is_not_wanted(database: Database, job: ClaimedJob) -> None:
    mine = (wallet_table.c.user_id == job.user_id) & (wallet_table.c.chain == "ETH")
    with database.write("test", "spoil") as tx:
        tx.execute(wallet_table.delete().where(mine))


def _creation_is_held(database: Database, _job: ClaimedJob) -> None:
    with database.write("test", "hold") as tx:
        hold = {"kind": BEHIND, "subject": EVERYTHING, "state": "held", "reason": "x", "placed_by": "x"}
        tx.execute(controls.insert().values(**hold, placed_at=tx.now))


def _one_is_unclaimed(database: Database, _job: ClaimedJob) -> None:
    wallet = {"circle_wallet_id": uuid4(), "ref_id": "x", "blockchain": "x", "account_type": "x"}
    more = {"address": "x", "wallet_set_id": WALLET_SET, "state": "LIVE"}
    with database.write("test", "keep") as tx:
        tx.execute(
            unclaimed_wallets.insert().values(**wallet, **more, circle_created_at=tx.now, found_at=tx.now)
        )


@pytest.mark.parametrize(
    "spoil",
    [
        _older,
        _of_another_user,
        _handed_back,
        _lease_is_over,
        _is_live,
        _has_failed,
        _is_bound,
        _is_to_be_alone,
        _has_a_later_key,
        _is_another_jobs,
        _is_not_wanted,
        _creation_is_held,
        _one_is_unclaimed,
    ],
)
def test_one_member_that_is_not_new_keeps_all_from_being_stored(database: Database, spoil: Spoil) -> None:
    one, odd, other = claimed(database)
    spoiled = spoil(database, odd) or member(odd)
    before = [rows(database, table) for table in (circle_requests, wallet_table)]

    assert store(database, [member(one), spoiled, member(other)]) is None

    assert [rows(database, table) for table in (circle_requests, wallet_table)] == before


def test_a_key_that_is_known_is_left_to_the_closer_look(database: Database) -> None:
    job = claim_new(database)
    first = store(database, [member(job)])
    assert first is not None
    set_wallet(database, job, request_id=None)

    assert store(database, [member(job)]) is None
    assert [row["id"] for row in rows(database, circle_requests)] == [first.id]


def test_nobody_and_the_same_user_twice_are_no_new_request(database: Database) -> None:
    job = claim_new(database)

    assert store(database, []) is None
    assert store(database, [member(job), member(job)]) is None
    assert rows(database, circle_requests) == []


def test_whoever_waits_for_a_wallet_that_is_being_bound_binds_nothing(database: Database) -> None:
    """Two daemons open overlapping members; the second began before the first had committed."""
    if database.dialect == "sqlite":
        return
    first, shared, second = claimed(database)
    with ThreadPoolExecutor(1) as pool:
        with database.write("circle/ETH", "open_request") as tx:
            stored = store_new(tx, ETH, WALLET_SET, [member(first), member(shared)])
            late = pool.submit(store, database, [member(second), member(shared)])
            wait_until_it_waits(database, late)
        assert stored is not None
        assert late.result(60) is None

    bound_to = {row["user_id"]: row["request_id"] for row in rows(database, wallet_table) if row["ref_id"]}
    assert bound_to == {first.user_id: stored.id, shared.user_id: stored.id}
    opened = open_requests(database, second, shared)
    assert [found.id for found in opened.unresolved] == [stored.id]
    assert opened.request is not None
    assert [one.user_id for one in opened.request.members] == [second.user_id]


def test_whoever_waits_for_a_wallet_that_is_let_go_again_stores_it(database: Database) -> None:
    if database.dialect == "sqlite":
        return
    jobs = claimed(database)
    members = [member(job) for job in jobs]
    with ThreadPoolExecutor(1) as pool:
        with database.write("circle/ETH", "open_request") as tx:
            assert store_new(tx, ETH, WALLET_SET, members[:2]) is not None
            late = pool.submit(store, database, members)
            wait_until_it_waits(database, late)
            _roll_back(tx)
        stored = late.result(60)

    assert stored is not None
    bound_to = [row["request_id"] for row in rows(database, wallet_table) if row["chain"] == "ETH"]
    assert bound_to == [stored.id] * 3


def test_wallets_are_locked_in_the_order_of_their_ids(database: Database) -> None:
    """Whoever holds the first one may take the last one too: the opener that waits for the first has none."""
    if database.dialect == "sqlite":
        return
    for number in (9, 8, 7):
        accept(database, request(UUID(int=number), ("ETH",)))
    jobs = claim(database)
    lock = text("SELECT id FROM managed_wallets WHERE user_id = :user FOR UPDATE NOWAIT")
    with ThreadPoolExecutor(1) as pool:
        with database.write("writer", "record_results") as tx:
            tx.execute(lock, {"user": str(jobs[0].user_id)})
            late = pool.submit(store, database, [member(job) for job in jobs[::-1]])
            wait_until_it_waits(database, late)
            tx.execute(lock, {"user": str(jobs[-1].user_id)})
        assert late.result(60) is not None


def _roll_back(tx: Transaction) -> None:
    transaction = tx.connection.get_transaction()
    assert transaction is not None
    transaction.rollback()
