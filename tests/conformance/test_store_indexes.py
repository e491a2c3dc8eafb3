"""What runs all the time is served by small partial indexes, however long the history is."""

from collections.abc import Callable

import pytest
from sqlalchemy import Executable, func, select, text

from tests.support_store import accept
from wallet_provisioning.jobs.states import JobStatus
from wallet_provisioning.store import tables
from wallet_provisioning.store.database import Database
from wallet_provisioning.store.transaction import Transaction

JOBS = tables.jobs.c


def due_jobs(tx: Transaction) -> Executable:
    return select(JOBS.id).where(tables.CLAIMABLE, JOBS.due_at <= tx.now).order_by(JOBS.due_at, JOBS.id)


def next_due(tx: Transaction) -> Executable:
    return select(func.min(JOBS.due_at)).where(tables.CLAIMABLE, JOBS.due_at > tx.now)


def expired_leases(tx: Transaction) -> Executable:
    return select(JOBS.id).where(tables.HELD, JOBS.lease_until <= tx.now)


def unfinished_of_a_user(tx: Transaction) -> Executable:
    del tx
    return select(JOBS.id).where(tables.UNFINISHED, JOBS.user_id == "0190")


def failed_jobs(tx: Transaction) -> Executable:
    del tx
    status = JobStatus.FAILED.value
    return select(JOBS.id).where(
        text(f"status = '{status}'"), text("status IN ('retry', 'failed', 'cancelled')")
    )


def explain(database: Database, build: Callable[[Transaction], Executable]) -> str:
    verb = "EXPLAIN QUERY PLAN" if database.dialect == "sqlite" else "EXPLAIN"
    with database.write("test", "explain") as tx:
        if database.dialect == "postgresql":
            tx.execute(text("SET LOCAL enable_seqscan = off"))
        compiled = build(tx).compile(  # type: ignore[attr-defined]  # all that are given here can be compiled
            dialect=tx.connection.dialect, compile_kwargs={"literal_binds": True}
        )
        return str(tx.connection.exec_driver_sql(f"{verb} {compiled}".replace("%", "%%")).all())


@pytest.mark.parametrize(
    ("build", "index"),
    [
        (due_jobs, "ix_jobs_due"),
        (next_due, "ix_jobs_due"),
        (expired_leases, "ix_jobs_lease"),
        (unfinished_of_a_user, "uq_jobs_unfinished"),
        (failed_jobs, "ix_jobs_trouble"),
    ],
)
def test_a_query_that_runs_all_the_time_has_its_index(
    database: Database, build: Callable[[Transaction], Executable], index: str
) -> None:
    accept(database)

    plan = explain(database, build)

    assert index in plan
    assert "Sort" not in plan
    assert "TEMP B-TREE" not in plan
