"""How many calls the account may make: a sliding window for each kind, first come, first served.

Circle counts by its own clock and the network shifts arrivals, so the window is held a little longer
than Circle's second: a refused call costs far more than the few in a hundred that this gives away.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import assert_never

from wallet_provisioning.clock import Clock

Sleep = Callable[[float], Awaitable[object]]


class Kind(StrEnum):
    """What Circle counts apart."""

    WALLETS = "wallets"
    POSTS = "posts"
    GETS = "gets"


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetOptions:
    """Calls allowed per `window` for the whole account; `slack` is added to the window."""

    wallets: int = 10
    posts: int = 5
    gets: int = 20
    window: timedelta = timedelta(seconds=1)
    slack: timedelta = timedelta(milliseconds=30)

    def limit(self, kind: Kind) -> int:
        """Return how many calls of a kind a window allows."""
        match kind:
            case Kind.WALLETS:
                return self.wallets
            case Kind.POSTS:
                return self.posts
            case Kind.GETS:
                return self.gets
        assert_never(kind)


class Budget:
    """The account's allowance. Used on one asyncio loop; made on any thread."""

    def __init__(self, options: BudgetOptions, *, clock: Clock, sleep: Sleep = asyncio.sleep) -> None:
        """Start with the whole allowance for this process."""
        self._options = options
        self._clock = clock
        self._sleep = sleep
        self._windows = {kind: _Window(options.limit(kind), options.window + options.slack) for kind in Kind}

    async def take(self, kind: Kind) -> None:
        """Return when one more call of this kind may be sent, and count it.

        Callers are served in the order in which they came; one that is cancelled uses nothing up.
        """
        window = self._windows[kind]
        window.waiting += 1
        try:
            async with window.turn:
                while delay := window.delay(self._clock.monotonic()):
                    await self._sleep(delay.total_seconds())
                window.sent.append(self._clock.monotonic())
        finally:
            window.waiting -= 1

    def waiting(self, kind: Kind) -> int:
        """Return how many calls of a kind wait for their turn."""
        return self._windows[kind].waiting

    def share_between(self, daemons: int) -> None:
        """Keep an equal share of the allowance; 1 takes it all back. Call it on the loop.

        A share of less than one call per window becomes one call per longer window.
        """
        for kind, window in self._windows.items():
            limit = self._options.limit(kind)
            window.limit = max(1, limit // daemons)
            window.length = self._options.window * window.limit * daemons / limit + self._options.slack


class _Window:
    """The calls of one kind that still count."""

    def __init__(self, limit: int, length: timedelta) -> None:
        self.limit = limit
        self.length = length
        self.sent: deque[timedelta] = deque()
        self.turn = asyncio.Lock()
        self.waiting = 0

    def delay(self, now: timedelta) -> timedelta:
        """Return how long until there is room, zero where there is."""
        while self.sent and self.sent[0] + self.length <= now:
            self.sent.popleft()
        if len(self.sent) < self.limit:
            return timedelta()
        return self.sent[len(self.sent) - self.limit] + self.length - now
