"""Adds to the totals what commits have counted, on PostgreSQL: exactly once, and nobody waits for it.

A commit appends a row to `job_counts` and updates none. Totals that every commit updates would leave a
version behind each time; beside a transaction that stays open elsewhere, such as a dump of an hour, none
of them can be cleared away, and each update and each read passes them all.

Theory of operation. A fold adds to the totals all rows that it sees and notes its own snapshot: which
transactions had committed then. A reader takes the totals and adds the rows of all others: those that
began later, which lie together at the end of the index, and the few that were in flight, each looked up.
So a transaction that commits late is counted once, however late, and no row is looked at that was folded.
A row is deleted when no transaction that could have been in flight is older; the rest of the index, where
the deleted ones leave their entries, is never read again.

Alternatives lost. A mark of how far was folded must wait for the oldest transaction that writes, whosever
it is. Deleting what is folded and reading what is left passes all entries of deleted rows. A running
total, appended by each commit, makes them wait for one another.
"""

from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import Connection, Interval, bindparam, inspect, text

from wallet_provisioning.store.chores import Chore, is_ours
from wallet_provisioning.store.tables import job_counts
from wallet_provisioning.store.transaction import Transaction

_LAST_ID = 2**63 - 1
# The rows that are not in the totals yet. PostgreSQL takes a range with two ends for a short one, and a
# subquery with an offset is run for each id: whatever it knows of the table, it uses the index.
UNFOLDED = f"""
    SELECT c.counted, c.count, c.timed, c.duration_us, c.counted_at FROM job_counts AS c
    WHERE c.transaction_id BETWEEN coalesce(
        (SELECT txid_snapshot_xmax(CAST(up_to AS txid_snapshot)) FROM job_counts_folded), 0) AND {_LAST_ID}
    UNION ALL
    SELECT late.counted, late.count, late.timed, late.duration_us, late.counted_at
    FROM job_counts_folded AS f
    CROSS JOIN LATERAL txid_snapshot_xip(CAST(f.up_to AS txid_snapshot)) AS was_in_flight(id)
    CROSS JOIN LATERAL
        (SELECT * FROM job_counts AS c WHERE c.transaction_id = was_in_flight.id OFFSET 0) AS late
"""  # noqa: S608 - text of our own
# What ends an attempt; any other row counts an error, by its type.
ENDS = ("succeeded", "failed", "retried")

# Folded at once when so many wait, else when one has waited for so long.
_ENOUGH = 200
_PATIENCE = timedelta(seconds=30)
_DELETED_AT_ONCE = 5000
# The shard that nobody else adds to: those of daemons that update the totals themselves are 0 to 15.
_SHARD = 16

# fold: add to the totals what they lack, and note what that was
_FOLD = text(
    f"""
WITH unfolded AS MATERIALIZED ({UNFOLDED}),
due AS MATERIALIZED (
    SELECT count(*) AS rows FROM unfolded
    HAVING count(*) >= :enough OR min(counted_at) < clock_timestamp() - :patience
),
added AS (
    INSERT INTO job_totals AS t (shard, succeeded, failed, retried, timed, duration_us, last_processed_at)
    SELECT {_SHARD}, coalesce(sum(count) FILTER (WHERE counted = 'succeeded'), 0),
        coalesce(sum(count) FILTER (WHERE counted = 'failed'), 0),
        coalesce(sum(count) FILTER (WHERE counted = 'retried'), 0), sum(timed), sum(duration_us),
        max(counted_at)
    FROM unfolded, due
    WHERE counted IN {ENDS}
    HAVING count(*) > 0
    ON CONFLICT (shard) DO UPDATE
    SET succeeded = t.succeeded + excluded.succeeded, failed = t.failed + excluded.failed,
        retried = t.retried + excluded.retried, timed = t.timed + excluded.timed,
        duration_us = t.duration_us + excluded.duration_us,
        last_processed_at = greatest(t.last_processed_at, excluded.last_processed_at)
),
errors_added AS (
    INSERT INTO job_error_totals AS t (shard, error_type, count)
    SELECT {_SHARD}, counted, sum(count) FROM unfolded, due
    WHERE counted NOT IN {ENDS}
    GROUP BY counted
    ORDER BY counted
    ON CONFLICT (shard, error_type) DO UPDATE SET count = t.count + excluded.count
),
noted AS (
    INSERT INTO job_counts_folded (id, up_to)
    SELECT 1, CAST(txid_current_snapshot() AS text) FROM due
    ON CONFLICT (id) DO UPDATE SET up_to = excluded.up_to
)
SELECT coalesce((SELECT rows FROM due), 0)
"""  # noqa: S608 - text of our own
).bindparams(bindparam("patience", type_=Interval))

# sweep counts: delete what is folded and can't be asked for again, from a mark on
_SWEEP = text(
    """
WITH settled AS MATERIALIZED (
    SELECT txid_snapshot_xmin(CAST(up_to AS txid_snapshot)) AS below FROM job_counts_folded
),
bound AS MATERIALIZED (
    SELECT coalesce(
        (SELECT transaction_id FROM job_counts
         WHERE transaction_id >= :since AND transaction_id < (SELECT below FROM settled)
         ORDER BY transaction_id, number OFFSET :at_once LIMIT 1), below) AS until
    FROM settled
),
gone AS (
    DELETE FROM job_counts WHERE transaction_id >= :since AND transaction_id < (SELECT until FROM bound)
)
SELECT until FROM bound
"""
)


@dataclass(slots=True)
class Folder:
    """Folds and sweeps. Of one thread; losing its mark costs one look at what others have deleted."""

    delete: int = _DELETED_AT_ONCE
    _since: int = 0

    def fold(self, tx: Transaction, *, enough: int = _ENOUGH) -> int:
        """Fold if `enough` rows wait or one has waited long, and delete old ones; returns how many it folded.

        On SQLite, whose totals are updated in place, there is nothing to do.
        """
        if tx.dialect == "sqlite" or not is_ours(tx, Chore.FOLD):
            return 0
        folded = int(tx.execute(_FOLD, {"enough": enough, "patience": _PATIENCE}).scalar_one())
        until = tx.execute(_SWEEP, {"since": self._since, "at_once": self.delete}).scalar()
        self._since = max(self._since, int(until or 0))
        return folded


def counts_run_behind(connection: Connection) -> bool:
    """Return whether ids of transactions are noted that the server has yet to give, as after a dump."""
    return connection.dialect.name == "postgresql" and bool(connection.execute(_RUN_BEHIND).scalar())


def settle_counts(connection: Connection) -> None:
    """Fold and forget all ids of transactions where the server's began again. For `migrate` alone."""
    if not inspect(connection).has_table(job_counts.name) or not counts_run_behind(connection):
        return
    connection.execute(text("LOCK TABLE job_counts, job_counts_folded"))
    connection.execute(_FOLD, {"enough": 0, "patience": _PATIENCE})
    connection.execute(text("DELETE FROM job_counts"))
    connection.execute(text("DELETE FROM job_counts_folded"))


_RUN_BEHIND = text(
    """
    SELECT txid_snapshot_xmax(txid_current_snapshot()) < greatest(
        (SELECT max(transaction_id) FROM job_counts),
        (SELECT txid_snapshot_xmax(CAST(up_to AS txid_snapshot)) FROM job_counts_folded))
    """
)
