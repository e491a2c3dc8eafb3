"""PgQueuer: `python -m benchmarks.peers.pgqueuer` and an order as `commands` has them.

It listens through asyncpg, its first choice: psycopg lets no statement through while it waits for news.
"""

import asyncio
import json
from collections.abc import Sequence
from typing import Any

import asyncpg
from pgqueuer import PgQueuer
from pgqueuer.adapters.persistence.queries import Queries

from benchmarks.peers import loops

_NAME = "provision"


class PgQueuerQueue:
    """Jobs in PgQueuer's own table."""

    def __init__(self) -> None:
        """Remember nothing yet."""
        self._running: set[asyncio.Task[None]] = set()

    async def prepare(self, connection: loops.Connection) -> None:
        """Make its tables."""
        await Queries.from_psycopg_connection(connection).install()

    async def put(self, jobs: Sequence[loops.Job], connection: loops.Connection) -> None:
        """Put jobs into the queue."""
        count = len(jobs)
        payloads = [json.dumps(job).encode() for job in jobs]
        await Queries.from_psycopg_connection(connection).enqueue([_NAME] * count, payloads, [0] * count)

    async def start(self, do: loops.Work, pool: loops.Pool, url: str) -> None:
        """Begin to work."""
        del pool
        queue = PgQueuer.from_asyncpg_pool(await asyncpg.create_pool(url, min_size=2, max_size=4))

        async def provision(job: Any) -> None:  # noqa: ANN401 - typed in its own environment alone
            await do(*json.loads(job.payload))

        queue.entrypoint(_NAME)(provision)
        running = queue.run(batch_size=loops.AT_ONCE // 2, max_concurrent_tasks=loops.AT_ONCE)
        self._running.add(asyncio.create_task(running))


if __name__ == "__main__":
    loops.run(PgQueuerQueue())
