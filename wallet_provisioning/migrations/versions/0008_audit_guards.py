"""Jobs and audit rows go only as the audit row of their deletion says, and the counting server is noted.

On PostgreSQL a guard looks at each deleted row, after the fact and once a statement: a job must be named by
its audit row, must have ended and must be followed by another of its user; an audit row must lie under the
seal that is named, with the head that is named. SQLite has nothing to change: there its guards are down for
the retention's own transaction alone.

Revision ID: 0008
Revises: 0007
"""

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

# A dump carries what `audit_server` says, and another server is another one: `store/audit_clock.py`.
SERVER = (
    "CREATE FUNCTION audit_server() RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT NULL::text'",
    """
    CREATE FUNCTION server_identity() RETURNS text LANGUAGE plpgsql STABLE AS $$
    BEGIN
        RETURN (SELECT system_identifier::text FROM pg_control_system());
    EXCEPTION WHEN insufficient_privilege OR undefined_function OR feature_not_supported THEN
        RETURN NULL;
    END $$
    """,
)

JOBS = (
    "DROP TRIGGER jobs_are_kept ON wallet_provisioning_jobs",
    """
    CREATE OR REPLACE FUNCTION jobs_are_kept() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE
        unlawful jsonb;
    BEGIN
        IF TG_OP = 'TRUNCATE' THEN
            RAISE EXCEPTION 'jobs are deleted by the retention only' USING ERRCODE = '23001';
        END IF;
        SELECT jsonb_agg(o.id) INTO unlawful FROM old_rows AS o
        WHERE o.status NOT IN ('completed', 'failed', 'cancelled')
            OR NOT EXISTS (SELECT 1 FROM wallet_provisioning_jobs AS later
                           WHERE later.user_id = o.user_id AND later.id > o.id)
            OR o.id NOT IN (
                SELECT named FROM audit_logs AS a
                CROSS JOIN LATERAL jsonb_array_elements_text(
                    CASE jsonb_typeof(a.changes -> 'before' -> 'deleted')
                    WHEN 'array' THEN a.changes -> 'before' -> 'deleted' ELSE '[]' END) AS named
                WHERE a.position = audit_position() AND a.action = 'wallet-worker:retention'
                    AND a.resource_type = 'job');
        IF unlawful IS NULL THEN
            RETURN NULL;
        END IF;
        IF maintenance_reason() IS NULL THEN
            RAISE EXCEPTION 'jobs are deleted by the retention only' USING ERRCODE = '23001';
        END IF;
        PERFORM audit_maintenance('jobs_deleted', NULL, jsonb_build_object('deleted', unlawful), NULL);
        RETURN NULL;
    END $$
    """,
    """
    CREATE TRIGGER jobs_are_kept AFTER DELETE ON wallet_provisioning_jobs
    REFERENCING OLD TABLE AS old_rows
    FOR EACH STATEMENT EXECUTE FUNCTION jobs_are_kept()
    """,
    """
    CREATE TRIGGER jobs_are_not_truncated BEFORE TRUNCATE ON wallet_provisioning_jobs
    FOR EACH STATEMENT EXECUTE FUNCTION jobs_are_kept()
    """,
)

# Times are compared as the program writes them: a text that is no time can't raise another error.
AUDIT = (
    "DROP TRIGGER audit_logs_no_change ON audit_logs",
    r"""
    CREATE OR REPLACE FUNCTION audit_logs_are_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF TG_OP = 'DELETE' THEN
            PERFORM 1 FROM old_rows AS o
            WHERE NOT EXISTS (
                SELECT 1 FROM audit_logs AS a
                JOIN audit_seals AS s ON s.number::text = a.changes -> 'after' ->> 'through_seal'
                    AND s.head = a.changes -> 'after' ->> 'head'
                    AND to_char(s.sealed_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24\:MI\:SS.US"Z"') COLLATE "C"
                        < (a.changes -> 'after' ->> 'cut_off') COLLATE "C"
                WHERE a.position = audit_position() AND a.action = 'wallet-worker:audit_retention'
                    AND (o.position, o.id) <= (s.last_position, s.last_id))
            LIMIT 1;
            IF NOT FOUND THEN
                RETURN NULL;
            END IF;
        END IF;
        RAISE EXCEPTION 'audit rows are never changed or deleted' USING ERRCODE = '23001';
    END $$
    """,
    """
    CREATE TRIGGER audit_logs_no_change BEFORE UPDATE OR TRUNCATE ON audit_logs
    FOR EACH STATEMENT EXECUTE FUNCTION audit_logs_are_append_only()
    """,
    """
    CREATE TRIGGER audit_logs_no_delete AFTER DELETE ON audit_logs REFERENCING OLD TABLE AS old_rows
    FOR EACH STATEMENT EXECUTE FUNCTION audit_logs_are_append_only()
    """,
)

# As 0003 made them.
BEFORE = (
    "DROP TRIGGER audit_logs_no_delete ON audit_logs",
    "DROP TRIGGER audit_logs_no_change ON audit_logs",
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
    CREATE TRIGGER audit_logs_no_change BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_logs
    FOR EACH STATEMENT EXECUTE FUNCTION audit_logs_are_append_only()
    """,
    "DROP TRIGGER jobs_are_not_truncated ON wallet_provisioning_jobs",
    "DROP TRIGGER jobs_are_kept ON wallet_provisioning_jobs",
    """
    CREATE OR REPLACE FUNCTION jobs_are_kept() RETURNS trigger LANGUAGE plpgsql AS $$
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
    "DROP FUNCTION server_identity()",
    "DROP FUNCTION audit_server()",
)


def upgrade() -> None:
    """Put the stricter guards in the place of the old ones."""
    for statement in (*SERVER, *JOBS, *AUDIT):
        run(statement)


def downgrade() -> None:
    """Go back to the old guards."""
    for statement in BEFORE:
        run(statement)


def run(statement: str) -> None:
    """Run a statement on PostgreSQL."""
    if op.get_context().dialect.name == "postgresql":
        op.execute(statement)
