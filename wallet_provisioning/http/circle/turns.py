"""Who is next: callers in the order in which they came, the chains by turns, background readers behind. Pure.

A chain that asks for much waits for itself, not the others for it. A background reader goes where nobody
else waits, and else once in ten, so that it gets on, however slowly.
"""

from collections import OrderedDict, deque
from typing import Generic, TypeVar

W = TypeVar("W")

_BACKGROUND_EVERY = 10


class FairQueue(Generic[W]):
    """Waiting callers of one kind. Belongs to one loop."""

    def __init__(self) -> None:
        """Start empty."""
        self._chains: OrderedDict[str, deque[W]] = OrderedDict()
        self._background: deque[W] = deque()
        self._served = 0
        self._waiting = 0

    def __len__(self) -> int:
        """Return how many wait. Safe on any thread."""
        return self._waiting

    def put(self, waiter: W, *, chain: str, background: bool = False) -> None:
        """Let a caller wait, behind those of its chain."""
        self._waiting += 1
        if background:
            self._background.append(waiter)
        else:
            self._chains.setdefault(chain, deque()).append(waiter)

    def take(self) -> W:
        """Return who is next; `IndexError` where nobody waits."""
        if not self._waiting:
            raise IndexError
        self._waiting -= 1
        self._served += 1
        is_theirs = self._served % _BACKGROUND_EVERY == 0
        if self._background and (is_theirs or not self._chains):
            return self._background.popleft()
        chain, waiting = next(iter(self._chains.items()))
        waiter = waiting.popleft()
        if waiting:
            self._chains.move_to_end(chain)
        else:
            del self._chains[chain]
        return waiter

    def remove(self, waiter: W) -> None:
        """Let a caller go that waits no longer; nothing happens where it doesn't wait."""
        for chain, waiting in self._chains.items():
            if waiter in waiting:
                waiting.remove(waiter)
                self._waiting -= 1
                if not waiting:
                    del self._chains[chain]
                return
        if waiter in self._background:
            self._background.remove(waiter)
            self._waiting -= 1

    def clear(self) -> list[W]:
        """Take out all who wait."""
        everyone = [each for waiting in self._chains.values() for each in waiting] + list(self._background)
        self._chains.clear()
        self._background.clear()
        self._waiting = 0
        return everyone
