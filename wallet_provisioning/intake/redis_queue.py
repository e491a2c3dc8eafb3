"""One queue in Redis, in dramatiq's own layout and by its own script; and how its messages are read."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from dramatiq.brokers.redis import MAINTENANCE_SCALE
from dramatiq.errors import DecodeError
from dramatiq.message import Message

if TYPE_CHECKING:
    from wallet_provisioning.intake.broker import QueueBroker

_DELAYED = ".DQ"
_GIVEN = "wallet_provisioning.given"


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """The arguments as the producer wrote them."""

    positional: tuple[object, ...]
    arguments: Mapping[str, Any]


class RedisQueue:
    """The commands on a queue. Each may raise any of Redis's errors; safe on any thread.

    Names of keys: the head of dramatiq's `brokers/redis/dispatch.lua`, which is the public layout.
    """

    def __init__(self, broker: "QueueBroker", name: str) -> None:
        """Assign; a name that ends in `.DQ` is that of delayed messages."""
        self.name = name
        self.is_delayed = name.endswith(_DELAYED)
        self._broker = broker

    def fetch(self, count: int, *, with_upkeep: bool = False) -> list[bytes]:
        """Take up to so many messages; they count as taken by this process from now on.

        Upkeep gives back what dead processes had taken, and deletes dead letters of more than a week.
        dramatiq leaves it to chance, once in a thousand commands; here it is asked for.
        """
        self._broker.maintenance_chance = MAINTENANCE_SCALE if with_upkeep else 0
        found = self._broker.do_fetch(self.name, count)
        return [data for data in found if data is not None]

    def acknowledge(self, message_id: str) -> None:
        """Forget a message: it is dealt with."""
        self._broker.do_ack(self.name, message_id)

    def bury(self, message_id: str) -> None:
        """Move a message to the dead letters."""
        self._broker.do_nack(self.name, message_id)

    def give_back(self, *message_ids: str) -> None:
        """Put messages back into the queue, for whoever takes them next."""
        if message_ids:
            self._broker.do_requeue(self.name, *message_ids)

    def taken(self) -> set[str]:
        """Return the ids of all that counts as taken by this process."""
        key = f"{self._broker.namespace}:__acks__.{self._broker.broker_id}.{self.name}"
        members = cast("Iterable[bytes]", self._broker.client.smembers(key))
        return {member.decode() for member in members}

    def look_up(self, message_id: str) -> bytes | None:
        """Return a message as it was written; None if there is none of that id."""
        found = self._broker.client.hget(f"{self._broker.namespace}:{self.name}.msgs", message_id)
        return cast("bytes | None", found)

    def read(self, data: bytes) -> "Message[None] | None":
        """Return a message in a form that dramatiq's worker can't stumble over; None if it has none.

        What it says of its own queue is not believed, only the delayed have a time, and arguments are
        put where no call of dramatiq's can trip over their names. In Redis it stays as it was written.
        """
        try:
            message: Message[None] = Message.decode(data)
        except DecodeError:
            return None
        if not _is_sound(message):
            return None
        return self._delayed(message) if self.is_delayed else self._immediate(message)

    def _delayed(self, message: "Message[None]") -> "Message[None]":
        eta = message.options.get("eta")
        is_time = isinstance(eta, int | float) and math.isfinite(eta)
        return message.copy(queue_name=self.name, options={"eta": eta if is_time else 0})

    def _immediate(self, message: "Message[None]") -> "Message[None]":
        given = Given(positional=message.args, arguments=message.kwargs)
        bare = message.copy(queue_name=self.name, args=(), kwargs={}, options={_GIVEN: given})
        bare.options.pop("eta", None)
        return bare


def given_to(message: "Message[None]") -> Given:
    """Return the arguments of a message that `RedisQueue.read` returned."""
    return cast("Given", message.options[_GIVEN])


def id_of(message: "Message[None]") -> str:
    """Return the name under which Redis knows a message that was read."""
    return cast("str", message.options["redis_message_id"])


def _is_sound(message: "Message[None]") -> bool:
    """Return whether the parts have the types that dramatiq takes for granted."""
    options: object = message.options
    return (
        isinstance(options, dict)
        and isinstance(options.get("redis_message_id"), str)
        and isinstance(cast("object", message.kwargs), dict)
        and isinstance(cast("object", message.actor_name), str)
        and isinstance(cast("object", message.message_id), str)
    )
