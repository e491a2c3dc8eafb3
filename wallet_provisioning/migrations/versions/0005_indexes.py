"""Indexes for what operators look for, however long the history is; one that no query needs is dropped.

All are partial and leave out what a job that goes well writes, so they cost such a job nothing.

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


def upgrade() -> None:
    """Make them."""
    for name, table, columns, condition in INDEXES:
        where = sa.text(condition)
        op.create_index(name, table, columns, postgresql_where=where, sqlite_where=where)
    op.drop_index("ix_kyc_user", "kyc_submissions")


def downgrade() -> None:
    """Drop them."""
    op.create_index("ix_kyc_user", "kyc_submissions", ["user_id"])
    for name, table, _, _ in reversed(INDEXES):
        op.drop_index(name, table)
