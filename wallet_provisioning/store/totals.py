"""The counts that outlive the daemon, kept as a rollup so that reading them costs the same for ever.

Each daemon adds to the row of its own shard, or they would all wait for one row. An attempt counts
when it ends: a completed one as succeeded, a failed job as failed, one that will be tried again as
retried. One that is given back (nothing was asked, or its actor crashed) is no processed one, nor is what
is handed back, rescued, continued, cancelled or started again. Each error counts, given back or not.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache

from sqlalchemy import Executable, Table, func
from sqlalchemy.dialects import postgresql, sqlite

from wallet_provisioning.jobs.states import MoveName
from wallet_provisioning.store.changes import Change
from wallet_provisioning.store.columns import Time
from wallet_provisioning.store.tables import job_error_totals, job_totals
from wallet_provisioning.store.transaction import Transaction
from wallet_provisioning.store.urls import Dialect

COUNTED = {
    MoveName.COMPLETE: "succeeded",
    MoveName.FAIL: "failed",
    MoveName.SCHEDULE_RETRY: "retried",
}
SHARDS = 16


@dataclass(slots=True)
class _Shard:
    """What one transaction adds to one shard."""

    counts: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    duration: timedelta = timedelta()


def add_to_totals(tx: Transaction, changes: Iterable[Change], moment: datetime) -> None:
    """Count the attempts that these changes end. Last in a transaction: its row is the busiest."""
    for number, shard in sorted(_sum_up(changes).items()):
        if shard.counts:
            row = {
                "shard": number,
                **{name: shard.counts[name] for name in ("succeeded", "failed", "retried", "timed")},
                "duration_us": shard.duration // timedelta(microseconds=1),
                "last_processed_at": moment,
            }
            tx.execute(_add(tx.dialect, job_totals), row)
        for error_type, count in sorted(shard.errors.items()):
            error = {"shard": number, "error_type": error_type, "count": count}
            tx.execute(_add(tx.dialect, job_error_totals), error)


def _sum_up(changes: Iterable[Change]) -> dict[int, _Shard]:
    shards: dict[int, _Shard] = {}
    for change in changes:
        counted, failure = COUNTED.get(change.move.name), change.move.failure
        if counted is None and failure is None:
            continue
        shard = shards.setdefault(_shard_of(change), _Shard())
        if failure is not None:
            shard.errors[failure.error_type.value] += 1
        if counted is None:
            continue
        shard.counts[counted] += 1
        if change.duration is not None:
            shard.counts["timed"] += 1
            shard.duration += change.duration
    return shards


def _shard_of(change: Change) -> int:
    holder = change.before.lease_holder
    return 0 if holder is None else holder.int % SHARDS


@cache
def _add(dialect: Dialect, table: Table) -> Executable:
    """Insert a row, or add its numbers to those that are there; of times the later one stays."""
    insert = (postgresql.insert if dialect == "postgresql" else sqlite.insert)(table)
    greatest = func.greatest if dialect == "postgresql" else func.max
    sums = {
        one.name: greatest(one, insert.excluded[one.name])
        if isinstance(one.type, Time)
        else one + insert.excluded[one.name]
        for one in table.c
        if not one.primary_key
    }
    return insert.on_conflict_do_update(index_elements=list(table.primary_key), set_=sums)
