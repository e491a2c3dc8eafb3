"""Indexes for what operators look for, however long the history is; one that no query needs is dropped.

All are partial and leave out what a job that goes well writes, so they cost such a job nothing. On
PostgreSQL the tables whose rows are written again and again are vacuumed long before a fifth has changed.

Revision ID: 0005
Revises: 0004
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

ROUTINE = (
    "'wallet-worker:job_created', 'wallet-worker:provision_start', 'wallet-worker:wallet_created', "
    "'wallet-worker:provision_complete'"
)
INDEXES = (
    ("ix_jobs_error", "wallet_provisioning_jobs", ["error_type", "id"], "error_type IS NOT NULL"),
    ("ix_wallets_error", "managed_wallets", ["error_type", "id"], "error_type IS NOT NULL"),
    ("ix_wallets_failed", "managed_wallets", ["id"], "status = 'failed'"),
    ("ix_audit_action", "audit_logs", ["action", "id"], f"action NOT IN ({ROUTINE})"),
    ("ix_audit_status", "audit_logs", ["status", "id"], "status <> 'success'"),
)
SCALED = ("wallet_provisioning_jobs", "managed_wallets", "circle_requests")
SCALE = {"autovacuum_vacuum_scale_factor": "0.02", "autovacuum_analyze_scale_factor": "0.02"}
# Sixteen rows at most, each of them written by every commit.
COUNTED = {
    "autovacuum_vacuum_scale_factor": "0",
    "autovacuum_vacuum_threshold": "200",
    "autovacuum_analyze_scale_factor": "0.02",
}
STORAGE = {**dict.fromkeys(SCALED, SCALE), "job_totals": COUNTED}


def upgrade() -> None:
    """Make them."""
    if op.get_context().dialect.name == "postgresql":
        for table, parameters in STORAGE.items():
            listed = ", ".join(f"{name} = {value}" for name, value in parameters.items())
            op.execute(f"ALTER TABLE {table} SET ({listed})")
    for name, table, columns, condition in INDEXES:
        where = sa.text(condition)
        op.create_index(name, table, columns, postgresql_where=where, sqlite_where=where)
    op.drop_index("ix_kyc_user", "kyc_submissions")


def downgrade() -> None:
    """Drop them."""
    op.create_index("ix_kyc_user", "kyc_submissions", ["user_id"])
    for name, table, _, _ in reversed(INDEXES):
        op.drop_index(name, table)
    if op.get_context().dialect.name == "postgresql":
        for table, parameters in STORAGE.items():
            op.execute(f"ALTER TABLE {table} RESET ({', '.join(parameters)})")
