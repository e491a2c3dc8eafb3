"""One answer, once: from the tree to the asyncio world, or from one actor to another."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

from wallet_provisioning.supervision.address import Address

T = TypeVar("T")
M = TypeVar("M")
T_contra = TypeVar("T_contra", contravariant=True)


class Answer(Protocol[T_contra]):
    """Where an answer is wanted. A `Reply` is one; what hands it on as a message can be another."""

    def set(self, value: T_contra) -> None:
        """Give the answer. Called at most once, on any thread; never blocks."""
        ...


class Reply(Generic[T]):
    """A typed one-shot answer: made on the loop, set from any thread, awaited on the loop.

    Awaiting a pykka future would block the loop; this one is resolved by the loop itself.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        """Make a reply that nobody has set."""
        self._loop = loop
        self._future: asyncio.Future[T] = loop.create_future()

    def set(self, value: T) -> None:
        """Give the answer; a second one is ignored, and so is one after the loop has closed."""
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            self._loop.call_soon_threadsafe(self._resolve, value)

    async def get(self, within: float) -> T:
        """Return the answer; raises `TimeoutError` after so many seconds without one."""
        return await asyncio.wait_for(asyncio.shield(self._future), within)

    def _resolve(self, value: T) -> None:
        if not self._future.done():
            self._future.set_result(value)


class Forward(Generic[T, M]):
    """An answer that an actor gets as a message: made anywhere, set from any thread."""

    def __init__(self, address: Address[M], message: Callable[[T], M]) -> None:
        """Name who is told, and the message that an answer becomes."""
        self._address = address
        self._message = message

    def set(self, value: T) -> None:
        """Tell the answer."""
        self._address.deliver(self._message(value))
