"""What tests of the store, and of parts above it, do again and again."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID, uuid4

from sqlalchemy import text

from wallet_provisioning.clock import SystemClock
from wallet_provisioning.jobs.chains import Chain, Environment, resolve
from wallet_provisioning.jobs.errors import ErrorType
from wallet_provisioning.jobs.moves import ClaimedJob, Failure, Move, complete
from wallet_provisioning.jobs.outcomes import Failed, Live
from wallet_provisioning.store import acceptance, accepting, claims, moves, reports, wallets
from wallet_provisioning.store.database import Database
from wallet_provisioning.store.schema import migrate
from wallet_provisioning.store.transaction import Transaction
from wallet_provisioning.store.views import AuditView, JobView, WalletView
from wallet_provisioning.telemetry.events import Event

Item = TypeVar("Item")

D = TypeVar("D", bound=Database)
CHAINS = ("ETH", "SOL", "APTOS")
ETH = resolve("ETH", Environment.TEST)
SOL = resolve("SOL", Environment.TEST)
WALLET_SET = UUID("0190aaaa-0000-7000-8000-000000000001")
LEASE = timedelta(seconds=30)
EXPIRED = timedelta(seconds=-1)
TIMEOUT = Failure(error_type=ErrorType.TIMEOUT, message="ETH: no answer")
BAD_INPUT = Failed(error_type=ErrorType.CIRCLE_4XX, message="refused")
NO_ANSWER = Failed(error_type=ErrorType.TIMEOUT, message="no answer")


class Events:
    """Keeps the events that were stated."""

    def __init__(self) -> None:
        self.stated: list[Event] = []

    def __call__(self, event: Event) -> None:
        self.stated.append(event)

    def of(self, kind: type[Item]) -> list[Item]:
        """Return the events of one kind."""
        return [event for event in self.stated if isinstance(event, kind)]


def open_sqlite(folder: Path, events: Events | None = None) -> Database:
    """Return a migrated SQLite database in a folder; it is closed when the test ends."""
    url = f"sqlite:///{folder / 'wallets.db'}"
    migrate(url)
    return until_the_end(Database(url, clock=SystemClock(), emit=events or Events()))


_opened: list[Database] = []


def until_the_end(database: D) -> D:
    """Have a database closed when the test ends."""
    _opened.append(database)
    return database


def close_opened() -> None:
    """Close what the test has opened."""
    while _opened:
        _opened.pop().close()


def request(
    user_id: UUID | None = None,
    chains: tuple[str, ...] = CHAINS,
    keys: Sequence[accepting.RequestKey] = (),
    max_attempts: int = 5,
    traceparent: str | None = None,
) -> accepting.JobRequest:
    return accepting.JobRequest(
        user_id=user_id or uuid4(),
        chains=chains,
        source="http",
        keys=tuple(keys),
        max_attempts=max_attempts,
        traceparent=traceparent,
    )


def request_id(value: str) -> accepting.RequestKey:
    return accepting.RequestKey(kind="request_id", value=value)


def accept(database: Database, wanted: accepting.JobRequest | None = None) -> accepting.Accepted:
    return acceptance.accept(database, wanted or request(), actor="test", reason="accept")


def claim(
    database: Database,
    *,
    limit: int = 10,
    holder: UUID | None = None,
    lease: timedelta = LEASE,
    include_retries: bool = True,
) -> tuple[ClaimedJob, ...]:
    with database.write_once("scheduler", "claim") as tx:
        return claims.claim_jobs(
            tx, holder=holder or uuid4(), limit=limit, lease=lease, include_retries=include_retries
        ).jobs


def claim_new(database: Database, wanted: accepting.JobRequest | None = None) -> ClaimedJob:
    """Accept a job and claim it; the database has no other one that is due."""
    accept(database, wanted)
    (job,) = claim(database)
    return job


def apply(database: Database, *wanted: Move) -> tuple[moves.Moved, ...]:
    with database.write("writer", "results") as tx:
        return moves.apply_moves(tx, wanted)


def operate(database: Database, move: Move) -> JobView:
    with database.write("admin", "operate") as tx:
        return moves.move_by_operator(tx, move)


def live(chain: Chain = ETH, circle_wallet_id: UUID | None = None) -> Live:
    return Live(
        blockchain=chain.blockchain,
        address="0xabc",
        circle_wallet_id=circle_wallet_id or uuid4(),
        wallet_set_id=WALLET_SET,
        account_type=chain.account_type.value,
        circle_request_id="circle-1",
    )


def result(
    job: ClaimedJob, outcome: Live | Failed, chain: str = "ETH", request_id: UUID | None = None
) -> wallets.WalletResult:
    return wallets.WalletResult(
        job_id=job.id,
        epoch=job.epoch,
        user_id=job.user_id,
        chain=chain,
        outcome=outcome,
        request_id=request_id,
    )


def record(database: Database, *results: wallets.WalletResult) -> tuple[wallets.WalletResult, ...]:
    with database.write("writer", "results") as tx:
        return wallets.record_results(tx, results)


def finish(database: Database, job: ClaimedJob) -> tuple[moves.Moved, ...]:
    """Make all of a job's wallets and complete it."""
    record(database, *[result(job, live(), chain) for chain in job.chains])
    return apply(database, complete(job))


def in_one(database: Database, *steps: Callable[[Transaction], object]) -> None:
    """Run steps in one transaction."""
    with database.write("test", "steps") as tx:
        for step in steps:
            step(tx)


def explode(tx: Transaction) -> None:
    """A step that goes wrong."""
    raise ZeroDivisionError(tx.reason)


def open_requests(
    database: Database, *jobs: ClaimedJob, chain: Chain = ETH, together: bool = True
) -> wallets.Opened:
    """Open requests as an actor does: at once if all members are new, else by a closer look."""
    members = [member(job) for job in jobs]
    if together:
        with database.write_once("circle/ETH", "request") as tx:
            opened = wallets.open_new(tx, chain=chain, wallet_set_id=WALLET_SET, members=members)
        if opened is not None:
            return opened
    with database.write("circle/ETH", "request") as tx:
        return wallets.open_request(
            tx, chain=chain, wallet_set_id=WALLET_SET, members=members, together=together
        )


def member(job: ClaimedJob) -> wallets.RequestMember:
    return wallets.RequestMember(job_id=job.id, epoch=job.epoch, user_id=job.user_id)


def job_of(database: Database, job_id: UUID) -> JobView:
    with database.read() as connection:
        job = reports.get_job(connection, job_id)
    assert job is not None
    return job


def wallet_of(database: Database, user_id: UUID, chain: str = "ETH") -> WalletView:
    with database.read() as connection:
        found = {wallet.chain: wallet for wallet in reports.user_wallets(connection, user_id)}
    return found[chain]


def timeline(database: Database, job_id: UUID) -> tuple[AuditView, ...]:
    with database.read() as connection:
        return reports.job_timeline(connection, job_id)


def actions(database: Database, job_id: UUID) -> list[str]:
    return [row.action.removeprefix("wallet-worker:") for row in timeline(database, job_id)]


_WAITING = text(
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
)


def wait_until_it_waits(database: Database, operation: Future[Any]) -> None:
    """Wait until an operation of another thread waits for a lock of PostgreSQL's, or is over."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not operation.done():
        with database.read() as connection:
            if connection.execute(_WAITING).scalar_one():
                return
        time.sleep(0.01)
    msg = "nobody was ever in the way"
    raise AssertionError(msg)
