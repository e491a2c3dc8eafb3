"""The usual acceptance in one statement: a user's first job, whose keys nobody has used.

What `accepting` does in six steps PostgreSQL does at once here, and commits it in the same round trip: most
of the time from a request to its acknowledgement is round trips. Anything else (a repeat, a job that is
there already, wallets that are) inserts nothing. What only a race can bring about, keys without their job
or a wallet that appeared meanwhile, breaks a reference or a unique index, so nothing of it remains either.
Whoever is refused goes through `accepting`, which knows what to do.

Keys are written before the job here too: the job waits for their count. So accepts of either way never
wait for each other in a circle.
"""

from collections.abc import Sequence
from datetime import datetime
from functools import cache
from uuid import UUID

from sqlalchemy import Integer, Text, bindparam, text
from sqlalchemy.sql.expression import TextualSelect

from wallet_provisioning.jobs.states import JobStatus, WalletStatus
from wallet_provisioning.store.arrays import array_text, ids_text
from wallet_provisioning.store.audit import JOB_CREATED, Facts
from wallet_provisioning.store.columns import Id, Time, Words
from wallet_provisioning.store.ids import new_id
from wallet_provisioning.store.keys import RequestKey, in_order
from wallet_provisioning.store.newcomers import NewJob, trace_id_of
from wallet_provisioning.store.texts import dump_document
from wallet_provisioning.store.transaction import Transaction
from wallet_provisioning.store.views import JobView, WalletView
from wallet_provisioning.store.wakeups import CHANNEL, WORK

# accept: keys, job, wallets, audit row and announcement, if the user is new; returns when that was
_ACCEPT_FIRST = f"""
WITH newcomer AS MATERIALIZED (
    SELECT WHERE NOT EXISTS (SELECT FROM managed_wallets WHERE user_id = :user_id)
        AND NOT EXISTS (SELECT FROM wallet_provisioning_jobs
                        WHERE user_id = :user_id AND status IN ('queued', 'in_progress', 'retry'))
),
keys AS (
    INSERT INTO request_keys (kind, value, job_id, created_at)
    SELECT k.kind, k.value, :job_id, statement_timestamp()
    FROM newcomer, unnest(CAST(:kinds AS text[]), CAST(:values AS text[])) AS k (kind, value)
    ON CONFLICT DO NOTHING
    RETURNING 1
),
job AS (
    INSERT INTO wallet_provisioning_jobs (id, user_id, chains, status, attempt_count, max_attempts,
        crash_count, epoch, revision, source, traceparent, trace_id, due_at, created_at, updated_at)
    SELECT :job_id, :user_id, CAST(:chains AS jsonb), 'queued', 0, :max_attempts,
        0, 0, 0, :source, :traceparent, :trace_id,
        statement_timestamp(), statement_timestamp(), statement_timestamp()
    FROM newcomer
    WHERE (SELECT count(*) FROM keys) = :key_count
    ON CONFLICT (user_id) WHERE status IN ('queued', 'in_progress', 'retry') DO NOTHING
    RETURNING id, user_id, trace_id, created_at
),
wanted AS (
    INSERT INTO managed_wallets (id, user_id, chain, status, generation, alone, job_id,
        created_at, updated_at)
    SELECT w.id, job.user_id, w.chain, 'creating', 0, false, job.id, job.created_at, job.created_at
    FROM job, unnest(CAST(:wallet_ids AS text[]), CAST(:names AS text[])) AS w (id, chain)
),
audited AS (
    INSERT INTO audit_logs (id, user_id, actor, action, resource_type, resource_id, changes, status,
        created_at, trace_id, job_id, epoch)
    SELECT :audit_id, user_id, :actor, '{JOB_CREATED}', 'job', id, CAST(:changes AS jsonb), 'success',
        created_at, trace_id, id, 0
    FROM job
)
SELECT created_at, pg_notify('{CHANNEL}', '{WORK}') AS announced FROM job
"""  # noqa: S608 - words of our own


def accept_first(tx: Transaction, new: NewJob, keys: Sequence[RequestKey], created: Facts) -> JobView | None:
    """Make a new user's job by a single statement; None where the user or a key isn't new.

    Raises `RowRefusedError` where that turns out in the middle of it. `created` is what the audit says of
    the job. For PostgreSQL alone.
    """
    wallet_ids = [new_id() for _ in new.chains]
    ordered = in_order(keys)
    row = tx.execute(
        _typed(),
        {
            "job_id": new.id,
            "user_id": new.user_id,
            "kinds": array_text([key.kind for key in ordered]),
            "values": array_text([key.value for key in ordered]),
            "key_count": len(ordered),
            "chains": dump_document(new.chains),
            "names": array_text(new.chains),
            "wallet_ids": ids_text(wallet_ids),
            "max_attempts": new.max_attempts,
            "source": new.source,
            "traceparent": new.traceparent,
            "trace_id": trace_id_of(new.traceparent),
            "audit_id": new_id(),
            "actor": tx.actor,
            "changes": dump_document({"before": None, "after": created}),
        },
    ).one_or_none()
    return None if row is None else _view(new, wallet_ids, row.created_at)


@cache
def _typed() -> TextualSelect:
    ids = [bindparam(name, type_=Id) for name in ("job_id", "user_id", "audit_id")]
    words = [bindparam(name, type_=Words) for name in ("actor", "source", "traceparent", "trace_id")]
    numbers = [bindparam(name, type_=Integer) for name in ("max_attempts", "key_count")]
    return text(_ACCEPT_FIRST).bindparams(*ids, *words, *numbers).columns(created_at=Time, announced=Text)


def _view(new: NewJob, wallet_ids: Sequence[UUID], moment: datetime) -> JobView:
    return JobView(
        id=new.id,
        user_id=new.user_id,
        status=JobStatus.QUEUED,
        chains=new.chains,
        wallets=tuple(
            _wallet_view(new.user_id, chain, wallet_id, moment)
            for chain, wallet_id in zip(new.chains, wallet_ids, strict=True)
        ),
        attempt_count=0,
        max_attempts=new.max_attempts,
        crash_count=0,
        error_type=None,
        error_message=None,
        next_retry_at=None,
        source=new.source,
        trace_id=trace_id_of(new.traceparent),
        created_at=moment,
        started_at=None,
        completed_at=None,
        updated_at=moment,
    )


def _wallet_view(user_id: UUID, chain: str, wallet_id: UUID, moment: datetime) -> WalletView:
    return WalletView(
        id=wallet_id,
        user_id=user_id,
        chain=chain,
        blockchain=None,
        status=WalletStatus.CREATING,
        address=None,
        circle_wallet_id=None,
        wallet_set_id=None,
        account_type=None,
        error_type=None,
        error_message=None,
        created_at=moment,
        updated_at=moment,
    )
