"""oban: `python -m benchmarks.peers.oban URL CIRCLE WARM STOP`. Ten jobs at once on one loop."""

import asyncio
import os
import sys
from typing import Any

import httpx
import uvloop
from oban import Oban, worker
from oban.schema import install_sql
from psycopg_pool import AsyncConnectionPool

from benchmarks.peers import work

_AT_ONCE = 10
_parts: dict[str, Any] = {}


@worker(queue="default")
class Provision:
    """One job."""

    async def process(self, job: Any) -> None:  # noqa: ANN401 - typed in oban's own environment alone
        """Do the common work."""
        job_id, user_id = job.args["job_id"], job.args["user_id"]
        client = _parts["client"]
        await _write(work.begin(job_id))
        for chain in work.CHAINS:
            answer = await client.post(work.PATH, json=work.order(user_id, chain))
            await _write(work.keep(job_id, user_id, chain, answer.json()))
        await _write(work.end(job_id))
        if _parts["watch"].finished():
            _parts["over"].set()


async def _write(step: work.Step) -> None:
    async with _parts["pool"].connection() as connection:
        for statement, values in step:
            await connection.execute(statement, values)


async def _main(url: str, circle: str, warm: int, stop: int) -> None:
    jobs = work.fill(url, stop + 3 * _AT_ONCE)
    _parts["watch"] = work.Watch(warm, stop)
    _parts["over"] = asyncio.Event()
    pool = AsyncConnectionPool(conninfo=url, min_size=4, max_size=_AT_ONCE, open=False)
    await pool.open()
    _parts["pool"] = pool
    async with pool.connection() as connection:
        await connection.execute(install_sql())
    async with httpx.AsyncClient(base_url=circle) as client:
        _parts["client"] = client
        oban = Oban(pool=pool, queues={"default": _AT_ONCE})
        worker_class: Any = Provision
        for group in work.in_groups(jobs, 500):
            made = [worker_class.new({"job_id": job_id, "user_id": user_id}) for job_id, user_id in group]
            await oban.enqueue_many(made)
        await oban.start()
        await _parts["over"].wait()
    sys.stdout.write(_parts["watch"].figures() + "\n")
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    uvloop.run(_main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])))
