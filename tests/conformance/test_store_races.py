"""Many at once: threads on one pool, and processes of their own."""

import json
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar
from uuid import UUID, uuid4

from tests.support_store import (
    LEASE,
    accept,
    actions,
    apply,
    claim,
    claim_new,
    finish,
    job_of,
    live,
    open_requests,
    record,
    request,
    request_id,
    result,
)
from wallet_provisioning.jobs import moves
from wallet_provisioning.jobs.errors import ErrorType
from wallet_provisioning.jobs.kyc import KycStatus
from wallet_provisioning.jobs.moves import ClaimedJob
from wallet_provisioning.store import claims, kyc, reports
from wallet_provisioning.store.database import Database
from wallet_provisioning.store.errors import ConflictError, StoreBusyError
from wallet_provisioning.store.moves import move_by_operator

Answer = TypeVar("Answer")


def at_once(count: int, work: Callable[[int], Answer]) -> list[Answer]:
    """Run the work in as many threads, which all start together."""
    barrier = threading.Barrier(count)

    def run(number: int) -> Answer:
        barrier.wait()
        return work(number)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(run, range(count)))


def persistently(work: Callable[[], Answer]) -> Answer:
    """Do what a caller does when the store is busy: ask again."""
    while True:
        try:
            return work()
        except StoreBusyError:
            continue


def test_a_hundred_requests_for_one_user_make_one_job(database: Database) -> None:
    user = uuid4()
    chains = [("ETH",), ("SOL", "ETH"), ("APTOS",), ("ETH", "SOL", "APTOS")]

    answers = at_once(
        100, lambda number: persistently(lambda: accept(database, request(user, chains[number % 4])))
    )

    assert len({answer.job.id for answer in answers}) == 1
    assert sum(answer.created for answer in answers) == 1
    job = job_of(database, answers[0].job.id)
    assert sorted(job.chains) == ["APTOS", "ETH", "SOL"]
    assert actions(database, job.id).count("job_created") == 1


def test_a_hundred_requests_with_one_key_make_one_job_whoever_asks(database: Database) -> None:
    answers = at_once(
        100, lambda _: persistently(lambda: accept(database, request(keys=[request_id("same")])))
    )

    assert len({answer.job.id for answer in answers}) == 1
    with database.read() as connection:
        assert len(reports.list_jobs(connection, reports.JobFilter()).items) == 1


def test_a_hundred_approvals_of_one_submission_make_one_job(database: Database) -> None:
    callback = kyc.KycCallback(
        provider_ref="ref",
        status=KycStatus.APPROVED,
        user_id=None,
        rejection_reasons=(),
        chains=("ETH",),
        max_attempts=5,
        traceparent=None,
        registers_unknown=True,
    )

    def approve() -> UUID:
        with database.write("http", "kyc") as tx:
            answer = kyc.accept_callback(tx, callback)
        assert answer.job is not None
        return answer.job.id

    assert len(set(at_once(100, lambda _: persistently(approve)))) == 1


def test_requests_never_fall_between_an_ending_job_and_its_successor(database: Database) -> None:
    user = uuid4()
    for number in range(6):
        accept(database, request(user, (f"FIRST-{number}",)))
        (job,) = claim(database)
        record(database, *[result(job, live(), name) for name in job.chains])

        def end_or_ask(thread: int, job: ClaimedJob = job, number: int = number) -> None:
            if thread == 0:
                persistently(lambda: apply(database, moves.complete(job)))
            else:
                persistently(lambda: accept(database, request(user, (f"SECOND-{number}",))))

        at_once(4, end_or_ask)
        for left in claim(database):
            finish(database, left)
    with database.read() as connection:
        owned = reports.user_wallets(connection, user)
    assert len(owned) == 12
    assert {wallet.status for wallet in owned} == {"live"}


def test_claimers_never_share_a_job(database: Database) -> None:
    wanted = {accept(database, request(chains=("ETH",))).job.id for _ in range(60)}

    def take(_: int) -> list[UUID]:
        taken: list[UUID] = []
        while jobs := persistently(lambda: claim(database, limit=7)):
            taken += [job.id for job in jobs]
        return taken

    taken = Counter(job_id for part in at_once(8, take) for job_id in part)

    assert set(taken) == wanted
    assert set(taken.values()) == {1}


_CLAIMER = """
import json, sys, uuid
from tests.support_store import claim
from wallet_provisioning.clock import SystemClock
from wallet_provisioning.store.database import Database
database = Database(sys.argv[1], clock=SystemClock())
taken = []
print("ready", flush=True)
sys.stdin.readline()
while jobs := claim(database, limit=5):
    taken += [str(job.id) for job in jobs]
print(json.dumps(taken))
"""


def test_claimers_in_processes_of_their_own_never_share_a_job(database: Database, database_url: str) -> None:
    wanted = {str(accept(database, request(chains=("ETH",))).job.id) for _ in range(60)}

    claimers = [
        subprocess.Popen(
            [sys.executable, "-c", _CLAIMER, database_url],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    for claimer in claimers:
        assert claimer.stdout is not None
        assert claimer.stdout.readline() == "ready\n"
    taken = [job_id for claimer in claimers for job_id in json.loads(claimer.communicate("go\n")[0])]

    assert sorted(taken) == sorted(wanted)


def test_an_end_counts_once_however_often_it_is_told_at_once(database: Database) -> None:
    job = claim_new(database, request(chains=("ETH",)))
    record(database, result(job, live()))

    ended = at_once(16, lambda _: apply(database, moves.complete(job)))

    assert sum(len(moved) for moved in ended) == 1
    assert actions(database, job.id).count("provision_complete") == 1
    with database.read() as connection:
        assert reports.totals(connection).succeeded == 1


def test_openers_at_once_put_a_wallet_into_one_request(database: Database) -> None:
    for _ in range(6):
        accept(database, request(chains=("ETH",)))
    jobs = claim(database)
    pairs = [(jobs[number], jobs[(number + 1) % 6]) for number in range(6)]

    opened = at_once(6, lambda number: persistently(lambda: open_requests(database, *pairs[number])))

    requests = {}
    for answer in opened:
        for stored in (*([answer.request] if answer.request else []), *answer.unresolved):
            requests[stored.id] = stored
    members = Counter(member.user_id for stored in requests.values() for member in stored.members)
    assert members == Counter(job.user_id for job in jobs)


def test_retry_by_an_operator_and_a_new_request_never_make_two_unfinished_jobs(database: Database) -> None:
    job = claim_new(database, request(chains=("ETH",)))
    apply(database, moves.fail(job, moves.Failure(error_type=ErrorType.CRASH, message="x")))

    def start(number: int) -> None:
        try:
            if number % 2:
                accept(database, request(job.user_id, ("ETH",)))
            else:
                with database.write("admin", "retry") as tx:
                    move_by_operator(tx, moves.retry_now(job.id))
        except (ConflictError, StoreBusyError):
            return

    at_once(10, start)

    assert len(claim(database)) == 1


def test_a_rescue_and_a_claim_at_once_leave_one_holder(database: Database) -> None:
    job = claim_new(database, request(chains=("ETH",)))
    with database.write("rescuer", "rescue") as tx:
        claims.rescue_orphans(tx)

    taken = at_once(6, lambda _: persistently(lambda: claim(database, lease=LEASE)))

    holders = [again for part in taken for again in part]
    assert [again.id for again in holders] == [job.id]
    assert holders[0].epoch == job.epoch + 1
