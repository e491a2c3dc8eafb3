"""The first schema.

Revision ID: 0001
Revises:
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

ID = sa.String(36).with_variant(sa.String(36, collation="C"), "postgresql")
TIME = sa.DateTime(timezone=True).with_variant(sa.String(27), "sqlite")
DOCUMENT = sa.JSON().with_variant(JSONB(), "postgresql")

TABLES = (
    "wallet_provisioning_jobs",
    "request_keys",
    "circle_requests",
    "managed_wallets",
    "wallet_sets",
    "kyc_submissions",
    "audit_logs",
    "deployment",
    "job_totals",
    "job_error_totals",
)


def upgrade() -> None:
    """Make the tables, their indexes, and the triggers that keep the audit as it was written."""
    create_jobs()
    create_request_keys()
    create_circle_requests()
    create_wallets()
    create_wallet_sets()
    create_kyc_submissions()
    create_audit_logs()
    create_deployment()
    create_totals()
    if op.get_bind().dialect.name == "postgresql":
        protect_audit_on_postgresql()
    else:
        protect_audit_on_sqlite()


def downgrade() -> None:
    """Drop everything."""
    for name in reversed(TABLES):
        op.drop_table(name)
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION audit_logs_are_append_only()")


def partial_index(name: str, table: str, columns: list[str], condition: str, *, unique: bool = False) -> None:
    """Make an index over the rows that meet a condition."""
    where = sa.text(condition)
    op.create_index(name, table, columns, unique=unique, postgresql_where=where, sqlite_where=where)


def create_jobs() -> None:
    """Jobs; the partial indexes hold the few that are unfinished or in trouble."""
    op.create_table(
        "wallet_provisioning_jobs",
        sa.Column("id", ID, primary_key=True),
        sa.Column("user_id", ID, nullable=False),
        sa.Column("chains", DOCUMENT, nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("attempt_count", sa.Integer(), nullable=False),
        sa.Column("max_attempts", sa.Integer(), nullable=False),
        sa.Column("crash_count", sa.Integer(), nullable=False),
        sa.Column("error_type", sa.String(32)),
        sa.Column("error_message", sa.Text()),
        sa.Column("next_retry_at", TIME),
        sa.Column("due_at", TIME),
        sa.Column("lease_until", TIME),
        sa.Column("lease_holder", ID),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("source", sa.String(16), nullable=False),
        sa.Column("traceparent", sa.Text()),
        sa.Column("trace_id", sa.Text()),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("claimed_at", TIME),
        sa.Column("started_at", TIME),
        sa.Column("completed_at", TIME),
        sa.Column("updated_at", TIME, nullable=False),
        sa.CheckConstraint(
            "status IN ('queued', 'in_progress', 'retry', 'completed', 'failed', 'cancelled')",
            name="ck_jobs_status",
        ),
    )
    name = "wallet_provisioning_jobs"
    claimable, unfinished = "status IN ('queued', 'retry')", "status IN ('queued', 'in_progress', 'retry')"
    partial_index("uq_jobs_unfinished", name, ["user_id"], unfinished, unique=True)
    partial_index("ix_jobs_due", name, ["due_at", "id"], claimable)
    partial_index("ix_jobs_lease", name, ["lease_until"], "status = 'in_progress'")
    partial_index("ix_jobs_trouble", name, ["status", "id"], "status IN ('retry', 'failed', 'cancelled')")
    op.create_index("ix_jobs_user", name, ["user_id", "id"])


def create_request_keys() -> None:
    """The keys of requests; written before their job, hence the deferred reference."""
    op.create_table(
        "request_keys",
        sa.Column("kind", sa.String(16), primary_key=True),
        sa.Column("value", sa.Text(), primary_key=True),
        sa.Column(
            "job_id",
            ID,
            sa.ForeignKey("wallet_provisioning_jobs.id", deferrable=True, initially="DEFERRED"),
            nullable=False,
        ),
        sa.Column("created_at", TIME, nullable=False),
    )


def create_circle_requests() -> None:
    """What was or will be sent to Circle."""
    op.create_table(
        "circle_requests",
        sa.Column("id", ID, primary_key=True),
        sa.Column("idempotency_key", ID, nullable=False),
        sa.Column("chain", sa.Text(), nullable=False),
        sa.Column("blockchain", sa.String(32), nullable=False),
        sa.Column("wallet_set_id", ID, nullable=False),
        sa.Column("account_type", sa.String(8), nullable=False),
        sa.Column("members", DOCUMENT, nullable=False),
        sa.Column("first_sent_at", TIME, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("ambiguous", sa.Boolean(), nullable=False),
        sa.Column("certain", sa.Boolean(), nullable=False),
        sa.Column("refusal", sa.Text()),
        sa.UniqueConstraint("idempotency_key", name="uq_requests_key"),
        sa.CheckConstraint("state IN ('unresolved', 'resolved', 'refused')", name="ck_requests_state"),
    )


def create_wallets() -> None:
    """One wallet a user and chain."""
    op.create_table(
        "managed_wallets",
        sa.Column("id", ID, primary_key=True),
        sa.Column("user_id", ID, nullable=False),
        sa.Column("chain", sa.Text(), nullable=False),
        sa.Column("blockchain", sa.String(32)),
        sa.Column("address", sa.Text()),
        sa.Column("circle_wallet_id", ID),
        sa.Column("wallet_set_id", ID),
        sa.Column("account_type", sa.String(8)),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("error_type", sa.String(32)),
        sa.Column("error_message", sa.Text()),
        sa.Column("ref_id", sa.Text()),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("request_id", ID),
        sa.Column("position", sa.Integer()),
        sa.Column("alone", sa.Boolean(), nullable=False),
        sa.Column("job_id", ID),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("updated_at", TIME, nullable=False),
        sa.UniqueConstraint("user_id", "chain", name="uq_wallets_user_chain"),
        sa.UniqueConstraint("circle_wallet_id", name="uq_wallets_circle_wallet"),
        sa.CheckConstraint("status IN ('creating', 'live', 'failed')", name="ck_wallets_status"),
    )
    partial_index("ix_wallets_request", "managed_wallets", ["request_id"], "status <> 'live'")


def create_wallet_sets() -> None:
    """The wallet sets at Circle."""
    op.create_table(
        "wallet_sets",
        sa.Column("id", ID, primary_key=True),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("circle_wallet_set_id", ID, nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("updated_at", TIME, nullable=False),
        sa.UniqueConstraint("circle_wallet_set_id", name="uq_wallet_sets_circle"),
        sa.CheckConstraint("status IN ('active', 'inactive')", name="ck_wallet_sets_status"),
    )


def create_kyc_submissions() -> None:
    """What the KYC provider said."""
    op.create_table(
        "kyc_submissions",
        sa.Column("provider_ref", sa.Text(), primary_key=True),
        sa.Column("user_id", ID, nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("rejection_reasons", DOCUMENT, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("updated_at", TIME, nullable=False),
        sa.CheckConstraint(
            "status IN ('pending', 'processing', 'approved', 'rejected', 'expired')", name="ck_kyc_status"
        ),
    )
    op.create_index("ix_kyc_user", "kyc_submissions", ["user_id"])


def create_audit_logs() -> None:
    """The audit trail."""
    op.create_table(
        "audit_logs",
        sa.Column("id", ID, primary_key=True),
        sa.Column("user_id", ID),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("resource_type", sa.String(32), nullable=False),
        sa.Column("resource_id", sa.Text()),
        sa.Column("changes", DOCUMENT, nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("error_message", sa.Text()),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("trace_id", sa.Text()),
        sa.Column("job_id", ID),
        sa.Column("epoch", sa.Integer()),
        sa.CheckConstraint("status IN ('success', 'failed', 'retry_scheduled')", name="ck_audit_status"),
    )
    op.create_index("ix_audit_user", "audit_logs", ["user_id", "id"])
    op.create_index("ix_audit_job", "audit_logs", ["job_id", "id"])


def create_deployment() -> None:
    """The stamp, a single row."""
    op.create_table(
        "deployment",
        sa.Column("id", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("environment", sa.String(16), nullable=False),
        sa.Column("wallet_set_id", ID),
        sa.Column("created_at", TIME, nullable=False),
        sa.CheckConstraint("id = 1", name="ck_deployment_single"),
    )


def create_totals() -> None:
    """The counts, a row a shard."""
    op.create_table(
        "job_totals",
        sa.Column("shard", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("succeeded", sa.BigInteger(), nullable=False),
        sa.Column("failed", sa.BigInteger(), nullable=False),
        sa.Column("retried", sa.BigInteger(), nullable=False),
        sa.Column("timed", sa.BigInteger(), nullable=False),
        sa.Column("duration_us", sa.BigInteger(), nullable=False),
        sa.Column("last_processed_at", TIME, nullable=False),
    )
    op.create_table(
        "job_error_totals",
        sa.Column("shard", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("error_type", sa.String(32), primary_key=True),
        sa.Column("count", sa.BigInteger(), nullable=False),
    )


def protect_audit_on_postgresql() -> None:
    """Refuse to change, delete or truncate audit rows."""
    op.execute(
        """
        CREATE FUNCTION audit_logs_are_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            RAISE EXCEPTION 'audit rows are never changed or deleted' USING ERRCODE = '23001';
        END $$
        """
    )
    op.execute(
        """
        CREATE TRIGGER audit_logs_no_change BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_logs
        FOR EACH STATEMENT EXECUTE FUNCTION audit_logs_are_append_only()
        """
    )


def protect_audit_on_sqlite() -> None:
    """Refuse to change or delete audit rows."""
    for verb in ("UPDATE", "DELETE"):
        op.execute(
            f"""
            CREATE TRIGGER audit_logs_no_{verb.lower()} BEFORE {verb} ON audit_logs
            BEGIN SELECT RAISE(ABORT, 'audit rows are never changed or deleted'); END
            """
        )
