"""The intake of messages as the program starts and stops it."""

import threading
from datetime import timedelta

from dramatiq.worker import Worker

from wallet_provisioning.intake.boots import Boots
from wallet_provisioning.intake.broker import QueueBroker, connect
from wallet_provisioning.intake.desk import Desk, IntakeParts, Verdict
from wallet_provisioning.intake.link import Link
from wallet_provisioning.intake.messages import Envelope
from wallet_provisioning.intake.options import QUEUE, IntakeOptions
from wallet_provisioning.intake.pause import Pause
from wallet_provisioning.intake.queue_consumer import Surroundings
from wallet_provisioning.intake.task import declare_task

_BOOT = timedelta(seconds=5)


class MessageIntake:
    """Owns an embedded dramatiq worker. Redis need not be there to start, and may go and come back.

    `start` and `stop` belong to one thread at a time; what they start runs on threads of dramatiq's.
    """

    def __init__(self, options: IntakeOptions, parts: IntakeParts) -> None:
        """Build, without connecting; raises `InvalidRedisUrlError`."""
        self._options = options
        self._clock = parts.clock
        self._client = connect(options.redis_url)
        self._link = Link(parts.clock, parts.emit, self._pause())
        self._desk = Desk(parts, self._pause(), max_attempts=options.max_attempts)
        self._stopping = threading.Event()
        self._running: tuple[Worker, QueueBroker] | None = None

    def start(self) -> None:
        """Begin to take messages. One that runs already gives back what it has, and a new one begins."""
        self.stop(timedelta())
        self._stopping = threading.Event()
        boots = Boots()
        broker = self._make_broker(boots, self._stopping)
        declare_task(broker, self._desk)
        worker = Worker(
            broker,
            queues={QUEUE},
            worker_threads=self._options.threads,
            worker_timeout=_milliseconds(self._options.poll),
        )
        worker.start()
        boots.wait(self._options.threads + len({QUEUE, f"{QUEUE}.DQ"}), _BOOT)
        self._running = (worker, broker)

    def stop(self, timeout: timedelta) -> None:
        """Take no more, finish what is in hand within the timeout, give back the rest. Repeating is harmless.

        What is still worked on after the timeout is given back too: then it is accepted twice, which
        makes one job.
        """
        if self._running is None:
            return
        (worker, broker), self._running = self._running, None
        self._stopping.set()
        # dramatiq spends the time up to twice: on its workers, then on its consumers.
        worker.stop(timeout=_milliseconds(timeout / 2))
        broker.release()
        self._client.close()

    def _make_broker(self, boots: Boots, stopping: threading.Event) -> QueueBroker:
        around = Surroundings(
            link=self._link,
            clock=self._clock,
            upkeep=self._options.upkeep,
            may_take=lambda: not stopping.is_set() and self._desk.is_open,
            bury_unread=self._bury_unread,
        )
        return QueueBroker(self._client, around, boots)

    def _bury_unread(self, message_id: str) -> bool:
        envelope = Envelope(message_id=message_id, task="", positional=(), arguments={}, options={})
        return self._desk.refuse(envelope, "it can't be read as a message of dramatiq's") is Verdict.DEAD

    def _pause(self) -> Pause:
        return Pause(self._clock, shortest=self._options.shortest_pause, longest=self._options.longest_pause)


def _milliseconds(duration: timedelta) -> int:
    return int(duration.total_seconds() * 1000)
