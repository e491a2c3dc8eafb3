"""A database that is minutes old has no statistics, and PostgreSQL plans by guesses: they must not hurt."""

from collections.abc import Callable, Iterator
from contextlib import closing

import pytest
from sqlalchemy import Connection, text

from tests.servers import PostgresServer
from tests.support_store import ETH, WALLET_SET, claim, member, request
from wallet_provisioning.clock import SystemClock
from wallet_provisioning.store.accepting import accept_job
from wallet_provisioning.store.database import Database
from wallet_provisioning.store.wallets import Opened, open_new, open_request

JOBS = 120
ROWS_READ = text(
    "SELECT sum(seq_tup_read + coalesce(idx_tup_fetch, 0)) FROM pg_stat_xact_user_tables "
    "WHERE relname IN ('wallet_provisioning_jobs', 'managed_wallets')"
)


@pytest.fixture
def young(postgres: PostgresServer, postgres_template: str) -> Iterator[Database]:
    """A database with jobs of which PostgreSQL knows nothing yet."""
    url = postgres.create_database(postgres_template)
    with closing(Database(url, clock=SystemClock())) as database:
        with database.write("test", "fill") as tx:
            for _ in range(JOBS):
                accept_job(tx, request())
        yield database
    postgres.drop_database(url)


def rows_read(connection: Connection) -> int:
    return int(connection.execute(ROWS_READ).scalar_one())


@pytest.mark.parametrize("open_one", [open_new, open_request])
def test_a_request_never_reads_all_jobs_for_each_wallet_of_its_chain(
    young: Database, open_one: Callable[..., Opened | None]
) -> None:
    read = []
    for _ in range(4):  # from the third on the statement is prepared
        jobs = claim(young, limit=5)
        with young.write("circle/ETH", "store") as tx:
            before = rows_read(tx.connection)
            opened = open_one(tx, chain=ETH, wallet_set_id=WALLET_SET, members=[member(job) for job in jobs])
            read.append(rows_read(tx.connection) - before)
        assert opened is not None
        assert opened.request is not None

    assert max(read) < 20 * JOBS
