"""How long the queue is and how long its first job has waited, at the same cost beside an old transaction.

An index keeps an entry for each job that has gone by until no transaction can see it as it was (see
`queue_front`), and a count would walk them all. So whoever asks again and again remembers the front of the
queue and counts from there. What lies behind it, jobs that were handed back or whose lease ran out, is
counted when the whole is looked at: always where that is cheap, else every few minutes.
"""

import threading
from collections.abc import Mapping
from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    """How many jobs are in each unfinished status, 0 included, and how long the oldest due one has waited."""

    depths: Mapping[JobStatus, int]
    oldest_due_age: timedelta | None


class QueueWatch:
    """What one who counts remembers. Safe on any thread; losing it costs one look at the whole queue."""

    def __init__(self, clock: Clock) -> None:
        """Start by looking at the whole queue."""
        self._front = QueueFront(clock, patience=_PATIENCE)
        self._turn = threading.Lock()

    def look(self, connection: Connection) -> Queue:
        """Count. Takes a reader's connection, and raises as any read does."""
        with self._turn:
            since = None if dialect_name(connection) == "sqlite" else self._front.since()
            began = self._front.now()
            oldest, moment = _oldest_due(connection, since)
            depths = _depths(connection, since, moment)
            took = self._front.now() - began
            counted = sum(depths.values()) // _COUNTED_AT_ONCE
            self._front.looked(since=since, took=took, jobs=counted, last=oldest)
        is_due = oldest is not None and oldest <= moment
        return Queue(depths=depths, oldest_due_age=moment - oldest if oldest is not None and is_due else None)


def _oldest_due(connection: Connection, since: datetime | None) -> tuple[datetime | None, datetime]:
    """Return when the first job is or was due, and the database's time."""
    after = [] if since is None else [jobs.c.due_at >= since]
    oldest = select(func.min(jobs.c.due_at)).where(tables.CLAIMABLE, *after).scalar_subquery()
    row = connection.execute(select(oldest.label("due"), now_of(connection).label("moment"))).one()
    return row.due, row.moment


def _depths(connection: Connection, since: datetime | None, moment: datetime) -> dict[JobStatus, int]:
    found = {JobStatus(row.status): int(row.depth) for row in connection.execute(_counts(since, moment))}
    return {status: found.get(status, 0) for status in sorted(UNFINISHED)}


def _counts(since: datetime | None, moment: datetime) -> Executable:
    counted = select(jobs.c.status, func.count().label("depth")).group_by(jobs.c.status)
    if since is None:
        return counted.where(tables.UNFINISHED)
    # One whose lease ran out is rescued within seconds; while nobody does, the next whole look counts it.
    leased = jobs.c.lease_until >= moment - _RESCUED_WITHIN
    return union_all(
        counted.where(tables.CLAIMABLE, jobs.c.due_at >= since), counted.where(tables.HELD, leased)
    )
