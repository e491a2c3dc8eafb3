"""Wallets that went live and jobs that are complete with them, on PostgreSQL: one statement for all.

Nearly all that a working system writes is this, so nothing is read into the program and written back: jobs
and then wallets are locked in the order of their ids, as everywhere (counting the jobs has all of them
locked first), and what the guards allow is compared, changed, audited and counted where it is. The documents
of the audit are put together by the database too, which costs it no more than reading them and spares the
program a third of the work.

What it leaves alone is named in its answer, for others to look at: a wallet that has no row or is live
already, a job whose guards refuse. Where `is_whole` is asked for, any of that fails the statement instead, so
that it can be a transaction of its own.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import NamedTuple

from sqlalchemy import bindparam, text

from wallet_provisioning.jobs.moves import ClaimedJob, Move
from wallet_provisioning.jobs.outcomes import Live
from wallet_provisioning.jobs.states import TABLE, JobStatus, MoveName
from wallet_provisioning.store.arrays import array_text, ids_text
from wallet_provisioning.store.audit import WALLET_CREATED
from wallet_provisioning.store.columns import Words
from wallet_provisioning.store.ids import new_ids
from wallet_provisioning.store.moves import Moved
from wallet_provisioning.store.newcomers import trace_id_of
from wallet_provisioning.store.transaction import Transaction
from wallet_provisioning.store.wallet_result import WalletResult

_COMPLETE = TABLE[MoveName.COMPLETE]

# settle: record wallets that exist at Circle and resolve requests that are done; end jobs in the hands of
# those who ask, and count them; one audit row for each wallet and job
_STATEMENT = text(
    """
WITH moment AS MATERIALIZED (SELECT clock_timestamp() AS now),
given AS MATERIALIZED (
    SELECT u.user_id COLLATE "C" AS user_id, chain, blockchain, address, circle_wallet_id, wallet_set_id,
        account_type, adopted, circle_request_id, job_id, epoch, request_id COLLATE "C" AS request_id,
        audit_id, number
    FROM unnest(CAST(:user_ids AS text[]), CAST(:chains AS text[]), CAST(:blockchains AS text[]),
        CAST(:addresses AS text[]), CAST(:circle_wallet_ids AS text[]), CAST(:wallet_set_ids AS text[]),
        CAST(:account_types AS text[]), CAST(:adopted AS boolean[]), CAST(:circle_request_ids AS text[]),
        CAST(:job_ids AS text[]), CAST(:epochs AS integer[]), CAST(:request_ids AS text[]),
        CAST(:audit_ids AS text[]))
        WITH ORDINALITY AS u(user_id, chain, blockchain, address, circle_wallet_id, wallet_set_id,
            account_type, adopted, circle_request_id, job_id, epoch, request_id, audit_id, number)
),
touched AS MATERIALIZED (
    SELECT t.id COLLATE "C" AS id, held_epoch, held_revision, ending, number
    FROM unnest(CAST(:held_ids AS text[]), CAST(:held_epochs AS integer[]),
        CAST(:held_revisions AS integer[]), CAST(:endings AS text[]))
        WITH ORDINALITY AS t(id, held_epoch, held_revision, ending, number)
),
held AS MATERIALIZED (
    SELECT j.id, j.user_id, j.status, j.epoch, j.revision, j.attempt_count, j.crash_count, j.error_type,
        j.error_message, j.next_retry_at, j.claimed_at, j.trace_id, held_epoch, held_revision, ending, number
    FROM touched
    JOIN wallet_provisioning_jobs AS j ON j.id = touched.id
    ORDER BY j.id
    FOR UPDATE OF j
),
known AS MATERIALIZED (
    SELECT w.id, w.status, w.request_id AS bound_to, w.blockchain AS blockchain_before,
        w.address AS address_before, w.circle_wallet_id AS circle_wallet_id_before,
        w.wallet_set_id AS wallet_set_id_before, w.account_type AS account_type_before,
        w.error_type, w.error_message, j.trace_id, given.*
    FROM given
    JOIN managed_wallets AS w ON w.user_id = given.user_id AND w.chain = given.chain
    LEFT JOIN wallet_provisioning_jobs AS j ON j.id = w.job_id
    WHERE (SELECT count(*) FROM held) >= 0
    ORDER BY w.id
    FOR UPDATE OF w
),
made AS (
    UPDATE managed_wallets AS w
    SET status = 'live', blockchain = known.blockchain, address = known.address,
        circle_wallet_id = known.circle_wallet_id, wallet_set_id = known.wallet_set_id,
        account_type = known.account_type, error_type = NULL, error_message = NULL,
        updated_at = moment.now
    FROM known, moment
    WHERE w.id = known.id AND known.status <> 'live'
    RETURNING known.*
),
made_audited AS (
    INSERT INTO audit_logs (id, user_id, actor, action, resource_type, resource_id, changes, status,
        created_at, trace_id, job_id, epoch)
    SELECT audit_id, user_id, :actor, :made_action, 'wallet', id,
        jsonb_build_object(
            'before', jsonb_build_object('chain', chain, 'blockchain', blockchain_before,
                'status', status, 'address', address_before, 'circle_wallet_id', circle_wallet_id_before,
                'wallet_set_id', wallet_set_id_before, 'account_type', account_type_before,
                'error', CASE WHEN error_type IS NOT NULL
                    THEN jsonb_build_object('type', error_type, 'message', error_message) END),
            'after', jsonb_build_object('chain', chain, 'blockchain', blockchain, 'status', 'live',
                'address', address, 'circle_wallet_id', circle_wallet_id, 'wallet_set_id', wallet_set_id,
                'account_type', account_type, 'error', NULL, 'circle_request_id', circle_request_id,
                'adopted', adopted)),
        'success', moment.now, trace_id, job_id, epoch
    FROM made, moment
),
resolved AS (
    UPDATE circle_requests AS r
    SET state = 'resolved'
    FROM (SELECT request_id, count(*) AS number FROM made WHERE bound_to = request_id GROUP BY request_id)
        AS done
    WHERE r.id = done.request_id AND r.state = 'unresolved' AND jsonb_array_length(r.members) = done.number
    RETURNING r.id
),
ended AS (
    UPDATE wallet_provisioning_jobs AS j
    SET status = :target, error_type = NULL, error_message = NULL, next_retry_at = NULL, due_at = NULL,
        lease_until = NULL, lease_holder = NULL, claimed_at = NULL, completed_at = moment.now,
        updated_at = moment.now
    FROM held, moment
    WHERE j.id = held.id AND held.ending IS NOT NULL AND held.status = 'in_progress'
        AND held.epoch = held.held_epoch
        AND (held.held_revision IS NULL OR held.revision = held.held_revision)
    RETURNING held.*, greatest(moment.now - held.claimed_at, interval '0') AS duration
),
ended_audited AS (
    INSERT INTO audit_logs (id, user_id, actor, action, resource_type, resource_id, changes, status,
        created_at, trace_id, job_id, epoch)
    SELECT ending, user_id, :actor, :ended_action, 'job', id,
        jsonb_build_object(
            'before', jsonb_build_object('status', status, 'attempt_count', attempt_count,
                'crash_count', crash_count, 'error', CASE WHEN error_type IS NOT NULL
                    THEN jsonb_build_object('type', error_type, 'message', error_message) END,
                'next_retry_at', to_char(next_retry_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')),
            'after', jsonb_build_object('status', CAST(:target AS text), 'attempt_count', attempt_count,
                'crash_count', crash_count, 'error', NULL, 'next_retry_at', NULL)),
        :ended_status, moment.now, trace_id, id, epoch
    FROM ended, moment
),
counted AS (
    INSERT INTO job_counts (counted, count, timed, duration_us, counted_at)
    SELECT 'succeeded', count(*), count(claimed_at),
        CAST(coalesce(sum(extract(epoch FROM duration)), 0) * 1000000 AS bigint), moment.now
    FROM ended, moment
    GROUP BY moment.now
),
done AS MATERIALIZED (
    SELECT ARRAY(SELECT number FROM given EXCEPT SELECT number FROM made) AS left_alone,
        ARRAY(SELECT request_id FROM made WHERE request_id IS NOT NULL EXCEPT SELECT id FROM resolved)
            AS open_requests,
        (SELECT count(ending) FROM touched) - (SELECT count(*) FROM ended) AS refused
)
SELECT left_alone, open_requests,
    (SELECT string_agg(number || ':' || coalesce(CAST(extract(epoch FROM duration) AS text), ''), ',')
        FROM ended) AS ended,
    CASE WHEN :is_whole AND (refused > 0 OR cardinality(left_alone) > 0 OR cardinality(open_requests) > 0)
        THEN CAST('not all of it was plain, so it is done step by step: ' || refused AS integer) END
FROM done
"""
).bindparams(
    bindparam("actor", type_=Words),
    made_action=WALLET_CREATED,
    target=_COMPLETE.target.value,
    ended_action=_COMPLETE.audit_action,
    ended_status=_COMPLETE.audit_status.value,
)


class Ending(NamedTuple):
    """A move that ends the attempt of a job in hand."""

    job: ClaimedJob
    move: Move

    def is_plain(self) -> bool:
        """Return whether it is the plainest move, and the most frequent."""
        return self.move.name is MoveName.COMPLETE and self.move.reason is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """What was done. `left_alone` are the places of wallets that were not touched.

    `open_requests` may have members waiting; of the endings `moved` are those that were made.
    """

    left_alone: frozenset[int]
    open_requests: tuple[str, ...]
    moved: tuple[Moved, ...]


def settle(
    tx: Transaction, results: Sequence[WalletResult], endings: Sequence[Ending], *, is_whole: bool = False
) -> Settled:
    """Record wallets that are live, of different users or chains, and complete different jobs.

    For PostgreSQL alone. With `is_whole` it raises `RowRefusedError`, and nothing is done, unless all is.
    """
    row = tx.execute(_STATEMENT, {"actor": tx.actor, "is_whole": is_whole} | _given(results, endings)).one()
    return Settled(
        left_alone=frozenset(row.left_alone),
        open_requests=tuple(row.open_requests),
        moved=tuple(_moved(endings, row.ended)) if row.ended else (),
    )


def _given(results: Sequence[WalletResult], endings: Sequence[Ending]) -> dict[str, str]:
    """Return the columns of both as arrays."""
    lives = [result.outcome for result in results if isinstance(result.outcome, Live)]
    moves = [ending.move for ending in endings]
    # Those that end come first, so that their places are those of their moves.
    held = dict.fromkeys([*[move.job_id for move in moves], *[result.job_id for result in results]])
    beside = [None] * (len(held) - len(moves))
    return {
        "user_ids": ids_text([result.user_id for result in results]),
        "chains": array_text([result.chain for result in results]),
        "blockchains": array_text([live.blockchain for live in lives]),
        "addresses": array_text([live.address for live in lives]),
        "circle_wallet_ids": ids_text([live.circle_wallet_id for live in lives]),
        "wallet_set_ids": ids_text([live.wallet_set_id for live in lives]),
        "account_types": array_text([live.account_type for live in lives]),
        "adopted": ids_text(["t" if live.adopted else "f" for live in lives]),
        "circle_request_ids": array_text([live.circle_request_id for live in lives]),
        "job_ids": ids_text([result.job_id for result in results]),
        "epochs": ids_text([result.epoch for result in results]),
        "request_ids": ids_text([result.request_id for result in results]),
        "audit_ids": ids_text(new_ids(len(results))),
        "held_ids": ids_text(held),
        "held_epochs": ids_text([*[move.epoch for move in moves], *beside]),
        "held_revisions": ids_text([*[move.revision for move in moves], *beside]),
        "endings": ids_text([*new_ids(len(moves)), *beside]),
    }


def _moved(endings: Sequence[Ending], ended: str) -> Iterator[Moved]:
    """Return the moves that were made, given their places and durations."""
    for each in ended.split(","):
        place, _, seconds = each.partition(":")
        job, move = endings[int(place) - 1]
        duration = timedelta(seconds=float(seconds)) if seconds else None
        trace_id = trace_id_of(job.traceparent)
        yield Moved(move, job.user_id, JobStatus.COMPLETED, job.attempt, duration, trace_id)
