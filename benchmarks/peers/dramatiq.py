"""dramatiq on Redis: `python -m benchmarks.peers.dramatiq URL CIRCLE WARM STOP REDIS`. Twenty threads."""

import os
import sys
import threading

import dramatiq
import httpx
from dramatiq.brokers.redis import RedisBroker
from psycopg_pool import ConnectionPool

from benchmarks.peers import work

_THREADS = 20


def _write(pool: ConnectionPool, step: work.Step) -> None:
    with pool.connection() as connection:
        for statement, values in step:
            connection.execute(statement, values)


def _main(url: str, circle: str, warm: int, stop: int, redis: str) -> None:
    broker = RedisBroker(url=redis)  # type: ignore[no-untyped-call] # it has no types
    dramatiq.set_broker(broker)
    pool = ConnectionPool(url, min_size=_THREADS, max_size=_THREADS, open=True)
    client = httpx.Client(base_url=circle)
    watch, over, lock = work.Watch(warm, stop), threading.Event(), threading.Lock()

    @dramatiq.actor
    def provision(job_id: str, user_id: str) -> None:
        _write(pool, work.begin(job_id))
        for chain in work.CHAINS:
            answer = client.post(work.PATH, json=work.order(user_id, chain))
            _write(pool, work.keep(job_id, user_id, chain, answer.json()))
        _write(pool, work.end(job_id))
        with lock:
            if watch.finished():
                over.set()

    broker.flush_all()
    for job_id, user_id in work.fill(url, stop + 3 * _THREADS):
        provision.send(job_id, user_id)
    worker = dramatiq.Worker(broker, worker_threads=_THREADS)
    worker.start()
    over.wait()
    sys.stdout.write(watch.figures() + "\n")
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    _main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), sys.argv[5])
