import pytest
from sqlalchemy import text

from tests.support_store import accept, explode, in_one, timeline
from wallet_provisioning.jobs.states import AuditStatus
from wallet_provisioning.store import reports
from wallet_provisioning.store.audit import write_audit
from wallet_provisioning.store.database import Database
from wallet_provisioning.store.errors import RowRefusedError
from wallet_provisioning.store.transaction import Transaction


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_logs SET action = 'x'",
        "UPDATE audit_logs SET changes = NULL WHERE action LIKE '%job_created'",
        "DELETE FROM audit_logs",
    ],
)
def test_audit_rows_are_never_changed_or_deleted(database: Database, statement: str) -> None:
    job = accept(database).job
    before = timeline(database, job.id)

    with (
        pytest.raises(RowRefusedError, match="never changed or deleted"),
        database.write("test", "forge") as tx,
    ):
        tx.execute(text(statement))

    assert timeline(database, job.id) == before


def test_the_audit_table_is_not_emptied_whole_on_postgresql(database: Database) -> None:
    if database.dialect == "sqlite":
        return
    with pytest.raises(RowRefusedError), database.write("test", "forge") as tx:
        tx.execute(text("TRUNCATE audit_logs"))


def test_an_audit_row_says_who_did_what_to_what(database: Database) -> None:
    job = accept(database).job
    with database.write("admin:alice", "kill") as tx:
        write_audit(
            tx,
            action="admin:kill_actor",
            resource_type="actor",
            resource_id="jobs/1",
            user_id=job.user_id,
            job_id=job.id,
            before={"state": "running"},
            after=None,
            status=AuditStatus.FAILED,
            error_message="gone",
            trace_id="abc",
        )

    row = timeline(database, job.id)[-1]
    assert (row.actor, row.action, row.resource_type, row.resource_id) == (
        "admin:alice",
        "admin:kill_actor",
        "actor",
        "jobs/1",
    )
    assert (row.user_id, row.job_id, row.status, row.error_message, row.trace_id) == (
        job.user_id,
        job.id,
        AuditStatus.FAILED,
        "gone",
        "abc",
    )
    assert row.changes == {"before": {"state": "running"}, "after": None}


def test_an_audit_row_is_lost_with_its_transaction(database: Database) -> None:
    def write(tx: Transaction) -> None:
        write_audit(tx, action="admin:x", resource_type="none", resource_id=None)

    with pytest.raises(ZeroDivisionError):
        in_one(database, write, explode)

    with database.read() as connection:
        assert reports.list_audit(connection, reports.AuditFilter()).items == ()


def test_words_that_no_database_holds_do_no_harm(database: Database) -> None:
    with database.write("test", "odd") as tx:
        write_audit(
            tx,
            action="admin:odd",
            resource_type="none",
            resource_id="a\0b",
            after={"\0key": ["\ud800", "a\0", "\\u0000", "\\ud800"]},
            error_message="\udfff",
        )

    with database.read() as connection:
        (row,) = reports.list_audit(connection, reports.AuditFilter(action_prefix="admin:")).items
    assert row.resource_id == "a\ufffdb"
    assert row.error_message == "\ufffd"
    assert row.changes["after"] == {"\ufffdkey": ["\ufffd", "a\ufffd", "\\u0000", "\\ud800"]}
