"""The API's way to the store: blocking calls in a few threads of their own, never on the event loop."""

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import TypeVar

from aiohttp import web

from wallet_provisioning.http.api.parts import PARTS, Parts
from wallet_provisioning.http.api.problems import RETRY_SECONDS, Code, ProblemError
from wallet_provisioning.store.database import Connection, Database
from wallet_provisioning.store.transaction import Transaction

T = TypeVar("T")


class StoreDoor:
    """Runs reads and writes in threads. All methods belong to the event loop's thread.

    Raises what the store raises, `TimeoutError` for a call that outlasts its deadline (it may still
    commit: a repeat is harmless), and a `rate_limited` problem when too many calls wait already.
    """

    def __init__(self, parts: Parts) -> None:
        """Assign; threads are started as they are needed."""
        options = parts.options
        self._database: Database = parts.database
        self._threads = ThreadPoolExecutor(max_workers=options.threads, thread_name_prefix="api-store")
        self._backlog = options.backlog
        self._deadline = options.store_deadline.total_seconds()
        self._under_way = 0

    async def read(self, question: Callable[[Connection], T]) -> T:
        """Return the answer of a reader."""

        def ask() -> T:
            with self._database.read() as connection:
                return question(connection)

        return await self._run(ask)

    async def write(self, actor: str, reason: str, steps: Callable[[Transaction], T]) -> T:
        """Return what the steps return, once they are committed. The audit names actor and reason."""

        def carry_out() -> T:
            with self._database.write(actor, reason) as transaction:
                return steps(transaction)

        return await self._run(carry_out)

    async def carry_out(self, work: Callable[[Database], T]) -> T:
        """Return what some work returns that opens its transactions itself."""
        return await self._run(lambda: work(self._database))

    async def ping(self) -> None:
        """Reach the database or raise `StoreUnavailableError`."""
        await self._run(self._database.ping)

    def close(self) -> None:
        """Take no more calls; those under way end by themselves."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _run(self, call: Callable[[], T]) -> T:
        if self._under_way >= self._backlog:
            raise ProblemError(
                Code.RATE_LIMITED,
                "too many requests wait for the database; come back in a moment",
                headers={"Retry-After": str(RETRY_SECONDS)},
            )
        self._under_way += 1
        loop = asyncio.get_running_loop()
        future = loop.run_in_executor(self._threads, copy_context().run, call)
        future.add_done_callback(self._ended)
        async with asyncio.timeout(self._deadline):
            return await asyncio.shield(future)  # its thread can't be stopped, so it counts until it ends

    def _ended(self, _: object) -> None:
        self._under_way -= 1


DOOR: web.AppKey[StoreDoor] = web.AppKey("door", StoreDoor)


async def open_door(app: web.Application) -> AsyncIterator[None]:
    """Open the door when the server starts, and close it after its last request."""
    app[DOOR] = StoreDoor(app[PARTS])
    yield
    app[DOOR].close()
