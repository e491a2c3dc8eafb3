"""A history of any length, made by PostgreSQL itself: finished jobs, a wallet each, and audit rows.

The rows are like those that the program writes: their ids are in the order of time, a few jobs failed or
were cancelled, and few audit rows tell of anything but the usual. Indexes but the primary keys are taken
away while the rows go in, and made again from their own definitions before anything is measured.
"""

from collections.abc import Callable
from dataclasses import dataclass

import psycopg
from psycopg import Connection, sql

TABLES = ("wallet_provisioning_jobs", "managed_wallets", "audit_logs")
RARE_CHAIN = "BASE"  # one job in 50,000
_AT_ONCE = 100_000
_YEAR = 365 * 24 * 3600.0

# Ids as the program makes them: version 7 from a time and a number, version 4 from a number alone.
_FUNCTIONS = """
CREATE FUNCTION pg_temp.id_at(at timestamptz, kind text, n bigint) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT left(t, 8) || '-' || right(t, 4) || '-7' || substr(m, 1, 3) || '-8' || substr(m, 4, 3) || '-'
        || substr(m, 7, 12)
    FROM (SELECT lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') AS t,
        md5(kind || n) AS m) AS parts $$;
CREATE FUNCTION pg_temp.id_of(kind text, n bigint) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT left(m, 8) || '-' || substr(m, 9, 4) || '-4' || substr(m, 14, 3) || '-8' || substr(m, 18, 3) || '-'
        || substr(m, 21, 12)
    FROM (SELECT md5(kind || n) AS m) AS parts $$;
CREATE TEMP TABLE numbers (n bigint, at timestamptz, id text, user_id text, status text, error_type text);
"""

_NUMBERS = """
INSERT INTO numbers
SELECT n, at, pg_temp.id_at(at, 'job', n), pg_temp.id_of('user', n),
    CASE WHEN n % 100 = 7 THEN 'failed' WHEN n % 500 = 9 THEN 'cancelled' ELSE 'completed' END,
    CASE WHEN n % 100 = 7 THEN (ARRAY['circle_4xx', 'circle_5xx', 'timeout', 'network'])[1 + n / 100 % 4] END
FROM (SELECT n, now() - make_interval(secs => 3600 + (1 - n / %(jobs)s::float) * %(span)s) AS at
      FROM generate_series(%(first)s::bigint, %(last)s::bigint) AS n) AS times
"""

_JOBS = """
INSERT INTO wallet_provisioning_jobs (id, user_id, chains, status, attempt_count, max_attempts, crash_count,
    error_type, error_message, epoch, revision, source, created_at, started_at, completed_at, updated_at)
SELECT id, user_id,
    CASE WHEN n % 50000 = 0 THEN '["BASE"]'::jsonb ELSE '["ETH", "SOL", "APTOS"]'::jsonb END, status, 1, 5, 0,
    error_type, 'Circle said: ' || error_type, 1, 0, 'kyc', at, at, at + interval '1 second',
    at + interval '1 second'
FROM numbers
"""

_WALLETS = """
INSERT INTO managed_wallets (id, user_id, chain, blockchain, address, circle_wallet_id, wallet_set_id,
    account_type, status, error_type, error_message, ref_id, generation, position, alone, job_id, created_at,
    updated_at)
SELECT pg_temp.id_at(at, 'wallet', n), user_id, 'ETH', 'ETH-SEPOLIA',
    CASE WHEN error_type IS NULL THEN '0x' || md5('address' || n) END,
    CASE WHEN error_type IS NULL THEN pg_temp.id_of('circle', n) END,
    '0190aaaa-0000-7000-8000-000000000001', 'SCA', CASE WHEN error_type IS NULL THEN 'live' ELSE 'failed' END,
    error_type, 'Circle said: ' || error_type, md5('ref' || n), 0, 0, false, id, at, at
FROM numbers
"""

_AUDIT = """
INSERT INTO audit_logs (id, user_id, actor, action, resource_type, resource_id, changes, status, created_at,
    job_id, epoch)
SELECT pg_temp.id_at(at + k * interval '10 ms', 'audit' || k, n), user_id, 'writer',
    CASE WHEN k = 0 AND n % 5000 = 11 THEN 'admin:job_retried'
         WHEN k = 0 THEN 'wallet-worker:job_created'
         WHEN k < %(each)s - 1 THEN 'wallet-worker:provision_start'
         WHEN error_type IS NULL THEN 'wallet-worker:provision_complete'
         ELSE 'wallet-worker:provision_failed' END,
    'job', id, '{"before": {"status": "queued"}, "after": {"status": "in_progress"}}',
    CASE WHEN k = %(each)s - 1 AND error_type IS NOT NULL THEN 'failed' ELSE 'success' END,
    at + k * interval '10 ms', id, 1
FROM numbers, generate_series(0, %(each)s::integer - 1) AS k
ORDER BY n, k
"""

# The queue: a job each 36 ms over the last hour, whose users have nothing yet but wallets to be made.
_QUEUE = """
WITH waiting AS (
    SELECT n, now() - make_interval(secs => (1 - n / %(queued)s::float) * 3599 + 1) AS at
    FROM generate_series(1, %(queued)s::bigint) AS n
), placed AS (
    INSERT INTO wallet_provisioning_jobs (id, user_id, chains, status, attempt_count, max_attempts,
        crash_count, due_at, epoch, revision, source, created_at, updated_at)
    SELECT pg_temp.id_at(at, 'queued', n), pg_temp.id_of('waiting', n), '["ETH"]', 'queued', 0, 5, 0, at, 0,
        0, 'kyc', at, at
    FROM waiting
)
INSERT INTO managed_wallets (id, user_id, chain, status, generation, alone, job_id, created_at, updated_at)
SELECT pg_temp.id_at(at, 'waiting wallet', n), pg_temp.id_of('waiting', n), 'ETH', 'creating', 0, false,
    pg_temp.id_at(at, 'queued', n), at, at
FROM waiting
"""

_INDEXES = """
SELECT c.conrelid::regclass::text, c.conname, pg_get_constraintdef(c.oid), true
FROM pg_constraint AS c WHERE c.conrelid::regclass::text = ANY(%(tables)s) AND c.contype = 'u'
UNION ALL
SELECT i.indrelid::regclass::text, i.indexrelid::regclass::text, pg_get_indexdef(i.indexrelid), false
FROM pg_index AS i LEFT JOIN pg_constraint AS c ON c.conindid = i.indexrelid
WHERE i.indrelid::regclass::text = ANY(%(tables)s) AND c.oid IS NULL
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """How much has happened before: finished jobs, audit rows (the same number each), and the queue."""

    jobs: int
    audit: int
    queued: int


def fill(url: str, history: History, advance: Callable[[int, str], None] = lambda _rows, _what: None) -> None:
    """Fill a migrated, empty PostgreSQL database; `advance` hears how many rows were done since."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SET maintenance_work_mem = '1GB'")
        connection.execute(_FUNCTIONS)
        taken = _take_indexes(connection) if history.jobs > _AT_ONCE else []
        for first in range(1, history.jobs + 1, _AT_ONCE):
            _write(connection, history, first, min(first + _AT_ONCE - 1, history.jobs))
            advance(_AT_ONCE + _AT_ONCE * history.audit // history.jobs, "rows")
        connection.execute(_QUEUE, {"queued": history.queued})
        for make in taken:
            advance(0, make.as_string(connection)[:70])
            connection.execute(make)
        for table in TABLES:
            advance(0, f"vacuum {table}")
            connection.execute(sql.SQL("VACUUM ANALYZE {}").format(sql.Identifier(table)))


def _write(connection: Connection, history: History, first: int, last: int) -> None:
    with connection.transaction():
        connection.execute("TRUNCATE numbers")
        span = {"jobs": history.jobs, "span": _YEAR, "first": first, "last": last}
        connection.execute(_NUMBERS.replace(" % ", " %% "), span)
        connection.execute(_JOBS)
        connection.execute(_WALLETS)
        each = max(1, history.audit // history.jobs)
        connection.execute(_AUDIT.replace(" % ", " %% "), {"each": each})


def _take_indexes(connection: Connection) -> list[sql.Composed]:
    """Drop what is no primary key, and return the statements that make it again."""
    again: list[sql.Composed] = []
    found = connection.execute(_INDEXES, {"tables": list(TABLES)}).fetchall()
    for table, name, definition, is_constraint in found:
        on, named = sql.Identifier(table), sql.Identifier(name)
        if is_constraint:
            connection.execute(sql.SQL("ALTER TABLE {} DROP CONSTRAINT {}").format(on, named))
            text = sql.SQL("ALTER TABLE {} ADD CONSTRAINT {} ").format(on, named)
            again.append(text + sql.SQL(definition))
        else:
            connection.execute(sql.SQL("DROP INDEX {}").format(named))
            again.append(sql.Composed([sql.SQL(definition)]))
    return again
