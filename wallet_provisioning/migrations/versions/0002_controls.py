"""Standing orders of the operators, and the daemons that live.

Revision ID: 0002
Revises: 0001
"""

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add what this revision adds."""


def downgrade() -> None:
    """Take away what `upgrade` made."""
