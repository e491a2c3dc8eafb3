"""Deletes finished jobs, and requests to Circle that have served, once they are past their time.

What stays for ever: a user's latest job (a repeat is answered with it), unfinished jobs, wallets, KYC
submissions, and every request that a wallet which isn't live still points at, for it may be sent again.
Keys of a deleted job lead to the user's latest job from then on, so a repeat never makes a new one. The
totals are a rollup and don't change. A step is one short transaction and says in the audit what it did.

A pass walks the jobs by user, on the index alone: only a job that another one of the same user follows
may go, so most users are passed over without a look at their row.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import and_, delete, func, or_, select, update

from wallet_provisioning.jobs.states import JobStatus, WalletStatus
from wallet_provisioning.store.audit import write_audit
from wallet_provisioning.store.chores import Chore, is_ours
from wallet_provisioning.store.columns import iso
from wallet_provisioning.store.guards import without_guards
from wallet_provisioning.store.request_rows import binds
from wallet_provisioning.store.sets import one_of
from wallet_provisioning.store.tables import circle_requests, jobs, request_keys
from wallet_provisioning.store.transaction import Transaction

RETENTION = "wallet-worker:retention"
_ENDED = tuple(status.value for status in JobStatus if not status.is_unfinished)
_JOB_GUARDS = ("jobs_are_kept",)
_LOOKED_AT = 5000


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """How far a pass over jobs or requests has come; `user_id` only for jobs."""

    user_id: UUID
    id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class Swept:
    """What a step deleted. `mark` is where the next one goes on, None at the end of the pass."""

    count: int
    mark: Mark | None


START = Mark(user_id=UUID(int=0), id=UUID(int=0))
NOTHING = Swept(count=0, mark=None)


def sweep_jobs(tx: Transaction, mark: Mark, *, keep: timedelta, limit: int = 500) -> Swept:
    """Delete the finished jobs among the next few thousand that ended longer than `keep` ago."""
    if not is_ours(tx, Chore.SWEEP):
        return NOTHING
    cut_off = tx.read_clock() - keep
    looked_at = _look(tx, mark)
    superseded = [row for row in looked_at if row.follower is not None][:limit]
    deleted = _delete_jobs(tx, [row.id for row in superseded], cut_off)
    return Swept(count=deleted, mark=_next_mark(looked_at, superseded, limit))


def sweep_requests(tx: Transaction, mark: Mark, *, keep: timedelta, limit: int = 500) -> Swept:
    """Delete the oldest requests that were answered, were sent longer than `keep` ago and bind nobody."""
    if not is_ours(tx, Chore.SWEEP):
        return NOTHING
    cut_off = tx.read_clock() - keep
    columns = (circle_requests.c.id, circle_requests.c.first_sent_at, circle_requests.c.state)
    some = select(*columns).where(circle_requests.c.id > mark.id).order_by(circle_requests.c.id).limit(limit)
    rows = tx.execute(some).all()
    old = [row.id for row in rows if row.first_sent_at < cut_off and row.state != "unresolved"]
    done = _unbound(tx, old)
    if done:
        _audit(tx, "circle_request", done, cut_off)
        tx.execute(delete(circle_requests).where(one_of(tx.dialect, circle_requests.c.id, done)))
    # Ids are in the order of time: behind a young request there are only younger ones.
    is_over = len(rows) < limit or rows[-1].first_sent_at >= cut_off
    return Swept(count=len(done), mark=None if is_over else Mark(user_id=mark.user_id, id=rows[-1].id))


def _unbound(tx: Transaction, request_ids: Sequence[UUID]) -> list[UUID]:
    """Return the requests that no wallet needs any more."""
    if not request_ids:
        return []
    theirs = one_of(tx.dialect, circle_requests.c.id, request_ids)
    query = (
        select(circle_requests.c.id)
        .where(theirs, ~binds(tx.dialect, WalletStatus.CREATING, WalletStatus.FAILED))
        .order_by(circle_requests.c.id)
    )
    return list(tx.execute(query).scalars())


def _look(tx: Transaction, mark: Mark) -> Sequence[Any]:
    """Return the next jobs by user, each with the one that follows it for the same user."""
    after = or_(jobs.c.user_id > mark.user_id, and_(jobs.c.user_id == mark.user_id, jobs.c.id > mark.id))
    some = (
        select(jobs.c.user_id, jobs.c.id)
        .where(jobs.c.user_id >= mark.user_id, after)
        .order_by(jobs.c.user_id, jobs.c.id)
        .limit(_LOOKED_AT)
        .subquery()
    )
    follower = func.lead(some.c.id).over(partition_by=some.c.user_id, order_by=some.c.id)
    query = select(some.c.user_id, some.c.id, follower.label("follower"))
    return tx.execute(query.order_by(some.c.user_id, some.c.id)).all()


def _next_mark(looked_at: Sequence[Any], superseded: Sequence[Any], limit: int) -> Mark | None:
    """Return where to go on: after what was dealt with, or before the last, whose follower wasn't seen."""
    if len(superseded) == limit:
        return Mark(user_id=superseded[-1].user_id, id=superseded[-1].id)
    if len(looked_at) < _LOOKED_AT:
        return None
    return Mark(user_id=looked_at[-2].user_id, id=looked_at[-2].id)


def _delete_jobs(tx: Transaction, candidates: Sequence[UUID], cut_off: datetime) -> int:
    if not candidates:
        return 0
    old = (
        select(jobs.c.id, jobs.c.user_id)
        .where(one_of(tx.dialect, jobs.c.id, candidates))
        .where(jobs.c.status.in_(_ENDED), jobs.c.completed_at < cut_off)
        .order_by(jobs.c.id)
        .with_for_update(skip_locked=True)
    )
    found = [row.id for row in tx.execute(old)]
    if not found:
        return 0
    _audit(tx, "job", found, cut_off)
    _point_keys_at_latest(tx, found)
    with without_guards(tx, _JOB_GUARDS):
        tx.execute(delete(jobs).where(one_of(tx.dialect, jobs.c.id, found)))
    return len(found)


def _point_keys_at_latest(tx: Transaction, job_ids: Sequence[UUID]) -> None:
    """Have the keys of these jobs lead to their users' latest ones, which are never deleted."""
    gone, later = jobs.alias("gone"), jobs.alias("later")
    latest = (
        select(later.c.id)
        .join(gone, gone.c.user_id == later.c.user_id)
        .where(gone.c.id == request_keys.c.job_id)
        .order_by(later.c.id.desc())
        .limit(1)
        .correlate(request_keys)
        .scalar_subquery()
    )
    theirs = one_of(tx.dialect, request_keys.c.job_id, job_ids)
    tx.execute(update(request_keys).where(theirs).values(job_id=latest))


def _audit(tx: Transaction, kind: str, ids: Sequence[UUID], cut_off: datetime) -> None:
    write_audit(
        tx,
        action=RETENTION,
        resource_type=kind,
        resource_id=None,
        before={"deleted": [str(one) for one in ids]},
        after={"count": len(ids), "cut_off": iso(cut_off)},
    )
