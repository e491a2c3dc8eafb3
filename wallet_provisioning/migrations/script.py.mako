"""${message}.

The rules of a migration. It runs beside daemons that work, of this version and the one before:
- Expand first, contract a release later. A new column is nullable or has a constant default; nothing
  that the version before reads or writes is renamed, dropped or narrowed. One that must break it names
  the oldest program that still works in `oldest_program`, by that program's newest revision: older ones
  then refuse to start and say so.
- No lock is waited for longer than 5 s (`lock_timeout` is set), and none is held longer than an instant:
  no rewrite of a large table, no UPDATE of all rows, CHECK and FOREIGN KEY as NOT VALID and validated
  after.
- An index on a large table is built beforehand, by hand, with CREATE INDEX CONCURRENTLY (it can't run
  in a transaction; the changelog gives the line). Here it is made with `if_not_exists=True`.
- `store/tables.py` says the same as the migrations; a test compares them.
- It can be undone, and both ways are tested against a database with rows, on both databases.

Revision ID: ${up_revision}
Revises: ${down_revision}
"""

import sqlalchemy as sa
from alembic import op

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
branch_labels = ${repr(branch_labels)}
depends_on = ${repr(depends_on)}
oldest_program = None


def upgrade() -> None:
    """Add what this revision adds."""


def downgrade() -> None:
    """Take away what `upgrade` made."""
