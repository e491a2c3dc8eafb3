"""The broker that dramatiq's worker is given: its Redis broker, with consumers that lose nothing."""

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import redis
from dramatiq.brokers.redis import RedisBroker
from dramatiq.errors import ConnectionClosed
from dramatiq.middleware import CurrentMessage, Middleware
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from wallet_provisioning.intake.hand import Hand
from wallet_provisioning.intake.options import TASK
from wallet_provisioning.intake.queue_consumer import QueueConsumer, Surroundings
from wallet_provisioning.intake.redis_queue import RedisQueue

if TYPE_CHECKING:
    from dramatiq.actor import Actor
    from dramatiq.message import Message

_CONNECT_TIMEOUT = 3
_REPLY_TIMEOUT = 5


class InvalidRedisUrlError(ValueError):
    """`REDIS_URL` must be `redis://…`, `rediss://…` or `unix://…`."""


def connect(url: str) -> redis.Redis:
    """Return a client that connects when it is first used; raises `InvalidRedisUrlError`.

    It repeats no command by itself: a fetch whose reply was lost has taken messages all the same.
    """
    try:
        return redis.Redis.from_url(
            url,
            socket_connect_timeout=_CONNECT_TIMEOUT,
            socket_timeout=_REPLY_TIMEOUT,
            retry=Retry(NoBackoff(), 0),
        )
    except ValueError as error:
        msg = f"REDIS_URL must be redis://HOST:PORT/NUMBER, rediss://… or unix://…: {error}"
        raise InvalidRedisUrlError(msg) from None


class QueueBroker(RedisBroker):
    """The broker of one life of the intake.

    Of dramatiq's middleware it has only what tells a task its message. The others would work against
    the intake: limits of age, time and retries end messages that must not end, callbacks and pipelines
    let a producer name further tasks.
    """

    def __init__(self, client: redis.Redis, around: Surroundings, boots: Middleware) -> None:
        """Assign; nothing is asked of Redis."""
        super().__init__(client=client, middleware=[CurrentMessage(), boots])  # type: ignore[no-untyped-call]  # theirs
        self._around = around
        self._hands: dict[str, Hand] = {}

    def hand(self, queue_name: str) -> Hand:
        """Return what this process has in hand of a queue."""
        return self._hands.setdefault(queue_name, Hand())

    def consume(self, queue_name: str, prefetch: int = 1, timeout: int = 5000) -> QueueConsumer:
        """Return a consumer of a queue; `timeout` is how many milliseconds an empty one is left alone."""
        return QueueConsumer(
            RedisQueue(self, queue_name),
            self.hand(queue_name),
            self._around,
            prefetch=prefetch,
            poll=timedelta(milliseconds=timeout),
        )

    def get_actor(self, actor_name: str) -> "Actor[Any, Any]":  # noqa: ARG002  # whatever the message names
        """Return the one task, so that a message for another comes to it and its refusal is audited."""
        return super().get_actor(TASK)

    def enqueue(self, message: "Message[Any]", *, delay: int | None = None) -> "Message[Any]":
        """Queue a delayed message whose time has come; an outage is raised in dramatiq's own words."""
        try:
            return super().enqueue(message, delay=delay)
        except RedisError as error:
            self._around.link.note_failure(error)
            raise ConnectionClosed(error) from error  # type: ignore[no-untyped-call]  # theirs

    def release(self) -> None:
        """Give back all that counts as taken by this process; raises nothing.

        With Redis away, dramatiq's own upkeep gives it back a minute after this process was last heard of.
        """
        try:
            for name in self._hands:
                queue = RedisQueue(self, name)
                queue.give_back(*queue.taken())
        except RedisError as error:
            self._around.link.note_failure(error)
