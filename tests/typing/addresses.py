"""Read by mypy alone: each line that is wrong says so, and an ignore that isn't needed is an error."""

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any

from wallet_provisioning.supervision.actor import Actor, recipe
from wallet_provisioning.supervision.address import Address
from wallet_provisioning.supervision.child import Child
from wallet_provisioning.supervision.life import Life
from wallet_provisioning.supervision.orders import AddChild, Added, Refused
from wallet_provisioning.supervision.reply import Forward, Reply
from wallet_provisioning.supervision.runtime import Runtime
from wallet_provisioning.supervision.watching import Down


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """What a fetcher tells back."""

    body: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetch:
    """What a fetcher is told."""

    reply_to: Address[Fetched]


class Fetcher(Actor[Fetch]):
    """An actor with one argument of its own."""

    def __init__(self, life: Life, *, limit: int) -> None:
        super().__init__(life)
        self.limit = limit

    def receive(self, message: Fetch) -> None:
        message.reply_to.tell(Fetched(body=""))
        message.reply_to.tell(Fetch(reply_to=message.reply_to))  # type: ignore[arg-type] # not what it asked for
        self.tell_later(self.life.clock.monotonic(), message)
        self.tell_later(self.life.clock.monotonic(), Fetched(body=""))  # type: ignore[arg-type] # not its own


class Deaf(Actor[Fetch]):
    """An actor that takes other messages than it says."""

    def receive(self, message: Fetched) -> None:  # type: ignore[override] # it must take every Fetch
        """Take the wrong message."""


def tell(fetcher: Address[Fetch], fetched: Address[Fetched], both: Address[Fetch | Fetched]) -> None:
    """Tell rightly and wrongly."""
    fetcher.tell(Fetch(reply_to=fetched))
    fetcher.tell(Fetch(reply_to=both))
    fetcher.tell(Fetch(reply_to=fetcher))  # type: ignore[arg-type] # a fetcher does not take what is fetched
    fetcher.tell(Fetched(body=""))  # type: ignore[arg-type] # nor is it told that
    fetcher.tell_quietly(Fetched(body=""))  # type: ignore[arg-type] # not quietly either
    fetcher.tell_news(Fetched(body=""))  # type: ignore[arg-type] # nor as news


def narrow(both: Address[Fetch | Fetched]) -> Address[Fetched]:
    """Hand an address on to somebody who tells less."""
    return both


def widen(fetched: Address[Fetched]) -> Address[Fetch | Fetched]:
    """Hand an address on to somebody who tells more."""
    return fetched  # type: ignore[return-value] # its actor would be told what it does not take


def watch(fetcher: Address[Fetch], ears: Address[Down], fetched: Address[Fetched]) -> None:
    """Have the end of an actor told to who takes that news, and to who doesn't."""
    fetcher.watch(ears)
    fetcher.watch(fetched)  # type: ignore[arg-type] # its actor does not take news of an end


def add(supervisor: Address[AddChild], child: Child, fetched: Address[Fetched]) -> None:
    """Ask for a child, with an answer that the asker takes and one that it doesn't."""
    answer: Forward[Added | Refused, Fetched] = Forward(fetched, lambda given: Fetched(body=repr(given)))
    supervisor.tell(AddChild(child=child, reply=answer))
    wrong: Forward[int, Fetched] = Forward(fetched, lambda given: Fetched(body=repr(given)))
    supervisor.tell(AddChild(child=child, reply=wrong))  # type: ignore[arg-type] # it is given no number


def submit(runtime: Runtime, fetched: Address[Fetched], fetcher: Address[Fetch]) -> None:
    """Have work done beside the actors."""

    async def work() -> Fetched:
        return Fetched(body="")

    def otherwise(error: Exception) -> Fetched:
        return Fetched(body=str(error))

    def call() -> Coroutine[Any, Any, Fetched]:
        return work()

    runtime.submit(call, fetched, otherwise)
    runtime.submit(call, fetcher, otherwise)  # type: ignore[arg-type] # its actor does not take the result


def recipes() -> None:
    """Name constructors with and without what they need."""
    recipe(Fetcher, limit=1)
    recipe(Fetcher, limit="many")  # type: ignore[arg-type] # a number
    recipe(Fetcher)  # type: ignore[call-arg] # the limit is missing
    recipe(Fetcher, limit=1, more=2)  # type: ignore[call-arg] # too much


async def reply() -> int:
    """Await an answer of the right type."""
    answer: Reply[int] = Reply(asyncio.get_running_loop())
    answer.set("one")  # type: ignore[arg-type] # not a number
    return await answer.get(1)
