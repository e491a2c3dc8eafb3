"""What reconciling found, and wallets at Circle that nobody here has asked for yet.

Revision ID: 0004
Revises: 0003
"""

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add what this revision adds."""


def downgrade() -> None:
    """Take away what `upgrade` made."""
