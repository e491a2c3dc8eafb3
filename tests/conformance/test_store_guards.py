"""The database itself refuses a move that nobody wrote down, whoever tries it."""

import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import create_engine, insert, literal, select, text

from tests.support_store import accept, apply, claim, claim_new, finish, in_one, job_of, operate, timeline
from wallet_provisioning.jobs.moves import cancel, complete, hand_back, retry_now
from wallet_provisioning.jobs.states import JobStatus
from wallet_provisioning.store import reports
from wallet_provisioning.store.audit import write_audit
from wallet_provisioning.store.claims import renew_lease
from wallet_provisioning.store.database import Database
from wallet_provisioning.store.errors import RowRefusedError
from wallet_provisioning.store.moves import apply_moves
from wallet_provisioning.store.tables import jobs
from wallet_provisioning.store.transaction import Transaction
from wallet_provisioning.store.urls import parse_url

BY_HAND = [
    "UPDATE wallet_provisioning_jobs SET status = 'completed'",
    "UPDATE wallet_provisioning_jobs SET epoch = epoch + 1",
    "UPDATE wallet_provisioning_jobs SET attempt_count = 0, status = 'retry'",
]


def test_a_state_that_is_changed_by_hand_is_refused(database: Database) -> None:
    job = claim_new(database)
    accept(database)
    before = job_of(database, job.id)

    for statement in BY_HAND:
        with pytest.raises(RowRefusedError, match="only together with its audit row"):
            in_one(database, _run(statement))

    assert job_of(database, job.id) == before


def test_the_same_statement_outside_of_the_program_is_refused_too(
    database: Database, database_url: str
) -> None:
    accept(database)
    engine = create_engine(parse_url(database_url))
    with pytest.raises(Exception, match="only together with its audit row"), engine.begin() as connection:
        connection.execute(text(BY_HAND[0]))
    engine.dispose()


def test_a_job_that_is_inserted_by_hand_is_found_by_the_query_that_the_page_gives(database: Database) -> None:
    page = (Path(__file__).parents[2] / "docs" / "audit.md").read_text()
    (found,) = re.findall(r"^    (SELECT id, user_id, created_at .*?;)$", page, re.DOTALL | re.MULTILINE)
    finish(database, claim_new(database))
    accept(database)
    forged = uuid4()
    kept = [column for column in jobs.columns if column.name not in {"id", "user_id"}]
    like_another = select(
        literal(forged, jobs.c.id.type), literal(uuid4(), jobs.c.user_id.type), *kept
    ).limit(1)
    by_hand = insert(jobs).from_select(["id", "user_id", *(column.name for column in kept)], like_another)
    in_one(database, lambda tx: tx.execute(by_hand))

    with database.read() as connection:
        assert [row.id for row in connection.execute(text(found))] == [str(forged)]


def test_what_is_no_state_may_change_without_an_audit_row(database: Database) -> None:
    job = claim_new(database)
    with database.write("jobs/1", "renew") as tx:
        renew_lease(tx, job_id=job.id, epoch=job.epoch, lease=timedelta(minutes=1))


def test_an_audit_row_of_an_earlier_transaction_or_another_job_doesnt_help(database: Database) -> None:
    first, second = accept(database).job, accept(database).job

    def cancel_one_and_audit_another(tx: Transaction) -> None:
        write_audit(
            tx,
            action="admin:x",
            resource_type="job",
            resource_id=second.id,
            job_id=second.id,
            after={"status": "cancelled", "attempt_count": 0},
        )
        tx.execute(
            text("UPDATE wallet_provisioning_jobs SET status = 'cancelled' WHERE id = :id"),
            {"id": str(first.id)},
        )

    with pytest.raises(RowRefusedError):
        in_one(database, cancel_one_and_audit_another)


def test_every_move_of_the_program_passes(database: Database) -> None:
    """Claims, moves in sets, in savepoints, two of one job in a transaction: none is refused."""
    job = claim_new(database)
    apply(database, hand_back(job))
    (again,) = claim(database)
    finish(database, again)
    others = [accept(database).job for _ in range(3)]
    held = claim(database)
    apply(database, *[complete(one) for one in held])
    assert {job_of(database, one.id).status for one in others} == {JobStatus.COMPLETED}
    stopped = accept(database).job
    operate(database, cancel(stopped.id))
    with database.write("admin", "both") as tx:
        apply_moves(tx, [retry_now(stopped.id), cancel(stopped.id)])
    assert job_of(database, stopped.id).status in {JobStatus.QUEUED, JobStatus.CANCELLED}


def test_jobs_are_not_deleted_by_hand(database: Database) -> None:
    accept(database)
    with (
        pytest.raises(RowRefusedError, match="deleted by the retention only"),
        database.write("test", "forge") as tx,
    ):
        tx.execute(text("DELETE FROM wallet_provisioning_jobs"))


def test_an_emergency_is_audited_by_the_database_itself(database: Database) -> None:
    if database.dialect == "sqlite":
        return
    job = accept(database).job
    with database.write("test", "emergency") as tx:
        tx.execute(text("SET LOCAL wallet_provisioning.maintenance = 'ticket 7'"))
        tx.execute(text("UPDATE wallet_provisioning_jobs SET status = 'failed'"))

    row = timeline(database, job.id)[-1]
    assert (row.action, row.error_message) == ("maintenance:job_changed", "ticket 7")
    assert row.actor.startswith("database:")
    assert row.changes["before"]["status"] == "queued"
    assert row.changes["after"]["status"] == "failed"
    with pytest.raises(RowRefusedError), database.write("test", "after") as tx:
        tx.execute(text(BY_HAND[0]))


def _run(statement: str) -> Callable[[Transaction], object]:
    return lambda tx: tx.execute(text(statement))


def test_an_emergency_is_no_way_to_touch_the_audit(database: Database) -> None:
    if database.dialect == "sqlite":
        return
    accept(database)
    for statement in ("DELETE FROM audit_logs", "UPDATE audit_logs SET actor = 'x'", "TRUNCATE audit_logs"):
        with pytest.raises(RowRefusedError):
            in_one(database, _run("SET LOCAL wallet_provisioning.maintenance = 'x'"), _run(statement))
    with database.read() as connection:
        assert len(reports.list_audit(connection, reports.AuditFilter()).items) == 1
