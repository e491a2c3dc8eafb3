"""Takes due jobs for a daemon, renews its hold on them, and frees the jobs of daemons that are gone.

A claim is an exclusive hold: a lease with an end, and an epoch that rises with every claim. Whoever
acts for the job later proves that it holds the current epoch.
"""

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy import update

from wallet_provisioning.jobs.moves import ClaimedJob, Move
from wallet_provisioning.jobs.states import MoveName
from wallet_provisioning.store.claiming import take_due
from wallet_provisioning.store.errors import StaleJobError
from wallet_provisioning.store.job_rows import LockedJobs, lock_jobs_where
from wallet_provisioning.store.moves import Moved, apply_to_locked
from wallet_provisioning.store.queue_front import QueueFront
from wallet_provisioning.store.tables import HELD, jobs
from wallet_provisioning.store.transaction import Transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class Claims:
    """The jobs that were claimed, and how long until the next one is due.

    `next_due` is None while there may be more to claim at once, and where nothing waits for its time.
    """

    jobs: tuple[ClaimedJob, ...]
    next_due: timedelta | None


def claim_jobs(
    tx: Transaction,
    *,
    holder: UUID,
    limit: int,
    lease: timedelta,
    include_retries: bool,
    front: QueueFront | None = None,
) -> Claims:
    """Claim up to `limit` due jobs, those that have waited longest first.

    Two daemons never get the same job, and don't wait for each other. Who claims again and again gives its
    `front`; then `next_due` may also be when to look for jobs that keep an old place in the queue.
    """
    since = None if front is None else front.since()
    began = None if front is None else front.now()
    taken = take_due(
        tx, holder=holder, limit=limit, lease=lease, include_retries=include_retries, since=since
    )
    if front is not None and began is not None:
        front.looked(since=since, took=front.now() - began, jobs=len(taken.jobs), last=taken.last_due)
    if len(taken.jobs) >= limit:
        return Claims(jobs=taken.jobs, next_due=None)
    waits = (taken.next_due, None if front is None or since is None else front.whole_again_in())
    return Claims(jobs=taken.jobs, next_due=min((each for each in waits if each is not None), default=None))


def renew_lease(tx: Transaction, *, job_id: UUID, epoch: int, lease: timedelta) -> None:
    """Prolong the hold on a job from now. Raises `StaleJobError` where it is held no longer."""
    held = update(jobs).where(jobs.c.id == job_id, jobs.c.epoch == epoch, HELD)
    if tx.execute(held.values(lease_until=tx.after(lease))).rowcount != 1:
        raise StaleJobError(job_id, epoch)


def rescue_expired(tx: Transaction, *, limit: int = 100) -> tuple[Moved, ...]:
    """Queue jobs again whose lease ran out: their daemon is dead, stopped or cut off."""
    expired = lock_jobs_where(tx, HELD, jobs.c.lease_until <= tx.now, limit=limit)
    return _return_all(tx, expired, MoveName.RESCUE)


def rescue_orphans(tx: Transaction) -> tuple[Moved, ...]:
    """Queue all jobs in progress again: for an SQLite file whose one daemon has just started."""
    return _return_all(tx, lock_jobs_where(tx, HELD), MoveName.RESCUE)


def hand_back_all(tx: Transaction, *, holder: UUID) -> tuple[Moved, ...]:
    """Queue all jobs again that a stopping daemon still holds."""
    held = lock_jobs_where(tx, HELD, jobs.c.lease_holder == holder)
    return _return_all(tx, held, MoveName.HAND_BACK)


def _return_all(tx: Transaction, locked: LockedJobs | None, name: MoveName) -> tuple[Moved, ...]:
    if locked is None:
        return ()
    moves = [Move(name=name, job_id=row.id, epoch=row.epoch) for row in locked.rows.values()]
    return apply_to_locked(tx, locked, moves)
