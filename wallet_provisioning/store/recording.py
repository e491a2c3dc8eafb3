"""Results and the ends of their jobs, committed together: what the writer does.

On PostgreSQL what is plain (wallets that live, jobs that are complete) is one statement in one round trip,
all or nothing. Anything unusual in it fails it, and then, as where something failed from the start and on
SQLite, the same is done step by step in an ordinary transaction.
"""

from collections.abc import Sequence
from typing import NamedTuple

from wallet_provisioning.jobs.outcomes import Live
from wallet_provisioning.store.database import Database
from wallet_provisioning.store.errors import RowRefusedError
from wallet_provisioning.store.moves import Moved, apply_moves
from wallet_provisioning.store.results import record_results
from wallet_provisioning.store.settling import Ending, settle
from wallet_provisioning.store.transaction import Transaction
from wallet_provisioning.store.wallet_result import WalletResult

_REASON = "record_results"


class Recording(NamedTuple):
    """What was committed: the results that changed a row, the moves that were made."""

    counted: Sequence[WalletResult]
    moved: Sequence[Moved]


def record(
    database: Database, actor: str, results: Sequence[WalletResult], endings: Sequence[Ending]
) -> Recording:
    """Record results and end attempts, in one commit.

    A result that changes nothing, and an end that its guards refuse, is missing from what is returned, which
    is no error. Raises as `record_results` does, with nothing done.
    """
    if database.dialect == "postgresql" and _are_plain(results, endings):
        try:
            with database.write_once(actor, _REASON) as tx:
                return Recording(results, settle(tx, results, endings, is_whole=True).moved)
        except RowRefusedError:
            pass  # step by step what is wrong with it is found
    with database.write(actor, _REASON) as tx:
        return Recording(record_results(tx, results), _end_all(tx, endings))


def _are_plain(results: Sequence[WalletResult], endings: Sequence[Ending]) -> bool:
    if not all(isinstance(result.outcome, Live) for result in results):
        return False
    if not all(ending.is_plain() for ending in endings):
        return False
    wallets = {(result.user_id.int, result.chain) for result in results}
    jobs = {ending.job.id.int for ending in endings}
    return len(wallets) == len(results) and len(jobs) == len(endings)


def _end_all(tx: Transaction, endings: Sequence[Ending]) -> Sequence[Moved]:
    """Make the moves: on PostgreSQL those that are plain at once, then the others one by one."""
    if not endings:
        return ()
    jobs = {ending.job.id.int for ending in endings}
    if tx.dialect == "sqlite" or len(jobs) < len(endings):
        return apply_moves(tx, [ending.move for ending in endings])
    plain = [ending for ending in endings if ending.is_plain()]
    moved = settle(tx, (), plain).moved if plain else ()
    made = {each.move.job_id.int for each in moved}
    others = [ending.move for ending in endings if ending.job.id.int not in made]
    return (*moved, *apply_moves(tx, others))
