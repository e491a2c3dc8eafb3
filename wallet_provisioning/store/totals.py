"""The counts that outlive the daemon, kept as a rollup so that reading them costs the same for ever.

An attempt counts when it ends: a completed one as succeeded, a failed job as failed, one that will be
tried again as retried. One that is given back (nothing was asked, or its actor crashed) is no processed
one, nor is what is handed back, rescued, continued, cancelled or started again. Each error counts, given
back or not. On PostgreSQL what a transaction counts is appended and `folding` adds it up; SQLite, which
has one writer and keeps no old versions, adds to the totals themselves.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache

from sqlalchemy import Connection, Executable, Table, func, text
from sqlalchemy.dialects import sqlite

from wallet_provisioning.jobs.states import MoveName
from wallet_provisioning.store.changes import Change
from wallet_provisioning.store.columns import Time
from wallet_provisioning.store.folding import ENDS, UNFOLDED
from wallet_provisioning.store.lookups import dialect_name
from wallet_provisioning.store.sets import Row, insert_rows
from wallet_provisioning.store.tables import job_counts, job_error_totals, job_totals
from wallet_provisioning.store.transaction import Transaction

COUNTED = {
    MoveName.COMPLETE: "succeeded",
    MoveName.FAIL: "failed",
    MoveName.SCHEDULE_RETRY: "retried",
}


@dataclass(slots=True)
class _Sum:
    """What one transaction counts."""

    counts: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    timed: Counter[str] = field(default_factory=Counter)
    durations: dict[str, timedelta] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """The counts since the first day: attempts that ended, by how; `average_duration` of those."""

    succeeded: int
    failed: int
    retried: int
    average_duration: timedelta | None
    last_processed_at: datetime | None
    errors_by_type: Mapping[str, int]

    @property
    def processed(self) -> int:
        """All attempts that ended."""
        return self.succeeded + self.failed + self.retried


def totals(connection: Connection) -> Totals:
    """Return the counts that outlive the daemon."""
    sums = {row.counted: row for row in connection.execute(_SUMS[dialect_name(connection)])}
    ended = [sums[name] for name in ENDS if name in sums]
    counts = {row.counted: int(row.total) for row in ended}
    timed = sum(int(row.timed) for row in ended)
    duration = timedelta(microseconds=sum(int(row.duration_us) for row in ended))
    return Totals(
        succeeded=counts.get("succeeded", 0),
        failed=counts.get("failed", 0),
        retried=counts.get("retried", 0),
        average_duration=duration // timed if timed else None,
        last_processed_at=max((row.counted_at for row in ended), default=None),
        errors_by_type={name: int(row.total) for name, row in sums.items() if name not in ENDS},
    )


_FOLDED = """
    SELECT 'succeeded' AS counted, succeeded AS count, timed, duration_us, last_processed_at AS counted_at
    FROM job_totals
    UNION ALL SELECT 'failed', failed, 0, 0, last_processed_at FROM job_totals
    UNION ALL SELECT 'retried', retried, 0, 0, last_processed_at FROM job_totals
    UNION ALL SELECT error_type, count, 0, 0, NULL FROM job_error_totals
"""
_SUM = """
SELECT counted, sum(count) AS total, sum(timed) AS timed, sum(duration_us) AS duration_us,
    max(counted_at) AS counted_at
FROM ({}) AS counts GROUP BY counted
"""
# totals: what is folded, and what isn't yet
_SUMS = {
    dialect: text(_SUM.format(source)).columns(counted_at=Time)
    for dialect, source in (("sqlite", _FOLDED), ("postgresql", f"{_FOLDED} UNION ALL {UNFOLDED}"))
}


def add_to_totals(tx: Transaction, changes: Iterable[Change], moment: datetime) -> None:
    """Count the attempts that these changes end."""
    total = _sum_up(changes)
    if tx.dialect == "sqlite":
        _add_up(tx, total, moment)
    else:
        insert_rows(tx, job_counts, list(_rows(total, moment)))


def _sum_up(changes: Iterable[Change]) -> _Sum:
    total = _Sum()
    for change in changes:
        counted, failure = COUNTED.get(change.move.name), change.move.failure
        if failure is not None:
            total.errors[failure.error_type.value] += 1
        if counted is None:
            continue
        total.counts[counted] += 1
        if change.duration is not None:
            total.timed[counted] += 1
            total.durations[counted] = total.durations.get(counted, timedelta()) + change.duration
    return total


def _rows(total: _Sum, moment: datetime) -> Iterator[Row]:
    for counted, count in (total.counts + total.errors).items():
        yield {
            "counted": counted,
            "count": count,
            "timed": total.timed[counted],
            "duration_us": total.durations.get(counted, timedelta()) // timedelta(microseconds=1),
            "counted_at": moment,
        }


def _add_up(tx: Transaction, total: _Sum, moment: datetime) -> None:
    if total.counts:
        row = {
            "shard": 0,
            **{name: total.counts[name] for name in COUNTED.values()},
            "timed": total.timed.total(),
            "duration_us": sum(total.durations.values(), timedelta()) // timedelta(microseconds=1),
            "last_processed_at": moment,
        }
        tx.execute(_add(job_totals), row)
    for error_type, count in sorted(total.errors.items()):
        tx.execute(_add(job_error_totals), {"shard": 0, "error_type": error_type, "count": count})


@cache
def _add(table: Table) -> Executable:
    """Insert a row, or add its numbers to those that are there; of times the later one stays."""
    insert = sqlite.insert(table)
    sums = {
        one.name: func.max(one, insert.excluded[one.name])
        if isinstance(one.type, Time)
        else one + insert.excluded[one.name]
        for one in table.c
        if not one.primary_key
    }
    return insert.on_conflict_do_update(index_elements=list(table.primary_key), set_=sums)
