"""What reconciling found, and wallets at Circle that nobody here has asked for yet.

Revision ID: 0004
Revises: 0003
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

ID = sa.String(36).with_variant(sa.String(36, collation="C"), "postgresql")
TIME = sa.DateTime(timezone=True).with_variant(sa.String(27), "sqlite")
DOCUMENT = sa.JSON().with_variant(JSONB(), "postgresql")

TABLES = ("reconciliation", "reconciliation_seen", "reconciliation_strays", "unclaimed_wallets")


def upgrade() -> None:
    """Make the tables, and the one row that tells how reconciling stands."""
    create_reconciliation()
    create_notes()
    create_unclaimed()
    op.execute("INSERT INTO reconciliation (id) VALUES (1)")


def downgrade() -> None:
    """Drop them."""
    for name in reversed(TABLES):
        op.drop_table(name)


def create_reconciliation() -> None:
    """Who reconciles, and what the last run found; a single row."""
    op.create_table(
        "reconciliation",
        sa.Column("id", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("holder", ID),
        sa.Column("lease_until", TIME),
        sa.Column("started_at", TIME),
        sa.Column("finished_at", TIME),
        sa.Column("findings", DOCUMENT),
        sa.CheckConstraint("id = 1", name="ck_reconciliation_single"),
    )


def create_notes() -> None:
    """What the run under way has seen at Circle: wallets that are here too, and those that are not."""
    op.create_table("reconciliation_seen", sa.Column("circle_wallet_id", ID, primary_key=True))
    op.create_table("reconciliation_strays", *circle_columns(), sa.Column("name", sa.Text(), nullable=False))
    columns = ["ref_id", "blockchain", "circle_created_at", "circle_wallet_id"]
    op.create_index("ix_strays_reference", "reconciliation_strays", columns)


def create_unclaimed() -> None:
    """Wallets of ours at Circle whose users nobody here knows."""
    op.create_table("unclaimed_wallets", *circle_columns(), sa.Column("found_at", TIME, nullable=False))
    op.create_index("ix_unclaimed_reference", "unclaimed_wallets", ["ref_id"])


def circle_columns() -> list[sa.Column[object]]:
    """Return the columns of a wallet as Circle tells of it; user and chain where they are proven."""
    return [
        sa.Column("circle_wallet_id", ID, primary_key=True),
        sa.Column("ref_id", sa.Text(), nullable=False),
        sa.Column("blockchain", sa.String(32), nullable=False),
        sa.Column("account_type", sa.String(8), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("wallet_set_id", ID, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("circle_created_at", TIME, nullable=False),
        sa.Column("user_id", ID),
        sa.Column("chain", sa.Text()),
    ]
