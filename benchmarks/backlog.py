"""Databases with jobs that wait: filled once, copied for each round."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from tests.servers import PostgresServer
from wallet_provisioning.clock import SystemClock
from wallet_provisioning.store.accepting import JobRequest, accept_job
from wallet_provisioning.store.database import Database
from wallet_provisioning.store.schema import migrate

CHAINS = ("ETH", "SOL", "APTOS")


class SqliteBacklogs:
    """SQLite files in a temporary folder."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="wallet-bench-"))
        self._templates: dict[int, Path] = {}

    @contextmanager
    def copy(self, jobs: int) -> Iterator[str]:
        """Have a database of its own with so many queued jobs."""
        if jobs not in self._templates:
            file = self._folder / f"{jobs}.db"
            _fill(f"sqlite:///{file}", jobs)
            self._templates[jobs] = file
        with tempfile.TemporaryDirectory(dir=self._folder) as folder:
            shutil.copy(self._templates[jobs], Path(folder) / "wallets.db")
            yield f"sqlite:///{folder}/wallets.db"

    def close(self) -> None:
        """Delete everything."""
        shutil.rmtree(self._folder, ignore_errors=True)


class PostgresBacklogs:
    """Databases of one PostgreSQL server that waits for its disk."""

    def __init__(self) -> None:
        self.server = PostgresServer(durable=True)
        self.server.start()
        self._templates: dict[int, str] = {}

    @contextmanager
    def copy(self, jobs: int) -> Iterator[str]:
        """Have a database of its own with so many queued jobs."""
        if jobs not in self._templates:
            url = self.server.create_database()
            _fill(url, jobs)
            self._templates[jobs] = self.server.name_of(url)
        url = self.server.create_database(self._templates[jobs])
        try:
            yield url
        finally:
            self.server.drop_database(url)

    @contextmanager
    def empty(self) -> Iterator[str]:
        """Have an empty database."""
        url = self.server.create_database()
        try:
            yield url
        finally:
            self.server.drop_database(url)

    def close(self) -> None:
        """Stop the server and delete everything."""
        self.server.close()


def _fill(url: str, jobs: int) -> None:
    migrate(url)
    database = Database(url, clock=SystemClock())
    try:
        with database.write("benchmark", "fill") as tx:
            for _ in range(jobs):
                accept_job(tx, JobRequest(user_id=uuid4(), chains=CHAINS, source="import"))
    finally:
        database.close()
