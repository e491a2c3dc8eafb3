"""What runs all the time is served by small partial indexes, however long the history is."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Connection, Executable, event, func, select, text

from tests.support_store import accept, operate
from wallet_provisioning.jobs.errors import ErrorType
from wallet_provisioning.jobs.moves import cancel
from wallet_provisioning.jobs.states import AuditStatus, JobStatus, WalletStatus
from wallet_provisioning.store import reports, tables
from wallet_provisioning.store.database import Database
from wallet_provisioning.store.reports import AuditFilter, JobFilter, WalletFilter
from wallet_provisioning.store.transaction import Transaction

JOBS = tables.jobs.c
USER = UUID("0190aaaa-0000-7000-8000-000000000001")

Read = Callable[[Connection], object]


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


def jobs_of(**wanted: Any) -> Read:
    return lambda connection: reports.list_jobs(connection, JobFilter(**wanted))


def wallets_of(**wanted: Any) -> Read:
    return lambda connection: reports.list_wallets(connection, WalletFilter(**wanted))


def audit_of(**wanted: Any) -> Read:
    return lambda connection: reports.list_audit(connection, AuditFilter(**wanted))


def plans(database: Database, read: Read) -> str:
    """Run a reader and return how the database goes about each of its statements."""
    verb = "EXPLAIN QUERY PLAN" if database.dialect == "sqlite" else "EXPLAIN"
    said: list[tuple[str, Any]] = []
    with database.read() as connection:
        if database.dialect == "postgresql":
            connection.execute(text("SET LOCAL enable_seqscan = off"))

        def note(*given: Any) -> None:
            said.append((given[2], given[3]))

        event.listen(connection, "before_cursor_execute", note)
        read(connection)
        event.remove(connection, "before_cursor_execute", note)
        return str([connection.exec_driver_sql(f"{verb} {each}", values).all() for each, values in said])


@pytest.mark.parametrize(
    ("read", "index"),
    [
        (jobs_of(user_id=USER), "ix_jobs_user"),
        (jobs_of(status=JobStatus.FAILED), "ix_jobs_trouble"),
        (jobs_of(status=JobStatus.RETRY, chain="ETH"), "ix_jobs_trouble"),
        (jobs_of(error_type=ErrorType.TIMEOUT), "ix_jobs_error"),
        (jobs_of(status=JobStatus.IN_PROGRESS), "ix_jobs_lease"),
        (jobs_of(status=JobStatus.QUEUED), "ix_jobs_due"),
        (wallets_of(status=WalletStatus.FAILED), "ix_wallets_not_live"),
        (wallets_of(error_type=ErrorType.TIMEOUT), "ix_wallets_error"),
        (wallets_of(status=WalletStatus.CREATING), "ix_wallets_not_live"),
        (audit_of(user_id=USER), "ix_audit_of_user"),
        (audit_of(job_id=USER), "ix_audit_of_job"),
        (audit_of(status=AuditStatus.FAILED), "ix_audit_status"),
        (audit_of(action_prefix="admin:"), "ix_audit_action"),
    ],
)
def test_a_list_has_its_index(database: Database, read: Read, index: str) -> None:
    accept(database)
    operate(database, cancel(accept(database).job.id))

    found = plans(database, read)

    assert index in found
    assert "Seq Scan" not in found
    for table in ("wallet_provisioning_jobs", "managed_wallets", "audit_logs"):
        assert f"SCAN {table}'" not in found


def test_a_list_goes_by_the_ids_without_sorting(database: Database) -> None:
    accept(database)

    for read in (jobs_of(), wallets_of(), audit_of(), jobs_of(error_type=ErrorType.TIMEOUT)):
        found = plans(database, read)
        assert "Sort" not in found
        assert "TEMP B-TREE" not in found
