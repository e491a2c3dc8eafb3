"""Fewer and narrower indexes: a job that goes well writes less, on both databases.

Wallets are bound to a request and go live without an index on what they point at; on PostgreSQL a page of
wallets is filled to two fifths, since a row grows to twice its size until it is live, and what fits beside
it there costs no index anything. Audit rows of a user, and of a job, share one entry of their index. On
SQLite the program numbers the rows that it adds, and the database refuses a wrong number.

Indexes that are there already are taken as they are: on a large database make them beforehand, with the
names and columns below, by `CREATE INDEX CONCURRENTLY`, and no write waits for them.

Revision ID: 0006
Revises: 0005
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

NEW = (
    ("ix_wallets_not_live", "managed_wallets", ["status", "id"], "status <> 'live'"),
    ("ix_audit_of_user", "audit_logs", ["user_id"], None),
    ("ix_audit_of_job", "audit_logs", ["job_id"], None),
)
OLD = (
    ("ix_wallets_request", "managed_wallets", ["request_id"], "status <> 'live'"),
    ("ix_wallets_failed", "managed_wallets", ["id"], "status = 'failed'"),
    ("ix_audit_user", "audit_logs", ["user_id", "id"], None),
    ("ix_audit_job", "audit_logs", ["job_id", "id"], None),
)
FILL = 40  # percent

NUMBER_ALL = """
    CREATE TRIGGER audit_logs_number AFTER INSERT ON audit_logs
    BEGIN
        UPDATE audit_logs SET position = 1 + (SELECT max(position) FROM audit_logs) WHERE id = NEW.id;
    END
"""
NUMBER_UNNUMBERED = NUMBER_ALL.replace(" ON audit_logs\n", " ON audit_logs WHEN NEW.position = 0\n", 1)
REFUSE_WRONG_NUMBER = """
    CREATE TRIGGER audit_logs_in_order BEFORE INSERT ON audit_logs
    WHEN NEW.position <> 0 AND NEW.position <> 1 + coalesce((SELECT max(position) FROM audit_logs), 0)
    BEGIN SELECT RAISE(ABORT, 'audit rows are numbered by the database'); END
"""


def upgrade() -> None:
    """Make the new indexes before the old ones go, so that nothing is ever without one."""
    replace(NEW, OLD)
    if op.get_context().dialect.name == "postgresql":
        op.execute(f"ALTER TABLE managed_wallets SET (fillfactor = {FILL})")
        return
    op.execute("DROP TRIGGER audit_logs_number")
    op.execute(NUMBER_UNNUMBERED)
    op.execute(REFUSE_WRONG_NUMBER)


def downgrade() -> None:
    """Go back to the old indexes."""
    replace(OLD, NEW)
    if op.get_context().dialect.name == "postgresql":
        op.execute("ALTER TABLE managed_wallets RESET (fillfactor)")
        return
    op.execute("DROP TRIGGER audit_logs_in_order")
    op.execute("DROP TRIGGER audit_logs_number")
    op.execute(NUMBER_ALL)


def replace(
    made: tuple[tuple[str, str, list[str], str | None], ...],
    dropped: tuple[tuple[str, str, list[str], str | None], ...],
) -> None:
    """Make indexes, unless somebody did, and drop others."""
    for name, table, columns, condition in made:
        drop_invalid(name)
        where = None if condition is None else sa.text(condition)
        op.create_index(name, table, columns, if_not_exists=True, postgresql_where=where, sqlite_where=where)
    for name, table, _, _ in dropped:
        op.drop_index(name, table)


def drop_invalid(name: str) -> None:
    """Drop what a `CREATE INDEX CONCURRENTLY` that was cut off has left: nothing uses it."""
    if op.get_context().dialect.name != "postgresql":
        return
    is_invalid = sa.text(
        "SELECT EXISTS (SELECT 1 FROM pg_index WHERE indexrelid = to_regclass(:name) AND NOT indisvalid)"
    )
    if op.get_bind().execute(is_invalid, {"name": name}).scalar():
        op.execute(f"DROP INDEX {name}")
