"""dramatiq on Redis: `python -m benchmarks.peers.dramatiq` and an order as `commands` has them.

Twenty threads, and a client for each: twenty that share one cost it a tenth more CPU.
"""

import threading
from typing import Any, TypeAlias

import dramatiq
import httpx
import psycopg
from dramatiq.brokers.redis import RedisBroker
from psycopg_pool import ConnectionPool

from benchmarks.peers import work
from benchmarks.peers.commands import IDLE_POOL, Order, answer_each, leave, read_order, until_input_ends

_THREADS = 20
_NAME = "provision"

Pool: TypeAlias = ConnectionPool[psycopg.Connection[Any]]


class _Hands:
    """Does the common work on whatever thread, and counts."""

    def __init__(self, order: Order) -> None:
        size = _THREADS if order.stop else IDLE_POOL
        self._pool: Pool = ConnectionPool(order.url, min_size=size, max_size=size, open=True)
        self._pool.wait()
        self._circle = order.circle
        self.watch = work.Watch(order.warm, order.stop or 2**40)
        self.over = threading.Event()
        self._lock = threading.Lock()
        self._own = threading.local()

    def do(self, job_id: str, user_id: str) -> None:
        client = self._client()
        self._write(work.begin(job_id))
        for chain in work.CHAINS:
            answer = client.post(work.PATH, json=work.order(user_id, chain))
            self._write(work.keep(job_id, user_id, chain, answer.json()))
        self._write(work.end(job_id))
        with self._lock:
            if self.watch.finished():
                self.over.set()

    def _client(self) -> httpx.Client:
        if not hasattr(self._own, "client"):
            self._own.client = httpx.Client(base_url=self._circle)
        client: httpx.Client = self._own.client
        return client

    def _write(self, step: work.Step) -> None:
        with self._pool.connection() as connection:
            for statement, values in step:
                connection.execute(statement, values)


def _unasked(job_id: str, user_id: str) -> None:
    """Stand for the work in the process that only asks for it."""
    del job_id, user_id


def _main(order: Order) -> None:
    broker = RedisBroker(url=order.redis)  # type: ignore[no-untyped-call] # it has no types
    dramatiq.set_broker(broker)
    if order.what == "ask":
        _ask(order, dramatiq.actor(actor_name=_NAME)(_unasked))
        return
    jobs = work.fill(order.url, order.stop + 3 * _THREADS if order.stop else 0)
    broker.flush_all()
    hands = _Hands(order)
    provision = dramatiq.actor(actor_name=_NAME)(hands.do)
    for job in jobs:
        provision.send(*job)
    dramatiq.Worker(broker, worker_threads=_THREADS).start()
    if order.what == "serve":
        until_input_ends()
        leave()
    hands.over.wait()
    leave(hands.watch.figures())


def _ask(order: Order, provision: dramatiq.Actor[[str, str], None]) -> None:
    with psycopg.connect(order.url, autocommit=True) as connection:

        def ask() -> None:
            for job_id, user_id in connection.execute(work.FILL, (1,)):
                provision.send(job_id, user_id)

        answer_each(ask)


if __name__ == "__main__":
    _main(read_order())
