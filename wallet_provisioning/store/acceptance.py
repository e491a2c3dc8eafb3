"""Accepting as those do who have nothing else to write: in a transaction of its own, told after it."""

from collections.abc import Callable
from contextlib import suppress

from wallet_provisioning.jobs.states import JobStatus
from wallet_provisioning.store.accepting import Accepted, JobRequest, accept_job, facts_of, new_job
from wallet_provisioning.store.database import Database
from wallet_provisioning.store.errors import RowRefusedError
from wallet_provisioning.store.first_jobs import accept_first
from wallet_provisioning.store.ids import new_id
from wallet_provisioning.store.telling import tell_accepted


def accept(
    database: Database,
    request: JobRequest,
    *,
    actor: str,
    reason: str,
    then: Callable[[Accepted], None] = lambda _: None,
) -> Accepted:
    """Return the job of a request, committed; `accept_job` says which that is. Raises what a write does.

    `then` hears of it first, as soon as it is committed; it must not raise.
    """
    if database.dialect == "postgresql":
        # Where a row is refused, the user or a key was new no longer; the long way finds out what is right.
        with suppress(RowRefusedError):
            accepted = _accept_first(database, request, actor, reason, then)
            if accepted is not None:
                return accepted
    with database.write(actor, reason) as tx:
        accepted = accept_job(tx, request)
        tell_accepted(tx, accepted)
    then(accepted)
    return accepted


def _accept_first(
    database: Database, request: JobRequest, actor: str, reason: str, then: Callable[[Accepted], None]
) -> Accepted | None:
    new = new_job(request, new_id(), request.chains)
    with database.write_once(actor, reason) as tx:
        job = accept_first(tx, new, request.keys, facts_of(new, JobStatus.QUEUED))
        if job is None:
            return None
        accepted = Accepted(job=job, created=True, merged=())
        then(accepted)
        tell_accepted(tx, accepted)
    return accepted
