"""How long the queue is and how long its first job has waited, at the same cost beside an old transaction.

An index keeps an entry for each job that has gone by until no transaction can see it as it was (see
`queue_front`), and a count would walk them all. So whoever asks again and again remembers the front of the
queue and counts from there. What lies behind it, jobs that were handed back or whose lease ran out, is
counted when the whole is looked at: always where that is cheap, else every few minutes. And no look, cheap
or dear, is taken again before a hundred times as long has passed: until then the last one is the answer.
"""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import Connection, Executable, func, select, union_all

from wallet_provisioning.clock import Clock
from wallet_provisioning.jobs.states import UNFINISHED, JobStatus
from wallet_provisioning.store import tables
from wallet_provisioning.store.lookups import dialect_name
from wallet_provisioning.store.queue_front import QueueFront
from wallet_provisioning.store.tables import jobs
from wallet_provisioning.store.transaction import now_of

_PATIENCE = timedelta(minutes=5)
_COUNTED_AT_ONCE = 100  # jobs that may take as long to count as one to claim
_RESCUED_WITHIN = timedelta(minutes=1)
# However long the queue is, counting it takes a hundredth of the time; an answer is never older than this.
_SHARE = 100
_OLDEST = timedelta(minutes=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    """How many jobs are in each unfinished status, 0 included, and how long the oldest has been due, or held.

    An age is None where there is no such job.
    """

    depths: Mapping[JobStatus, int]
    oldest_due_age: timedelta | None
    oldest_in_progress_age: timedelta | None


class QueueWatch:
    """What one who counts remembers. Safe on any thread; losing it costs one look at the whole queue."""

    def __init__(self, clock: Clock) -> None:
        """Start by looking at the whole queue."""
        self._front = QueueFront(clock, patience=_PATIENCE)
        self._turn = threading.Lock()
        self._seen: Queue | None = None
        self._seen_at = self._again_at = self._front.now()

    def look(self, connection: Connection) -> Queue:
        """Count, or return what was just counted. Takes a reader's connection; raises as any read does."""
        with self._turn:
            began = self._front.now()
            if self._seen is None or began >= self._again_at:
                self._seen = self.count(connection)
                self._seen_at = self._front.now()
                self._again_at = self._seen_at + min(_SHARE * (self._seen_at - began), _OLDEST)
                return self._seen
            return _aged(self._seen, began - self._seen_at)

    def count(self, connection: Connection) -> Queue:
        """Count, whatever was counted before. Of one thread at a time."""
        since = None if dialect_name(connection) == "sqlite" else self._front.since()
        began = self._front.now()
        oldest, moment = _oldest_due(connection, since)
        rows = {JobStatus(row.status): row for row in connection.execute(_counts(since, moment))}
        took = self._front.now() - began
        depths = {status: int(rows[status].depth) if status in rows else 0 for status in sorted(UNFINISHED)}
        counted = sum(depths.values()) // _COUNTED_AT_ONCE
        self._front.looked(since=since, took=took, jobs=counted, last=oldest)
        held = rows.get(JobStatus.IN_PROGRESS)
        return Queue(
            depths=depths,
            oldest_due_age=moment - oldest if oldest is not None and oldest <= moment else None,
            oldest_in_progress_age=None if held is None else moment - held.claimed_at,
        )


def _aged(queue: Queue, by: timedelta) -> Queue:
    """Return what was counted a while ago, as old as it is now."""
    due, held = queue.oldest_due_age, queue.oldest_in_progress_age
    return replace(
        queue,
        oldest_due_age=None if due is None else due + by,
        oldest_in_progress_age=None if held is None else held + by,
    )


def _oldest_due(connection: Connection, since: datetime | None) -> tuple[datetime | None, datetime]:
    """Return when the first job is or was due, and the database's time."""
    after = [] if since is None else [jobs.c.due_at >= since]
    oldest = select(func.min(jobs.c.due_at)).where(tables.CLAIMABLE, *after).scalar_subquery()
    row = connection.execute(select(oldest.label("due"), now_of(connection).label("moment"))).one()
    return row.due, row.moment


def _counts(since: datetime | None, moment: datetime) -> Executable:
    columns = (jobs.c.status, func.count().label("depth"), func.min(jobs.c.claimed_at).label("claimed_at"))
    counted = select(*columns).group_by(jobs.c.status)
    if since is None:
        return counted.where(tables.UNFINISHED)
    # One whose lease ran out is rescued within seconds; while nobody does, the next whole look counts it.
    leased = jobs.c.lease_until >= moment - _RESCUED_WITHIN
    return union_all(
        counted.where(tables.CLAIMABLE, jobs.c.due_at >= since), counted.where(tables.HELD, leased)
    )
