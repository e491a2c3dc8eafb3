"""Tells when the threads of a worker run: one that is stopped sooner would never notice."""

import threading
from datetime import timedelta

from dramatiq.broker import Broker
from dramatiq.middleware import Middleware
from dramatiq.worker import ConsumerThread, WorkerThread


class Boots(Middleware):
    """Counts the threads that have come up."""

    def __init__(self) -> None:
        """Begin at none."""
        self._up = threading.Semaphore(0)

    def after_consumer_thread_boot(self, broker: Broker, thread: ConsumerThread) -> None:  # noqa: ARG002
        """A consumer's thread runs."""
        self._up.release()

    def after_worker_thread_boot(self, broker: Broker, thread: WorkerThread) -> None:  # noqa: ARG002
        """A worker's thread runs."""
        self._up.release()

    def wait(self, threads: int, timeout: timedelta) -> None:
        """Wait until so many run, each for no longer than the timeout."""
        for _ in range(threads):
            self._up.acquire(timeout=timeout.total_seconds())
