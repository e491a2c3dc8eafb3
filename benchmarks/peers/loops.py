"""Peers that work on one asyncio loop: what they do alike. uvloop, forty jobs at once.

Each job in hand has an `httpx.AsyncClient` to itself: ten that share one cost it half as much CPU again.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol, TypeAlias

import httpx
import psycopg
import uvloop
from psycopg_pool import AsyncConnectionPool

from benchmarks.peers import work
from benchmarks.peers.commands import IDLE_POOL, Order, answer_each, leave, read_order, until_input_ends

AT_ONCE = 40
_SPARE = 4
_GROUP = 500

Job: TypeAlias = tuple[str, str]
Work: TypeAlias = Callable[[str, str], Awaitable[None]]
Pool: TypeAlias = AsyncConnectionPool[psycopg.AsyncConnection[Any]]
Connection: TypeAlias = psycopg.AsyncConnection[Any]


class Queue(Protocol):
    """What a peer of this kind is."""

    async def prepare(self, connection: Connection) -> None:
        """Make its tables."""
        ...

    async def put(self, jobs: Sequence[Job], connection: Connection) -> None:
        """Put jobs into the queue, in the transaction that is open."""
        ...

    async def start(self, do: Work, pool: Pool, url: str) -> None:
        """Begin to work."""
        ...


class _Hands:
    """Does the common work, and counts."""

    def __init__(self, pool: Pool, circle: str, watch: work.Watch) -> None:
        self._pool, self._circle, self._watch = pool, circle, watch
        self._idle: list[httpx.AsyncClient] = []
        self.over = asyncio.Event()

    async def do(self, job_id: str, user_id: str) -> None:
        client = self._idle.pop() if self._idle else httpx.AsyncClient(base_url=self._circle)
        await self._write(work.begin(job_id))
        for chain in work.CHAINS:
            answer = await client.post(work.PATH, json=work.order(user_id, chain))
            await self._write(work.keep(job_id, user_id, chain, answer.json()))
        await self._write(work.end(job_id))
        self._idle.append(client)
        if self._watch.finished():
            self.over.set()

    async def _write(self, step: work.Step) -> None:
        async with self._pool.connection() as connection:
            for statement, values in step:
                await connection.execute(statement, values)


def run(queue: Queue) -> None:
    """Do what the command line says."""
    order = read_order()
    if order.what == "ask":
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            connection = runner.run(psycopg.AsyncConnection.connect(order.url, autocommit=True))
            answer_each(lambda: runner.run(_ask(queue, connection)))
    else:
        uvloop.run(_work(queue, order))


async def _ask(queue: Queue, connection: Connection) -> None:
    async with connection.transaction():
        rows = await connection.execute(work.FILL, (1,))
        await queue.put([tuple(row) async for row in rows], connection)


async def _work(queue: Queue, order: Order) -> None:
    jobs = work.fill(order.url, order.stop + 3 * AT_ONCE if order.stop else 0)
    size = AT_ONCE + _SPARE if order.stop else IDLE_POOL
    pool: Pool = AsyncConnectionPool(order.url, min_size=size, max_size=size, open=False)
    await pool.open(wait=True)
    watch = work.Watch(order.warm, order.stop or 2**40)
    hands = _Hands(pool, order.circle, watch)
    async with await psycopg.AsyncConnection.connect(order.url, autocommit=True) as connection:
        await queue.prepare(connection)
        for group in work.in_groups(jobs, _GROUP):
            async with connection.transaction():
                await queue.put(group, connection)
    await queue.start(hands.do, pool, order.url)
    if order.what == "serve":
        await asyncio.to_thread(until_input_ends)
        leave()
    await hands.over.wait()
    leave(watch.figures())
