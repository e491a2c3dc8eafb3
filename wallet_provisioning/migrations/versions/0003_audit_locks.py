"""A move without its audit row is refused; the audit is numbered by the database, and sealed.

On PostgreSQL a position is the transaction's id, so all rows of one transaction share it, and a row can't
come in late among rows whose transactions have ended. On SQLite, with one writer at a time, it counts.

Revision ID: 0003
Revises: 0002
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None
# The first program that can work with this schema is one that numbers and audits before it moves.
oldest_program = "0003"

ID = sa.String(36).with_variant(sa.String(36, collation="C"), "postgresql")
TIME = sa.DateTime(timezone=True).with_variant(sa.String(27), "sqlite")


def upgrade() -> None:
    """Number the audit, guard jobs, audit and seals, and make the table of seals."""
    op.add_column(
        "audit_logs", sa.Column("position", sa.BigInteger(), nullable=False, server_default=sa.text("0"))
    )
    op.create_index("ix_audit_position", "audit_logs", ["position"], if_not_exists=True)
    op.create_index("ix_request_keys_job", "request_keys", ["job_id"], if_not_exists=True)
    create_seals()
    create_compatibility()
    if op.get_bind().dialect.name == "postgresql":
        for statement in ON_POSTGRESQL:
            op.execute(statement)
    else:
        for statement in ON_SQLITE:
            op.execute(statement)


def downgrade() -> None:
    """Take away what `upgrade` made; the numbers and the seals are lost."""
    is_postgresql = op.get_bind().dialect.name == "postgresql"
    for statement in OFF_POSTGRESQL if is_postgresql else OFF_SQLITE:
        op.execute(statement)
    op.drop_table("schema_compatibility")
    op.drop_table("audit_seals")
    op.drop_index("ix_request_keys_job", "request_keys")
    op.drop_index("ix_audit_position", "audit_logs")
    op.drop_column("audit_logs", "position")
    if is_postgresql:
        op.execute("DROP FUNCTION audit_position()")
        op.execute("DROP FUNCTION audit_settled()")
        op.execute("DROP FUNCTION audit_offset()")


def create_seals() -> None:
    """The chain of signed seals, each over the audit rows that follow those of the one before."""
    op.create_table(
        "audit_seals",
        sa.Column("number", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("previous", sa.String(64), nullable=False),
        sa.Column("row_count", sa.Integer(), nullable=False),
        sa.Column("first_id", ID, nullable=False),
        sa.Column("last_id", ID, nullable=False),
        sa.Column("last_position", sa.BigInteger(), nullable=False),
        sa.Column("leaves", sa.LargeBinary(), nullable=False),
        sa.Column("root", sa.String(64), nullable=False),
        sa.Column("sealed_at", TIME, nullable=False),
        sa.Column("public_key", sa.String(64), nullable=False),
        sa.Column("head", sa.String(64), nullable=False),
        sa.Column("signature", sa.String(128), nullable=False),
    )


def create_compatibility() -> None:
    """The oldest program that may work with this schema; `migrations/env.py` keeps the row."""
    op.create_table(
        "schema_compatibility",
        sa.Column("id", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("oldest_program", sa.String(32), nullable=False),
        sa.CheckConstraint("id = 1", name="ck_compatibility_single"),
    )


# The clock of the audit. The offset is 0 until a restored dump makes the counter of transactions start
# again: then `migrate` raises it, so that positions go on rising.
CLOCK = (
    "CREATE FUNCTION audit_offset() RETURNS bigint LANGUAGE sql IMMUTABLE AS 'SELECT 0::bigint'",
    """
    CREATE FUNCTION audit_position() RETURNS bigint LANGUAGE sql STABLE
    AS 'SELECT txid_current() + audit_offset()'
    """,
    """
    CREATE FUNCTION audit_settled() RETURNS bigint LANGUAGE sql STABLE
    AS 'SELECT txid_snapshot_xmin(txid_current_snapshot()) + audit_offset()'
    """,
    "ALTER TABLE audit_logs ALTER COLUMN position SET DEFAULT audit_position()",
)

# What a hand at the database changes in an emergency is allowed and audited by the database itself.
MAINTENANCE = (
    """
    CREATE FUNCTION maintenance_reason() RETURNS text LANGUAGE sql STABLE AS $$
        SELECT nullif(current_setting('wallet_provisioning.maintenance', true), '')
    $$
    """,
    """
    CREATE FUNCTION audit_maintenance(what text, job text, before jsonb, after jsonb)
    RETURNS void LANGUAGE plpgsql AS $$
    DECLARE
        millis text := lpad(to_hex((extract(epoch FROM clock_timestamp()) * 1000)::bigint), 12, '0');
    BEGIN
        INSERT INTO audit_logs (id, actor, action, resource_type, resource_id, changes, status,
            error_message, created_at, job_id)
        VALUES (left(millis, 8) || '-' || right(millis, 4) || '-7' || substr(gen_random_uuid()::text, 16),
            'database:' || session_user, 'maintenance:' || what, 'job', job,
            jsonb_build_object('before', before, 'after', after), 'success', maintenance_reason(),
            clock_timestamp(), job);
    END $$
    """,
)

# Set-based, once a statement, so the audit row is written before the move or in the same statement. Ruling
# out the jobs that this transaction has audited comes first, by the index on positions alone: all of its
# rows lie together. That costs the server 1.3 µs a job of 400 at once; looking each job up among its own
# audit rows costs 10 µs, a trigger a row 10 to 20.
JOBS_ON_POSTGRESQL = (
    """
    CREATE FUNCTION jobs_move_with_audit() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE
        moved record;
    BEGIN
        PERFORM 1 FROM new_rows AS n
        WHERE n.id NOT IN (SELECT a.job_id FROM audit_logs AS a
                           WHERE a.position = audit_position() AND a.job_id IS NOT NULL)
        LIMIT 1;
        IF NOT FOUND THEN
            RETURN NULL;
        END IF;
        FOR moved IN
            SELECT n.id, jsonb_build_object('status', o.status, 'attempt_count', o.attempt_count,
                    'epoch', o.epoch) AS before,
                jsonb_build_object('status', n.status, 'attempt_count', n.attempt_count,
                    'epoch', n.epoch) AS after
            FROM new_rows AS n JOIN old_rows AS o ON o.id = n.id
            WHERE (o.status <> n.status OR o.attempt_count <> n.attempt_count OR o.epoch <> n.epoch)
                AND (SELECT true FROM audit_logs AS a
                     WHERE a.job_id = n.id AND a.position = audit_position() LIMIT 1) IS NULL
        LOOP
            IF maintenance_reason() IS NULL THEN
                RAISE EXCEPTION 'a job changes its state only together with its audit row: job %',
                    moved.id USING ERRCODE = '23001',
                    HINT = 'Use the API or the command line. In an emergency: BEGIN; '
                        'SET LOCAL wallet_provisioning.maintenance = ''why''; ...; COMMIT;';
            END IF;
            PERFORM audit_maintenance('job_changed', moved.id, moved.before, moved.after);
        END LOOP;
        RETURN NULL;
    END $$
    """,
    """
    CREATE TRIGGER jobs_move_with_audit AFTER UPDATE ON wallet_provisioning_jobs
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION jobs_move_with_audit()
    """,
    """
    CREATE FUNCTION jobs_are_kept() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF EXISTS (SELECT 1 FROM audit_logs
                   WHERE position = audit_position() AND action = 'wallet-worker:retention') THEN
            RETURN NULL;
        END IF;
        IF maintenance_reason() IS NULL OR TG_OP = 'TRUNCATE' THEN
            RAISE EXCEPTION 'jobs are deleted by the retention only' USING ERRCODE = '23001';
        END IF;
        PERFORM audit_maintenance('jobs_deleted', NULL, NULL, NULL);
        RETURN NULL;
    END $$
    """,
    """
    CREATE TRIGGER jobs_are_kept BEFORE DELETE OR TRUNCATE ON wallet_provisioning_jobs
    FOR EACH STATEMENT EXECUTE FUNCTION jobs_are_kept()
    """,
)

# Audit rows go by the retention alone, which says so in a row of the same transaction.
AUDIT_ON_POSTGRESQL = (
    """
    CREATE OR REPLACE FUNCTION audit_logs_are_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF TG_OP = 'DELETE' AND EXISTS (SELECT 1 FROM audit_logs WHERE position = audit_position()
                                        AND action = 'wallet-worker:audit_retention') THEN
            RETURN NULL;
        END IF;
        RAISE EXCEPTION 'audit rows are never changed or deleted' USING ERRCODE = '23001';
    END $$
    """,
    """
    CREATE FUNCTION audit_seals_are_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION 'seals are never changed or deleted' USING ERRCODE = '23001';
    END $$
    """,
    """
    CREATE TRIGGER audit_seals_no_change BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_seals
    FOR EACH STATEMENT EXECUTE FUNCTION audit_seals_are_append_only()
    """,
)
ON_POSTGRESQL = (*CLOCK, *MAINTENANCE, *JOBS_ON_POSTGRESQL, *AUDIT_ON_POSTGRESQL)

OFF_POSTGRESQL = (
    "DROP TRIGGER jobs_move_with_audit ON wallet_provisioning_jobs",
    "DROP TRIGGER jobs_are_kept ON wallet_provisioning_jobs",
    "DROP FUNCTION jobs_move_with_audit()",
    "DROP FUNCTION jobs_are_kept()",
    "DROP FUNCTION audit_maintenance(text, text, jsonb, jsonb)",
    "DROP FUNCTION maintenance_reason()",
    "DROP TRIGGER audit_seals_no_change ON audit_seals",
    "DROP FUNCTION audit_seals_are_append_only()",
    """
    CREATE OR REPLACE FUNCTION audit_logs_are_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION 'audit rows are never changed or deleted' USING ERRCODE = '23001';
    END $$
    """,
)

# SQLite has no ids of transactions, but one writer at a time. So there a move must agree with the newest
# row that tells the job's state: a change that nobody wrote down contradicts it.
ON_SQLITE = (
    "DROP TRIGGER audit_logs_no_update",
    """
    CREATE TRIGGER audit_logs_no_update BEFORE UPDATE OF
        id, user_id, actor, action, resource_type, resource_id, changes, status, error_message, created_at,
        trace_id, job_id, epoch
    ON audit_logs
    BEGIN SELECT RAISE(ABORT, 'audit rows are never changed or deleted'); END
    """,
    """
    CREATE TRIGGER audit_logs_no_move BEFORE UPDATE OF position ON audit_logs WHEN OLD.position <> 0
    BEGIN SELECT RAISE(ABORT, 'audit rows are never changed or deleted'); END
    """,
    """
    CREATE TRIGGER audit_logs_number AFTER INSERT ON audit_logs
    BEGIN
        UPDATE audit_logs SET position = 1 + (SELECT max(position) FROM audit_logs) WHERE id = NEW.id;
    END
    """,
    """
    CREATE TRIGGER jobs_move_with_audit BEFORE UPDATE OF status, attempt_count, epoch
    ON wallet_provisioning_jobs
    WHEN (OLD.status <> NEW.status OR OLD.attempt_count <> NEW.attempt_count OR OLD.epoch <> NEW.epoch)
        AND NOT coalesce((
            SELECT json_extract(a.changes, '$.after.status') = NEW.status
                AND json_extract(a.changes, '$.after.attempt_count') = NEW.attempt_count
                AND a.epoch = NEW.epoch
            FROM audit_logs AS a
            WHERE a.job_id = NEW.id AND a.resource_type = 'job'
                AND json_extract(a.changes, '$.after.status') IS NOT NULL
            ORDER BY a.position DESC LIMIT 1), 0)
    BEGIN SELECT RAISE(ABORT, 'a job changes its state only together with its audit row'); END
    """,
    """
    CREATE TRIGGER jobs_are_kept BEFORE DELETE ON wallet_provisioning_jobs
    BEGIN SELECT RAISE(ABORT, 'jobs are deleted by the retention only'); END
    """,
    *(
        f"""
        CREATE TRIGGER audit_seals_no_{verb.lower()} BEFORE {verb} ON audit_seals
        BEGIN SELECT RAISE(ABORT, 'seals are never changed or deleted'); END
        """
        for verb in ("UPDATE", "DELETE")
    ),
)

OFF_SQLITE = (
    "DROP TRIGGER jobs_move_with_audit",
    "DROP TRIGGER jobs_are_kept",
    "DROP TRIGGER audit_logs_number",
    "DROP TRIGGER audit_logs_no_move",
    "DROP TRIGGER audit_logs_no_update",
    """
    CREATE TRIGGER audit_logs_no_update BEFORE UPDATE ON audit_logs
    BEGIN SELECT RAISE(ABORT, 'audit rows are never changed or deleted'); END
    """,
)
