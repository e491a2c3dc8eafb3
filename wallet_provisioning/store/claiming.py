"""The claim itself: lock the due jobs, take them, audit it. Two texts, one meaning.

PostgreSQL does it in one statement for the whole batch. The alternatives lost: one statement a job
costs a round trip each; choosing, updating and auditing in three statements costs two more on the
way from an accepted job to its first request, where an idle system's latency lies, and so does asking
apart when the next job is due. The jobs come back as one JSON text: as rows they cost twice the CPU.
`SKIP LOCKED` lets daemons pass each other. The due jobs are locked in a CTE of their own, since
PostgreSQL must not run the choice again for each row of the update. The clock is read in a subquery:
as a plain function call it would be no condition for the index, and every waiting job would be looked at.

SQLite has one writer at a time, so choosing first and writing then is safe there.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any, TypeAlias
from uuid import UUID

import orjson
from sqlalchemy import Integer, Interval, RowMapping, Text, bindparam, func, literal, select, text, update
from sqlalchemy.sql.expression import TextualSelect

from wallet_provisioning.jobs.errors import ErrorType
from wallet_provisioning.jobs.moves import ClaimedJob, Failure
from wallet_provisioning.jobs.states import TABLE, JobStatus, MoveName, WalletStatus
from wallet_provisioning.store.arrays import array_text
from wallet_provisioning.store.audit import AuditEntry, write_entries
from wallet_provisioning.store.columns import Id, Time, Words, iso
from wallet_provisioning.store.ids import new_ids
from wallet_provisioning.store.sets import one_of
from wallet_provisioning.store.tables import CLAIMABLE, jobs, wallets
from wallet_provisioning.store.text_ids import text_id
from wallet_provisioning.store.transaction import Transaction
from wallet_provisioning.store.views import Fields

_CLAIM = TABLE[MoveName.CLAIM]

# claim: take due jobs for a holder, with one audit row each; returns them with their wallets
_CLAIM_ON_POSTGRESQL = """
WITH moment AS MATERIALIZED (SELECT clock_timestamp() AS now),
due AS MATERIALIZED (
    SELECT id, status, next_retry_at, due_at
    FROM wallet_provisioning_jobs
    WHERE status IN ('queued', 'retry') AND due_at <= (SELECT now FROM moment) {narrower}
    ORDER BY due_at, id
    LIMIT :limit
    FOR UPDATE SKIP LOCKED
),
taken AS (
    UPDATE wallet_provisioning_jobs AS j
    SET status = 'in_progress', attempt_count = j.attempt_count + 1, epoch = j.epoch + 1,
        next_retry_at = NULL, lease_until = moment.now + :lease, lease_holder = :holder,
        claimed_at = moment.now, started_at = coalesce(j.started_at, moment.now),
        updated_at = moment.now
    FROM due, moment
    WHERE j.id = due.id
    RETURNING j.id, j.user_id, j.chains, j.epoch, j.revision, j.attempt_count, j.max_attempts,
        j.crash_count, j.error_type, j.error_message, j.traceparent, j.trace_id, due.due_at,
        due.status AS status_before, due.next_retry_at AS retry_before
),
numbered AS (
    SELECT taken.*, row_number() OVER (ORDER BY due_at, id) AS number,
        CASE WHEN error_type IS NOT NULL
             THEN jsonb_build_object('type', error_type, 'message', error_message) END AS error
    FROM taken
),
audited AS (
    INSERT INTO audit_logs (id, user_id, actor, action, resource_type, resource_id, changes, status,
        created_at, trace_id, job_id, epoch)
    SELECT (CAST(:audit_ids AS text[]))[CAST(number AS integer)], user_id, :actor, :action, 'job', id,
        jsonb_build_object(
            'before', jsonb_build_object('status', status_before, 'attempt_count', attempt_count - 1,
                'crash_count', crash_count, 'error', error, 'next_retry_at',
                to_char(retry_before AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')),
            'after', jsonb_build_object('status', 'in_progress', 'attempt_count', attempt_count,
                'crash_count', crash_count, 'error', error, 'next_retry_at', NULL)),
        :audit_status, now, trace_id, id, epoch
    FROM numbered, moment
)
SELECT
    (SELECT CAST(json_agg(json_build_array(id, user_id, chains, epoch, revision, attempt_count, max_attempts,
        crash_count, traceparent,
        (SELECT json_agg(json_build_array(w.chain, w.status, w.error_type, w.error_message))
         FROM managed_wallets AS w WHERE w.user_id = numbered.user_id)) ORDER BY number) AS text)
     FROM numbered) AS claimed,
    (SELECT max(due_at) FROM taken) AS last_due,
    {next_due} AS next_due
"""
_QUEUED_ONLY = "AND status = 'queued'"
_FROM_FRONT = "AND due_at >= :since"
_NO_NEXT = "CAST(NULL AS interval)"
_NEXT_DUE = """
    CASE WHEN (SELECT count(*) FROM taken) < :limit THEN
        (SELECT min(due_at) FROM wallet_provisioning_jobs
         WHERE status IN ('queued', 'retry') AND due_at > (SELECT now FROM moment)) - (SELECT now FROM moment)
    END"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """The jobs that were claimed, and how long until the next one is due, once nothing more is.

    `last_due` is when the last of them was due; None on SQLite and for no jobs.
    """

    jobs: tuple[ClaimedJob, ...]
    last_due: datetime | None = None
    next_due: timedelta | None = None


NOTHING = Taken(jobs=())
# A wallet's chain, status, type of error and its message.
_Wallet: TypeAlias = Sequence[Any]


def take_due(
    tx: Transaction,
    *,
    holder: UUID,
    limit: int,
    lease: timedelta,
    include_retries: bool,
    since: datetime | None,
) -> Taken:
    """Claim due jobs, those that have waited longest first; queued ones only without retries.

    With `since`, which only PostgreSQL has a use for, none that was due earlier.
    """
    if limit < 1:
        return NOTHING
    if tx.dialect == "sqlite":
        return _take_on_sqlite(tx, holder, limit, lease, include_retries=include_retries)
    parameters = {
        "limit": limit,
        "lease": lease,
        "holder": holder,
        "actor": tx.actor,
        "action": _CLAIM.audit_action,
        "audit_status": _CLAIM.audit_status.value,
        "audit_ids": array_text(new_ids(limit)),
    }
    bounds = {} if since is None else {"since": since}
    statement = _typed(include_retries, since is not None)
    row = tx.execute(statement, {**parameters, **bounds}).one()
    return Taken(
        jobs=tuple([_claimed(*fields) for fields in orjson.loads(row.claimed or "[]")]),
        last_due=row.last_due,
        next_due=row.next_due,
    )


@cache
def _typed(include_retries: bool, from_front: bool) -> TextualSelect:  # noqa: FBT001 - the cache's keys
    narrower = ("" if include_retries else _QUEUED_ONLY, _FROM_FRONT if from_front else "")
    statement = _CLAIM_ON_POSTGRESQL.format(
        narrower=" ".join(narrower), next_due=_NEXT_DUE if include_retries else _NO_NEXT
    )
    return (
        text(statement)
        .bindparams(
            bindparam("limit", type_=Integer),
            bindparam("lease", type_=Interval),
            bindparam("holder", type_=Id),
            bindparam("actor", type_=Words),
            bindparam("action", type_=Words),
            bindparam("audit_status", type_=Words),
        )
        .columns(claimed=Text, last_due=Time, next_due=Interval)
    )


def _take_on_sqlite(
    tx: Transaction, holder: UUID, limit: int, lease: timedelta, *, include_retries: bool
) -> Taken:
    moment = tx.read_clock()
    due = select(jobs).where(CLAIMABLE, jobs.c.due_at <= moment)
    if not include_retries:
        due = due.where(jobs.c.status == JobStatus.QUEUED.value)
    rows = tx.execute(due.order_by(jobs.c.due_at, jobs.c.id).limit(limit)).mappings().all()
    next_due = _until_next_due(tx, moment) if include_retries and len(rows) < limit else None
    if not rows:
        return Taken(jobs=(), next_due=next_due)
    write_entries(tx, [_entry(row) for row in rows], moment)
    _hold(tx, [row["id"] for row in rows], holder, moment, lease)
    return Taken(jobs=_jobs_of(tx, rows), next_due=next_due)


def _hold(tx: Transaction, ids: Sequence[UUID], holder: UUID, moment: datetime, lease: timedelta) -> None:
    tx.execute(
        update(jobs)
        .where(one_of(tx.dialect, jobs.c.id, ids))
        .values(
            status=JobStatus.IN_PROGRESS.value,
            attempt_count=jobs.c.attempt_count + 1,
            epoch=jobs.c.epoch + 1,
            next_retry_at=None,
            lease_until=moment + lease,
            lease_holder=holder,
            claimed_at=moment,
            started_at=func.coalesce(jobs.c.started_at, literal(moment, Time)),
            updated_at=moment,
        )
    )


def _jobs_of(tx: Transaction, rows: Sequence[RowMapping]) -> tuple[ClaimedJob, ...]:
    members = _wallets_of(tx, [row["user_id"] for row in rows])
    return tuple(
        _claimed(
            row["id"],
            row["user_id"],
            row["chains"],
            row["epoch"] + 1,
            row["revision"],
            row["attempt_count"] + 1,
            row["max_attempts"],
            row["crash_count"],
            row["traceparent"],
            members.get(row["user_id"]),
        )
        for row in rows
    )


def _until_next_due(tx: Transaction, moment: datetime) -> timedelta | None:
    soonest = select(func.min(jobs.c.due_at)).where(CLAIMABLE, jobs.c.due_at > moment)
    due: datetime | None = tx.execute(soonest).scalar()
    return None if due is None else due - moment


def _entry(row: Fields) -> AuditEntry:
    before = _facts(row)
    after = {
        **before,
        "status": JobStatus.IN_PROGRESS.value,
        "attempt_count": row["attempt_count"] + 1,
        "next_retry_at": None,
    }
    return AuditEntry(
        action=_CLAIM.audit_action,
        resource_type="job",
        resource_id=str(row["id"]),
        user_id=row["user_id"],
        job_id=row["id"],
        epoch=row["epoch"] + 1,
        before=before,
        after=after,
        status=_CLAIM.audit_status,
        trace_id=row["trace_id"],
    )


def _facts(row: Fields) -> dict[str, Any]:
    has_error = row["error_type"] is not None
    return {
        "status": row["status"],
        "attempt_count": row["attempt_count"],
        "crash_count": row["crash_count"],
        "error": {"type": row["error_type"], "message": row["error_message"]} if has_error else None,
        "next_retry_at": None if row["next_retry_at"] is None else iso(row["next_retry_at"]),
    }


def _wallets_of(tx: Transaction, user_ids: Sequence[UUID]) -> dict[UUID, list[_Wallet]]:
    columns = (wallets.c.chain, wallets.c.status, wallets.c.error_type, wallets.c.error_message)
    query = select(wallets.c.user_id, *columns).where(one_of(tx.dialect, wallets.c.user_id, user_ids))
    by_user: dict[UUID, list[_Wallet]] = {}
    for row in tx.execute(query):
        by_user.setdefault(row.user_id, []).append(tuple(row)[1:])
    return by_user


def _claimed(  # noqa: PLR0917 - one a column, in their order
    id: str | UUID,  # noqa: A002 - as the column
    user_id: str | UUID,
    chains: Sequence[str],
    epoch: int,
    revision: int,
    attempt: int,
    max_attempts: int,
    crash_count: int,
    traceparent: str | None,
    owned: Sequence[_Wallet] | None,
) -> ClaimedJob:
    by_chain = {wallet[0]: wallet for wallet in owned or ()}
    members = [by_chain[chain] for chain in chains if chain in by_chain]
    return ClaimedJob(
        id=text_id(str(id)),
        user_id=text_id(str(user_id)),
        chains=tuple([wallet[0] for wallet in members if wallet[1] == WalletStatus.CREATING]),
        epoch=epoch,
        revision=revision,
        attempt=attempt,
        max_attempts=max_attempts,
        crash_count=crash_count,
        earlier_failure=next((_failure(*each) for each in members if each[1] == WalletStatus.FAILED), None),
        traceparent=traceparent,
    )


def _failure(chain: str, status: str, error_type: str | None, message: str | None) -> Failure:
    del status
    return Failure(error_type=ErrorType(error_type or ErrorType.VALIDATION), message=f"{chain}: {message}")
