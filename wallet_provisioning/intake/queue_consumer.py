"""Takes the messages of one queue off Redis, for dramatiq's worker, and never lets go of one.

Theory of operation. A message that is fetched is moved, in Redis, into the set of what this process has
taken; it leaves the set when it is acknowledged, buried or given back. dramatiq's own consumer loses
sight of such messages when a reply is lost, when the connection breaks, when one among several can't
be read, and when it stops; they then wait for the process to end. Here the set in Redis is compared
with what is really in hand, after every failure and from time to time (`upkeep`): what is in nobody's
hand goes back to the queue, and what can't be read goes to the dead letters.

Redis's errors end here. A command that could not be given is remembered and given when Redis is back,
so the worker's threads never wait for it and none of dramatiq's own retries come into play (with those,
a message whose retry could not be queued is acknowledged, hence lost).
"""

import threading
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta

from dramatiq.broker import Consumer, MessageProxy
from redis.exceptions import RedisError

from wallet_provisioning.clock import Clock
from wallet_provisioning.intake.hand import Hand
from wallet_provisioning.intake.link import Link
from wallet_provisioning.intake.redis_queue import RedisQueue, id_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What the consumers of one life of the intake share.

    `may_take` says whether to take messages now; `bury_unread` audits a message that can't be read and
    says whether that worked.
    """

    link: Link
    clock: Clock
    upkeep: timedelta
    may_take: Callable[[], bool]
    bury_unread: Callable[[str], bool]


class QueueConsumer(Consumer):
    """The consumer of one queue, iterated by one thread of dramatiq's; `ack` and `nack` come from others."""

    def __init__(
        self, queue: RedisQueue, hand: Hand, around: Surroundings, *, prefetch: int, poll: timedelta
    ) -> None:
        """Assign. dramatiq drops the delayed messages that it held whenever it makes a new consumer."""
        self._queue = queue
        self._hand = hand
        self._around = around
        self._prefetch = prefetch
        self._poll = poll
        self._ready: deque[MessageProxy] = deque()
        self._next_sweep = around.clock.monotonic()
        self._resting = threading.Event()
        if queue.is_delayed:
            hand.drop_all()

    def __next__(self) -> MessageProxy | None:
        """Return the next message, or None after a short rest where there is none to be had."""
        if not self._ready:
            self._refill()
        if self._ready:
            return self._ready.popleft()
        self._resting.wait(self._poll.total_seconds())
        return None

    def ack(self, message: MessageProxy) -> None:
        """Tell Redis that a message is dealt with, or give it back where it was postponed."""
        message_id = _id_of_proxy(message)
        was_postponed = self._hand.was_postponed(message_id)
        self._settle(message_id, self._queue.give_back if was_postponed else self._queue.acknowledge)

    def nack(self, message: MessageProxy) -> None:
        """Tell Redis to move a message to the dead letters."""
        self._settle(_id_of_proxy(message), self._queue.bury)

    def requeue(self, messages: Iterable[MessageProxy]) -> None:
        """Give back what was taken but not begun."""
        for message in messages:
            self._settle(_id_of_proxy(message), self._queue.give_back)

    def close(self) -> None:
        """Give back what no worker has seen."""
        self.requeue(self._ready)
        self._ready.clear()

    def _refill(self) -> None:
        room = self._prefetch - len(self._hand)
        if not self._around.link.may_try or not self._around.may_take():
            return
        try:
            self._pay_debts()
            is_due = self._around.clock.monotonic() >= self._next_sweep
            if is_due:
                self._sweep()
            fetched = self._queue.fetch(room, with_upkeep=is_due) if room > 0 else []
        except RedisError as error:
            self._note_failure(error)
            return
        self._around.link.note_success()
        for data in fetched:
            self._put_ready(data)

    def _put_ready(self, data: bytes) -> None:
        message = self._queue.read(data)
        if message is None:
            # Its id is not known here; the sweep finds it among what is taken and in nobody's hand.
            self._next_sweep = self._around.clock.monotonic()
            return
        self._hand.take(id_of(message))
        self._ready.append(MessageProxy(message))

    def _settle(self, message_id: str, settle: Callable[[str], None]) -> None:
        """Tell Redis what became of a message; if it can't be told now, `_refill` does it later."""
        try:
            settle(message_id)
        except RedisError as error:
            self._hand.owe(message_id, settle)
            self._note_failure(error)
        else:
            self._hand.drop([message_id])

    def _pay_debts(self) -> None:
        for message_id, settle in self._hand.owed():
            settle(message_id)
            self._hand.drop([message_id])

    def _note_failure(self, error: RedisError) -> None:
        self._next_sweep = self._around.clock.monotonic()
        self._around.link.note_failure(error)

    def _sweep(self) -> None:
        for message_id in self._hand.strays(self._queue.taken()):
            self._return_stray(message_id)
        self._next_sweep = self._around.clock.monotonic() + self._around.upkeep

    def _return_stray(self, message_id: str) -> None:
        data = self._queue.look_up(message_id)
        if data is None:
            self._queue.acknowledge(message_id)
            return
        message = self._queue.read(data)
        if message is not None and id_of(message) == message_id:
            self._queue.give_back(message_id)
        elif self._around.bury_unread(message_id):
            self._queue.bury(message_id)


def _id_of_proxy(message: MessageProxy) -> str:
    return str(message.options["redis_message_id"])
