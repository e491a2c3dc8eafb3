from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from tests.support_store import (
    BAD_INPUT,
    ETH,
    EXPIRED,
    LEASE,
    SOL,
    TIMEOUT,
    WALLET_SET,
    accept,
    apply,
    claim,
    claim_new,
    live,
    member,
    open_requests,
    operate,
    record,
    request,
    result,
    wallet_of,
)
from wallet_provisioning.jobs import moves
from wallet_provisioning.jobs.identity import Member, reference, wallet_key
from wallet_provisioning.jobs.moves import ClaimedJob
from wallet_provisioning.jobs.states import WalletStatus
from wallet_provisioning.store import claims, wallets
from wallet_provisioning.store.database import Database


def three_jobs(database: Database) -> tuple[ClaimedJob, ...]:
    for _ in range(3):
        accept(database)
    return claim(database)


def refuse(database: Database, request_id: UUID) -> bool:
    with database.write("circle/ETH", "refuse") as tx:
        return wallets.refuse_request(tx, request_id, message="bad name")


def stored(opened: wallets.Opened) -> wallets.StoredRequest:
    assert opened.request is not None
    return opened.request


def test_a_new_request_holds_all_members_in_their_order_under_a_derived_key(database: Database) -> None:
    jobs = three_jobs(database)

    new = stored(open_requests(database, *jobs[::-1]))

    assert [one.user_id for one in new.members] == [job.user_id for job in jobs[::-1]]
    assert [one.job_id for one in new.members] == [job.id for job in jobs[::-1]]
    expected = wallet_key(str(WALLET_SET), [Member(user_id=job.user_id, chain="ETH") for job in jobs[::-1]])
    assert new.idempotency_key == expected
    assert new.members[0].ref_id == reference(str(WALLET_SET), jobs[2].user_id, "ETH")
    assert (new.blockchain, new.account_type, new.wallet_set_id) == ("ETH-SEPOLIA", "SCA", WALLET_SET)
    assert new.age is None


def test_names_are_what_circle_allows(database: Database) -> None:
    (one,) = stored(open_requests(database, claim_new(database))).members

    assert len(one.name) <= 50
    assert len(one.ref_id) <= 100
    assert not set("()") & set(one.name)


def test_the_network_stands_on_the_wallet_once_it_is_asked_for(database: Database) -> None:
    job = claim_new(database)
    assert wallet_of(database, job.user_id).blockchain is None

    open_requests(database, job)

    wallet = wallet_of(database, job.user_id)
    assert (wallet.blockchain, wallet.account_type, wallet.wallet_set_id) == (
        "ETH-SEPOLIA",
        "SCA",
        WALLET_SET,
    )
    assert wallet.status is WalletStatus.CREATING


def test_a_stored_request_is_returned_whole_to_any_of_its_members(database: Database) -> None:
    jobs = three_jobs(database)
    new = stored(open_requests(database, *jobs))

    again = open_requests(database, jobs[1])

    assert again.request is None
    (found,) = again.unresolved
    assert found.age is not None
    assert found.age >= timedelta()
    assert (found.id, found.idempotency_key, found.members) == (new.id, new.idempotency_key, new.members)


def test_members_of_a_stored_request_are_not_put_into_the_new_one(database: Database) -> None:
    one, two, three = three_jobs(database)
    first = stored(open_requests(database, one))

    opened = open_requests(database, one, two, three)

    assert [found.id for found in opened.unresolved] == [first.id]
    assert [new.user_id for new in stored(opened).members] == [two.user_id, three.user_id]


def test_another_daemon_with_another_set_of_chains_finds_the_same_request(database: Database) -> None:
    accept(database)
    (job,) = claim(database, lease=LEASE)
    first = stored(open_requests(database, job))
    apply(database, moves.schedule_retry(job, TIMEOUT, timedelta()))
    (again,) = claim(database)

    assert [found.id for found in open_requests(database, again).unresolved] == [first.id]
    assert stored(open_requests(database, again, chain=SOL)).chain == "SOL"


def test_members_whose_hold_is_over_are_fenced_off(database: Database) -> None:
    accept(database)
    (expired,) = claim(database, lease=EXPIRED)
    handed_back = claim_new(database)
    apply(database, moves.hand_back(handed_back))
    (holder,) = claim(database)
    stranger = wallets.RequestMember(job_id=uuid4(), epoch=1, user_id=uuid4())
    zombie = wallets.RequestMember(job_id=holder.id, epoch=holder.epoch - 1, user_id=holder.user_id)

    with database.write("circle/ETH", "request") as tx:
        opened = wallets.open_request(
            tx, chain=ETH, wallet_set_id=WALLET_SET, members=[member(expired), zombie, stranger]
        )

    assert opened.fenced_off == (member(expired), zombie, stranger)
    assert (opened.request, opened.unresolved, opened.live) == (None, (), {})
    assert stored(open_requests(database, holder)).members[0].user_id == holder.user_id


def test_wallets_that_are_live_already_are_not_asked_for(database: Database) -> None:
    one, two, _ = three_jobs(database)
    found = live()
    record(database, result(one, found))

    opened = open_requests(database, one, two)

    assert opened.live[one.user_id].circle_wallet_id == found.circle_wallet_id
    assert [new.user_id for new in stored(opened).members] == [two.user_id]


def test_a_wallet_that_failed_for_good_is_not_asked_for(database: Database) -> None:
    job = claim_new(database)
    record(database, result(job, BAD_INPUT))

    opened = open_requests(database, job)
    assert opened.failed == {job.user_id: BAD_INPUT}
    assert (opened.request, opened.unresolved, opened.fenced_off) == (None, (), ())


def test_apart_each_member_gets_a_request_of_its_own(database: Database) -> None:
    jobs = three_jobs(database)

    opened = open_requests(database, *jobs, together=False)

    assert opened.request is None
    assert [len(new.members) for new in opened.unresolved] == [1, 1, 1]
    assert {new.age for new in opened.unresolved} == {None}


def test_apart_a_single_member_has_the_request_itself(database: Database) -> None:
    opened = open_requests(database, claim_new(database), together=False)

    assert len(stored(opened).members) == 1
    assert opened.unresolved == ()


def test_a_refused_batch_is_split_and_never_formed_again(database: Database) -> None:
    jobs = three_jobs(database)
    batch = stored(open_requests(database, *jobs))

    assert refuse(database, batch.id)
    accept(database)
    (newcomer,) = claim(database)
    opened = open_requests(database, *jobs, newcomer)

    assert [new.user_id for new in stored(opened).members] == [newcomer.user_id]
    assert [len(alone.members) for alone in opened.unresolved] == [1, 1, 1]
    keys = {batch.idempotency_key, *(alone.idempotency_key for alone in opened.unresolved)}
    assert len(keys) == 4


def test_a_request_of_one_that_was_refused_is_asked_again_under_the_same_key(database: Database) -> None:
    job = claim_new(database)
    first = stored(open_requests(database, job))
    refuse(database, first.id)
    record(database, result(job, BAD_INPUT))
    apply(database, moves.fail(job, TIMEOUT))
    operate(database, moves.retry_now(job.id))
    (again,) = claim(database)

    second = stored(open_requests(database, again))

    assert (second.id, second.idempotency_key) == (first.id, first.idempotency_key)
    assert second.age is None


def test_after_an_ambiguous_send_a_request_is_never_split(database: Database) -> None:
    jobs = three_jobs(database)
    batch = stored(open_requests(database, *jobs))
    with database.write("circle/ETH", "call") as tx:
        wallets.mark_ambiguous(tx, batch.id)

    assert not refuse(database, batch.id)

    assert [found.id for found in open_requests(database, *jobs).unresolved] == [batch.id]


def test_a_request_that_is_handed_out_again_counts_as_ambiguous(database: Database) -> None:
    jobs = three_jobs(database)
    batch = stored(open_requests(database, *jobs))
    open_requests(database, jobs[0])

    assert not refuse(database, batch.id)


def test_a_send_that_certainly_made_nothing_leaves_the_request_free_to_be_split(
    database: Database,
) -> None:
    jobs = three_jobs(database)
    batch = stored(open_requests(database, *jobs))
    with database.write("circle/ETH", "call") as tx:
        wallets.mark_certain(tx, batch.id)
    open_requests(database, jobs[0])

    assert refuse(database, batch.id)
    assert not refuse(database, batch.id)


def test_a_failed_job_does_not_free_its_member(database: Database) -> None:
    jobs = three_jobs(database)
    batch = stored(open_requests(database, *jobs))
    apply(database, moves.fail(jobs[0], TIMEOUT))
    accept(database, request(jobs[0].user_id))
    (again,) = claim(database)

    opened = open_requests(database, again)

    assert [found.id for found in opened.unresolved] == [batch.id]
    assert again.id in {one.job_id for one in opened.unresolved[0].members}


def test_a_wallet_that_failed_in_a_resolved_request_meets_it_again(database: Database) -> None:
    one, two, three = three_jobs(database)
    batch = stored(open_requests(database, one, two, three))
    record(
        database,
        result(one, live(), request_id=batch.id),
        result(two, live(), request_id=batch.id),
        result(three, BAD_INPUT, request_id=batch.id),
    )
    apply(database, moves.fail(three, TIMEOUT))
    operate(database, moves.retry_now(three.id))
    (again,) = claim(database)

    (found,) = open_requests(database, again).unresolved

    assert (found.id, found.members) == (batch.id, batch.members)


def test_the_generation_rises_for_those_that_circle_does_not_have(database: Database) -> None:
    one, two, _ = three_jobs(database)
    batch = stored(open_requests(database, one, two))
    record(database, result(one, live(), request_id=batch.id))
    with database.write("circle/ETH", "refused key") as tx:
        wallets.raise_generation(tx, batch.id, members=[two.user_id, one.user_id])

    new = stored(open_requests(database, two))

    assert [(m.user_id, m.generation) for m in new.members] == [(two.user_id, 1)]
    assert new.members[0].ref_id == batch.members[1].ref_id
    assert new.idempotency_key != batch.idempotency_key


def test_the_generation_rises_once_however_often_it_is_told(database: Database) -> None:
    job = claim_new(database)
    first = stored(open_requests(database, job))
    for _ in range(2):
        with database.write("circle/ETH", "refused key") as tx:
            wallets.raise_generation(tx, first.id, members=[job.user_id])
    second = stored(open_requests(database, job))
    with database.write("circle/ETH", "zombie") as tx:
        wallets.raise_generation(tx, first.id, members=[job.user_id])

    assert second.members[0].generation == 1
    assert [found.id for found in open_requests(database, job).unresolved] == [second.id]


def test_a_request_survives_the_rescue_of_its_jobs(database: Database) -> None:
    accept(database)
    (job,) = claim(database)
    first = stored(open_requests(database, job))
    with database.write("daemon", "start") as tx:
        claims.rescue_orphans(tx)
    (again,) = claim(database)

    (found,) = open_requests(database, again).unresolved

    assert (found.id, found.members) == (first.id, first.members)


@pytest.mark.parametrize("count", [1, 200])
def test_a_request_takes_as_many_members_as_circle_does(database: Database, count: int) -> None:
    for _ in range(count):
        accept(database, request(chains=("ETH",)))
    jobs = claim(database, limit=count)

    assert len(stored(open_requests(database, *jobs)).members) == count


def test_nobody_needs_nothing(database: Database) -> None:
    assert open_requests(database) == wallets.Opened(
        request=None, unresolved=(), live={}, failed={}, fenced_off=()
    )
