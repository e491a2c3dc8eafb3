"""An asyncio loop on a manual clock that runs one callback when it is told to, and waits for nothing.

asyncio's own tasks, locks and sleeps run on it unchanged: they ask a loop only for `call_soon`, timers
and the time. It has no sockets and no thread. It ships with the package, like `ManualClock`.
"""

import asyncio
import heapq
import math
from asyncio.events import _get_running_loop, _set_running_loop  # made for those who implement loops
from collections import deque
from collections.abc import Callable, Coroutine, Generator
from contextvars import Context
from datetime import timedelta
from itertools import count
from typing import Any, TypeVar, TypeVarTuple, Unpack

from wallet_provisioning.clock import ManualClock

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

_TICK = timedelta.resolution


class SimLoop(asyncio.AbstractEventLoop):
    """Callbacks run in the order of their calls, timers once the clock has reached them. Of one thread."""

    def __init__(self, clock: ManualClock) -> None:
        """Start with nothing to do."""
        self._clock = clock
        self._ready: deque[asyncio.Handle] = deque()
        self._timers: list[tuple[float, int, asyncio.TimerHandle]] = []
        self._numbers = count()
        self.broken: list[str] = []

    # What whoever drives it says.

    @property
    def is_ready(self) -> bool:
        """Whether a callback waits to be run."""
        return bool(self._ready)

    def run_one(self) -> None:
        """Run the callback that has waited longest. What it raises is noted in `broken`."""
        handle = self._ready.popleft()
        if handle.cancelled():
            return
        running = _get_running_loop()
        _set_running_loop(self)
        try:
            handle._run()  # noqa: SLF001 - a loop runs its handles, and this is how
        finally:
            _set_running_loop(running)

    def wake_due(self) -> None:
        """Let the timers that the clock has reached take their place among the callbacks."""
        now = self.time()
        while self._timers and (self._timers[0][0] <= now or self._timers[0][2].cancelled()):
            handle = heapq.heappop(self._timers)[2]
            if not handle.cancelled():
                self._ready.append(handle)

    def until_next(self) -> timedelta | None:
        """Return how far the clock must move for the next timer, None where none is set."""
        while self._timers and self._timers[0][2].cancelled():
            heapq.heappop(self._timers)
        if not self._timers:
            return None
        ticks = (self._timers[0][0] - self.time()) / _TICK.total_seconds()
        return max(math.ceil(ticks), 1) * _TICK

    # What asyncio asks of a loop.

    def time(self) -> float:
        """Return the clock's seconds."""
        return self._clock.seconds()

    def call_soon(
        self, callback: Callable[[Unpack[Ts]], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.Handle:
        """Have a callback run after all that wait."""
        handle = asyncio.Handle(callback, args, self, context)
        self._ready.append(handle)
        return handle

    def call_soon_threadsafe(
        self, callback: Callable[[Unpack[Ts]], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.Handle:
        """Do as `call_soon` does: there is one thread."""
        return self.call_soon(callback, *args, context=context)

    def call_later(
        self,
        delay: float,
        callback: Callable[[Unpack[Ts]], object],
        *args: *Ts,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        """Have a callback run after so many seconds of the clock."""
        return self.call_at(self.time() + delay, callback, *args, context=context)

    def call_at(
        self,
        when: float,
        callback: Callable[[Unpack[Ts]], object],
        *args: *Ts,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        """Have a callback run once the clock has reached a reading."""
        handle = asyncio.TimerHandle(when, callback, args, self, context)
        heapq.heappush(self._timers, (when, next(self._numbers), handle))
        return handle

    def create_future(self) -> asyncio.Future[Any]:
        """Return a future of this loop."""
        return asyncio.Future(loop=self)

    def create_task(
        self,
        coro: Coroutine[Any, Any, T] | Generator[Any, None, T],
        *,
        name: str | None = None,
        context: Context | None = None,
    ) -> asyncio.Task[T]:
        """Have a coroutine run, one callback after the other."""
        return asyncio.Task(coro, loop=self, name=name, context=context)

    def get_debug(self) -> bool:
        """Return False: nothing is traced."""
        return False

    def is_running(self) -> bool:
        """Return True, as a coroutine that asks sees it."""
        return True

    def is_closed(self) -> bool:
        """Return False: there is nothing to close."""
        return False

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """Note an error that nobody caught."""
        self.broken.append(f"{context.get('message')}: {context.get('exception')!r}")

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """Let a cancelled timer lie: it is thrown away when its time has come."""
