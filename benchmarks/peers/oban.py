"""oban: `python -m benchmarks.peers.oban` and an order as `commands` has them."""

from collections.abc import Sequence
from typing import Any

from oban import Oban, worker
from oban.schema import install_sql
from psycopg_pool import AsyncConnectionPool

from benchmarks.peers import loops

_hands: dict[str, loops.Work] = {}


@worker(queue="default")
class Provision:
    """One job."""

    async def process(self, job: Any) -> None:  # noqa: ANN401 - typed in oban's own environment alone
        """Do the common work."""
        await _hands["do"](job.args["job_id"], job.args["user_id"])


class ObanQueue:
    """Jobs in oban's own table."""

    def __init__(self) -> None:
        """Have an oban that only puts jobs in; its pool is never opened, for the connection is given."""
        self._mouth: Any = None

    async def prepare(self, connection: loops.Connection) -> None:
        """Make its tables."""
        await connection.execute(install_sql())

    async def put(self, jobs: Sequence[loops.Job], connection: loops.Connection) -> None:
        """Put jobs into the queue."""
        if self._mouth is None:
            self._mouth = Oban(pool=AsyncConnectionPool(open=False))
        made: Any = Provision
        wanted = [made.new({"job_id": job_id, "user_id": user_id}) for job_id, user_id in jobs]
        await self._mouth.enqueue_many(wanted, conn=connection)

    async def start(self, do: loops.Work, pool: loops.Pool, url: str) -> None:
        """Begin to work."""
        del url
        _hands["do"] = do
        await Oban(pool=pool, queues={"default": loops.AT_ONCE}).start()


if __name__ == "__main__":
    loops.run(ObanQueue())
