"""Does the work cost the same after millions of jobs, and while an old transaction stays open elsewhere?

Databases of one PostgreSQL server are compared, each with the same queue: a young one, and one with a long
history. Then the long one and another young one are measured against the first while a transaction that
began before stays open in each, and many jobs have been claimed and completed since, whose old versions
can't be cleared away. What a round claims it completes, and it accepts as many jobs again.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import psycopg
from rich.console import Console
from rich.progress import Progress

from benchmarks.flat_rows import History, fill
from benchmarks.flat_work import ACCEPT, CLAIM, COMMIT, READS, RESCUE, Bench
from benchmarks.harness import Metric, Report, Row, Side, compare
from tests.servers import PostgresServer
from wallet_provisioning.store.schema import migrate

_YOUNG = 5_000
_TARGET = "<= 1.5"
_BUFFERS_GB = 4
_SERVER = (f"shared_buffers = {_BUFFERS_GB}GB", "max_wal_size = 8GB", "checkpoint_timeout = 15min")
# Users' ids are random, so their indexes are used all over: PostgreSQL keeps them in memory if it may.
_WARM = (
    "SELECT count(user_id) FROM audit_logs WHERE user_id > ''",
    "SELECT count(user_id) FROM wallet_provisioning_jobs WHERE user_id > ''",
    "SELECT count(user_id) FROM managed_wallets WHERE user_id > ''",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How long the history is, and how many jobs go by while the old transaction is open."""

    rounds: int = 7
    jobs: int = 200_000
    audit: int = 600_000
    queued: int = 20_000
    churn: int = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """The URLs of the databases: two young ones and the old one, filled alike."""

    young: str
    other_young: str
    old: str


def measure(options: Options | None = None, progress: Callable[[str], None] = lambda _line: None) -> Report:
    """Fill the databases and measure them. The server and its data are gone afterwards."""
    options = options or Options()
    with PostgresServer(durable=True, settings=_SERVER) as server:
        return measure_filled(_filled(server, options), options, progress)


def measure_filled(places: Places, options: Options, progress: Callable[[str], None]) -> Report:
    """Measure databases that are filled."""
    with ExitStack() as stack:

        def bench(url: str) -> Bench:
            opened = Bench(url)
            stack.callback(opened.close)
            return opened

        for url in (places.young, places.other_young, places.old):
            _warm(url)
        young, other_young, old = bench(places.young), bench(places.other_young), bench(places.old)
        rows = _compared({"young": young, _name(options): old}, options, progress)
        for each in (other_young, old):
            stack.enter_context(_old_transaction(each.url))
            progress(f"{options.churn:,} jobs go by")
            each.churn(options.churn)
        held = {"young": young, "young, transaction open": other_young, "old, transaction open": old}
        rows += _compared(held, options, progress)
    histories = (
        f"{options.jobs:,} finished jobs, {options.audit:,} audit rows; young: {_YOUNG:,}, {3 * _YOUNG:,}"
    )
    notes = (
        f"old: {histories}; each with {options.queued:,} queued; shared_buffers {_BUFFERS_GB} GB",
        f"transaction open: {options.churn:,} jobs were claimed and completed after it began",
    )
    return Report(name="flat", rows=rows, rounds=options.rounds, reference="young", notes=notes)


def _name(options: Options) -> str:
    return f"{options.jobs:,} jobs"


def _compared(
    benches: dict[str, Bench], options: Options, progress: Callable[[str], None]
) -> tuple[Row, ...]:
    metrics = [
        Metric(name=name, unit="ms", target=_TARGET) for name in (CLAIM, COMMIT, ACCEPT, RESCUE, *READS)
    ]
    return compare(
        [Side(name=name, run=each.run) for name, each in benches.items()],
        metrics,
        rounds=options.rounds,
        reference="young",
        ours=[name for name in benches if name != "young"],
        progress=progress,
    )


def _filled(server: PostgresServer, options: Options) -> Places:
    short = History(jobs=_YOUNG, audit=3 * _YOUNG, queued=options.queued)
    long = History(jobs=options.jobs, audit=options.audit, queued=options.queued)
    with Progress(console=Console(stderr=True)) as bar:
        task = bar.add_task("fill", total=options.jobs + options.audit)

        def advance(rows: int, what: str) -> None:
            bar.update(task, advance=rows, description=what)

        urls = [_new(server) for _ in range(3)]
        for url, history in zip(urls, (short, short, long), strict=True):
            fill(url, history, advance if history is long else lambda _rows, _what: None)
    return Places(young=urls[0], other_young=urls[1], old=urls[2])


def _warm(url: str) -> None:
    """Read the indexes by user once, so that they lie in PostgreSQL's memory, and write out the rest."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SET enable_seqscan = off")
        connection.execute("SET enable_bitmapscan = off")
        for query in _WARM:
            connection.execute(query)
        connection.execute("CHECKPOINT")


def _new(server: PostgresServer) -> str:
    url = server.create_database()
    migrate(url)
    return url


@contextmanager
def _old_transaction(url: str) -> Iterator[None]:
    """Have a transaction that sees the database as it is now, and keeps its rows from being cleared."""
    with psycopg.connect(url) as connection:
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        connection.execute("SELECT count(*) FROM deployment")
        yield
