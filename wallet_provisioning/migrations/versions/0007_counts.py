"""What a commit counts is appended, and added to the totals later: no row is written again and again.

A row that every commit updates leaves a version behind each time, which nothing clears away while an old
transaction is open elsewhere, and the next update passes them all. `store/folding.py` tells how the rows
reach the totals. A daemon of the version before goes on updating `job_totals`, which both of them read.

Revision ID: 0007
Revises: 0006
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True).with_variant(sa.String(27), "sqlite")

# The program before knows the totals alone. Its shards are 0 to 15, so nobody else adds to 16.
FOLD_ALL = (
    "LOCK TABLE job_counts, job_counts_folded",
    """
    CREATE TEMPORARY TABLE unfolded ON COMMIT DROP AS
    SELECT c.* FROM job_counts AS c
    WHERE NOT EXISTS (SELECT 1 FROM job_counts_folded AS f
        WHERE txid_visible_in_snapshot(c.transaction_id, CAST(f.up_to AS txid_snapshot)))
    """,
    """
    INSERT INTO job_totals AS t (shard, succeeded, failed, retried, timed, duration_us, last_processed_at)
    SELECT 16, coalesce(sum(count) FILTER (WHERE counted = 'succeeded'), 0),
        coalesce(sum(count) FILTER (WHERE counted = 'failed'), 0),
        coalesce(sum(count) FILTER (WHERE counted = 'retried'), 0), sum(timed), sum(duration_us),
        max(counted_at)
    FROM unfolded WHERE counted IN ('succeeded', 'failed', 'retried')
    HAVING count(*) > 0
    ON CONFLICT (shard) DO UPDATE
    SET succeeded = t.succeeded + excluded.succeeded, failed = t.failed + excluded.failed,
        retried = t.retried + excluded.retried, timed = t.timed + excluded.timed,
        duration_us = t.duration_us + excluded.duration_us,
        last_processed_at = greatest(t.last_processed_at, excluded.last_processed_at)
    """,
    """
    INSERT INTO job_error_totals AS t (shard, error_type, count)
    SELECT 16, counted, sum(count)
    FROM unfolded WHERE counted NOT IN ('succeeded', 'failed', 'retried') GROUP BY counted
    ON CONFLICT (shard, error_type) DO UPDATE SET count = t.count + excluded.count
    """,
)


def upgrade() -> None:
    """Make the table of what was counted, and the one that says what of it is in the totals."""
    op.create_table(
        "job_counts",
        sa.Column("transaction_id", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("number", sa.BigInteger(), sa.Identity(), primary_key=True),
        sa.Column("counted", sa.String(32), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.Column("timed", sa.BigInteger(), nullable=False),
        sa.Column("duration_us", sa.BigInteger(), nullable=False),
        sa.Column("counted_at", TIME, nullable=False),
    )
    op.create_table(
        "job_counts_folded",
        sa.Column("id", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("up_to", sa.Text(), nullable=False),
        sa.CheckConstraint("id = 1", name="ck_folded_single"),
    )
    if op.get_context().dialect.name == "postgresql":
        op.execute("ALTER TABLE job_counts ALTER COLUMN transaction_id SET DEFAULT txid_current()")


def downgrade() -> None:
    """Add to the totals what isn't in them yet."""
    if op.get_context().dialect.name == "postgresql":
        for statement in FOLD_ALL:
            op.execute(statement)
    op.drop_table("job_counts_folded")
    op.drop_table("job_counts")
