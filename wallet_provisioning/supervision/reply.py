"""One answer from the tree to the asyncio world, once."""

import asyncio
import contextlib
from typing import Generic, TypeVar

T = TypeVar("T")


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
