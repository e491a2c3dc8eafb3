"""The floor: a hand-written worker that is notified, with no queue, no claim and no promise."""

import asyncio
from collections.abc import Sequence

import psycopg

from benchmarks.peers import loops

_CHANNEL = "peer_jobs"


class Notified:
    """Jobs as they are announced; one that nobody heard of is lost."""

    def __init__(self) -> None:
        """Remember nothing yet."""
        self._running: set[asyncio.Task[None]] = set()

    async def prepare(self, connection: loops.Connection) -> None:
        """Make nothing."""

    async def put(self, jobs: Sequence[loops.Job], connection: loops.Connection) -> None:
        """Announce jobs."""
        for job in jobs:
            await connection.execute("SELECT pg_notify(%s, %s)", (_CHANNEL, " ".join(job)))

    async def start(self, do: loops.Work, pool: loops.Pool, url: str) -> None:
        """Begin to listen."""
        del pool
        ear = await psycopg.AsyncConnection.connect(url, autocommit=True)
        await ear.execute(f"LISTEN {_CHANNEL}")
        self._running.add(asyncio.create_task(self._listen(ear, do)))

    async def _listen(self, ear: loops.Connection, do: loops.Work) -> None:
        async for each in ear.notifies():
            job_id, user_id = each.payload.split()
            task = asyncio.ensure_future(do(job_id, user_id))
            self._running.add(task)
            task.add_done_callback(self._running.discard)


if __name__ == "__main__":
    loops.run(Notified())
