"""Jobs that completed, on PostgreSQL: one statement for all that wait, whatever their number.

Nearly every move of a working system is this one, and nothing about it needs a program: the guards are
compared under the lock where the row is, then status, audit and totals are written. A job that its
guards refuse is not in the answer; `moves` looks at it like at any other move.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy import bindparam, text

from wallet_provisioning.jobs.moves import Move
from wallet_provisioning.jobs.states import TABLE, MoveName
from wallet_provisioning.store.arrays import ids_text
from wallet_provisioning.store.columns import Words
from wallet_provisioning.store.ids import new_ids
from wallet_provisioning.store.totals import SHARDS
from wallet_provisioning.store.transaction import Transaction

_COMPLETE = TABLE[MoveName.COMPLETE]

# complete: end jobs in the hands of those who ask, with one audit row each, and count them
_STATEMENT = text(
    """
WITH moment AS MATERIALIZED (SELECT clock_timestamp() AS now),
given AS MATERIALIZED (
    SELECT g.id COLLATE "C" AS id, epoch AS held_epoch, revision AS held_revision, audit_id, number
    FROM unnest(CAST(:ids AS text[]), CAST(:epochs AS integer[]), CAST(:revisions AS integer[]),
        CAST(:audit_ids AS text[])) WITH ORDINALITY AS g(id, epoch, revision, audit_id, number)
),
held AS MATERIALIZED (
    SELECT j.id, j.user_id, j.status, j.epoch, j.revision, j.attempt_count, j.crash_count, j.error_type,
        j.error_message, j.next_retry_at, j.lease_holder, j.claimed_at, j.trace_id, held_epoch,
        held_revision, audit_id, number
    FROM given
    JOIN wallet_provisioning_jobs AS j ON j.id = given.id
    ORDER BY j.id
    FOR UPDATE OF j
),
ended AS (
    UPDATE wallet_provisioning_jobs AS j
    SET status = :status, error_type = NULL, error_message = NULL, next_retry_at = NULL, due_at = NULL,
        lease_until = NULL, lease_holder = NULL, claimed_at = NULL, completed_at = moment.now,
        updated_at = moment.now
    FROM held, moment
    WHERE j.id = held.id AND held.status = 'in_progress' AND held.epoch = held.held_epoch
        AND (held.held_revision IS NULL OR held.revision = held.held_revision)
    RETURNING held.*, greatest(moment.now - held.claimed_at, interval '0') AS duration
),
audited AS (
    INSERT INTO audit_logs (id, user_id, actor, action, resource_type, resource_id, changes, status,
        created_at, trace_id, job_id, epoch)
    SELECT audit_id, user_id, :actor, :action, 'job', id,
        jsonb_build_object(
            'before', jsonb_build_object('status', status, 'attempt_count', attempt_count,
                'crash_count', crash_count, 'error', CASE WHEN error_type IS NOT NULL
                    THEN jsonb_build_object('type', error_type, 'message', error_message) END,
                'next_retry_at', to_char(next_retry_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')),
            'after', jsonb_build_object('status', CAST(:status AS text), 'attempt_count', attempt_count,
                'crash_count', crash_count, 'error', NULL, 'next_retry_at', NULL)),
        :audit_status, moment.now, trace_id, id, epoch
    FROM ended, moment
),
counted AS (
    INSERT INTO job_totals AS t (shard, succeeded, failed, retried, timed, duration_us, last_processed_at)
    SELECT CAST(CAST('x' || right(coalesce(lease_holder, '0'), 1) AS bit(4)) AS integer) % :shards AS shard,
        count(*), 0, 0, count(claimed_at),
        CAST(coalesce(sum(extract(epoch FROM duration)), 0) * 1000000 AS bigint), moment.now
    FROM ended, moment
    GROUP BY 1, moment.now
    ORDER BY 1
    ON CONFLICT (shard) DO UPDATE
    SET succeeded = t.succeeded + excluded.succeeded, timed = t.timed + excluded.timed,
        duration_us = t.duration_us + excluded.duration_us,
        last_processed_at = greatest(t.last_processed_at, excluded.last_processed_at)
)
SELECT number, user_id, attempt_count, duration, trace_id FROM ended
"""
).bindparams(
    bindparam("actor", type_=Words),
    status=_COMPLETE.target.value,
    action=_COMPLETE.audit_action,
    audit_status=_COMPLETE.audit_status.value,
    shards=SHARDS,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Completed:
    """A job that was completed. `duration` is that of the attempt."""

    move: Move
    user_id: UUID
    attempt_count: int
    duration: timedelta | None
    trace_id: str | None


def complete_jobs(tx: Transaction, moves: Sequence[Move]) -> list[Completed]:
    """Complete different jobs; returns those whose guards hold. For PostgreSQL alone."""
    if not moves:
        return []
    parameters = {
        "ids": ids_text([move.job_id for move in moves]),
        "epochs": ids_text([move.epoch for move in moves]),
        "revisions": ids_text([move.revision for move in moves]),
        "audit_ids": ids_text(new_ids(len(moves))),
        "actor": tx.actor,
    }
    return [
        Completed(
            move=moves[row.number - 1],
            user_id=UUID(row.user_id),
            attempt_count=row.attempt_count,
            duration=row.duration,
            trace_id=row.trace_id,
        )
        for row in tx.execute(_STATEMENT, parameters)
    ]
