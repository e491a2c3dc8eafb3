"""What is past its time goes, in short steps; what may still be needed never does."""

from datetime import timedelta
from uuid import UUID, uuid4

from sqlalchemy import text

from tests.support_store import (
    BAD_INPUT,
    accept,
    claim,
    finish,
    job_of,
    live,
    open_requests,
    operate,
    record,
    request,
    request_id,
    result,
)
from wallet_provisioning.jobs.moves import cancel
from wallet_provisioning.store import reports
from wallet_provisioning.store.database import Database
from wallet_provisioning.store.retention import NOTHING, START, Mark, sweep_jobs, sweep_requests

AT_ONCE = timedelta(seconds=-1)
DAY = timedelta(days=1)


def sweep(database: Database, *, keep: timedelta = AT_ONCE, limit: int = 500) -> int:
    """Make a whole pass over the jobs; return how many went."""
    mark: Mark | None = START
    count = 0
    while mark is not None:
        with database.write("sweeper", "sweep") as tx:
            swept = sweep_jobs(tx, mark, keep=keep, limit=limit)
        count += swept.count
        mark = swept.mark
    return count


def sweep_all_requests(database: Database, *, keep: timedelta = AT_ONCE) -> int:
    mark: Mark | None = START
    count = 0
    while mark is not None:
        with database.write("sweeper", "sweep") as tx:
            swept = sweep_requests(tx, mark, keep=keep, limit=2)
        count += swept.count
        mark = swept.mark
    return count


def ended(database: Database, user_id: UUID, chain: str, key: str) -> UUID:
    """Leave an ended job of a user; return its id."""
    job = accept(database, request(user_id, (chain,), keys=[request_id(key)])).job
    (held,) = claim(database)
    finish(database, held)
    return job.id


def job_ids(database: Database) -> set[UUID]:
    with database.read() as connection:
        return {job.id for job in reports.list_jobs(connection, reports.JobFilter(), limit=200).items}


def test_an_ended_job_goes_once_a_later_one_of_its_user_is_there(database: Database) -> None:
    user, other = uuid4(), uuid4()
    first = ended(database, user, "ETH", "a")
    alone = ended(database, other, "ETH", "b")
    assert sweep(database) == 0
    second = ended(database, user, "SOL", "c")

    assert sweep(database, keep=DAY) == 0
    assert sweep(database) == 1
    assert job_ids(database) == {second, alone}
    assert first not in job_ids(database)


def test_a_repeat_of_a_deleted_job_gets_the_latest_one_and_makes_none(database: Database) -> None:
    user = uuid4()
    ended(database, user, "ETH", "a")
    ended(database, user, "SOL", "b")
    latest = ended(database, user, "APTOS", "c")
    assert sweep(database) == 2

    for key, chain in (("a", "ETH"), ("b", "SOL"), ("c", "APTOS")):
        repeat = accept(database, request(user, (chain,), keys=[request_id(key)]))
        assert (repeat.job.id, repeat.created) == (latest, False)
    assert job_ids(database) == {latest}


def test_wallets_totals_and_audit_stay(database: Database) -> None:
    user = uuid4()
    first = ended(database, user, "ETH", "a")
    ended(database, user, "SOL", "b")
    with database.read() as connection:
        totals = reports.totals(connection)
        history = reports.job_timeline(connection, first)
        held = reports.user_wallets(connection, user)

    sweep(database)

    with database.read() as connection:
        assert reports.totals(connection) == totals
        assert reports.job_timeline(connection, first) == history
        assert reports.user_wallets(connection, user) == held
        (row,) = reports.list_audit(
            connection, reports.AuditFilter(action_prefix="wallet-worker:retention")
        ).items
    assert row.changes["before"] == {"deleted": [str(first)]}
    assert row.changes["after"]["count"] == 1


def test_an_unfinished_job_and_the_latest_one_never_go(database: Database) -> None:
    user = uuid4()
    first = accept(database, request(user, ("ETH",))).job
    operate(database, cancel(first.id))
    second = accept(database, request(user, ("ETH",))).job

    assert sweep(database) == 1
    assert job_ids(database) == {second.id}
    assert job_of(database, second.id).status.is_unfinished
    assert sweep(database) == 0


def test_a_pass_goes_on_where_a_full_step_ended(database: Database) -> None:
    for _ in range(4):
        user = uuid4()
        for chain in ("ETH", "SOL", "APTOS"):
            ended(database, user, chain, f"{user} {chain}")
    assert sweep(database, limit=3) == 8
    assert len(job_ids(database)) == 4


def test_only_one_daemon_sweeps_at_a_time(database: Database) -> None:
    if database.dialect == "sqlite":
        return
    with database.write("sweeper", "first") as first:
        assert sweep_jobs(first, START, keep=DAY).count == 0
        with database.write("sweeper", "second") as second:
            assert sweep_jobs(second, START, keep=DAY) == NOTHING


def test_a_request_goes_once_all_of_its_wallets_live(database: Database) -> None:
    accept(database, request(chains=("ETH",)))
    accept(database, request(chains=("ETH",)))
    first, second = claim(database)
    opened = open_requests(database, first, second).request
    assert opened is not None
    record(database, result(first, live(), request_id=opened.id))
    assert sweep_all_requests(database) == 0
    record(database, result(second, live(), request_id=opened.id))

    assert sweep_all_requests(database, keep=DAY) == 0
    assert sweep_all_requests(database) == 1
    with database.read() as connection:
        assert connection.execute(text("SELECT count(*) FROM circle_requests")).scalar() == 0


def test_a_request_that_a_failed_wallet_will_meet_again_stays(database: Database) -> None:
    accept(database, request(chains=("ETH",)))
    (job,) = claim(database)
    opened = open_requests(database, job).request
    assert opened is not None
    record(database, result(job, BAD_INPUT, request_id=opened.id))

    assert sweep_all_requests(database) == 0
