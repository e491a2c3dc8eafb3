"""Standing orders of the operators, and the daemons that live.

Revision ID: 0002
Revises: 0001
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

ID = sa.String(36).with_variant(sa.String(36, collation="C"), "postgresql")
TIME = sa.DateTime(timezone=True).with_variant(sa.String(27), "sqlite")


def upgrade() -> None:
    """Make the two tables."""
    op.create_table(
        "controls",
        sa.Column("kind", sa.String(48), primary_key=True),
        sa.Column("subject", sa.String(64), primary_key=True),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("placed_by", sa.Text(), nullable=False),
        sa.Column("placed_at", TIME, nullable=False),
        sa.Column("until", TIME),
        sa.CheckConstraint("state IN ('open', 'closed', 'paused', 'held')", name="ck_controls_state"),
    )
    op.create_table(
        "daemons",
        sa.Column("boot_id", ID, primary_key=True),
        sa.Column("version", sa.String(32), nullable=False),
        sa.Column("environment", sa.String(16), nullable=False),
        sa.Column("hostname", sa.Text(), nullable=False),
        sa.Column("started_at", TIME, nullable=False),
        sa.Column("seen_at", TIME, nullable=False),
    )


def downgrade() -> None:
    """Drop them."""
    op.drop_table("daemons")
    op.drop_table("controls")
