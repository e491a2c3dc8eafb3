"""What tests of actors wait for: named signals instead of sleeps. It ships, since users test with it too."""

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")

_PATIENCE = 20.0


class Signals(Generic[T]):
    """What happened, in order, for a test to wait for. Every method is safe on any thread.

    `note` can stand wherever the code takes a listener: as a tree's observer, or in an actor's hook.
    """

    def __init__(self) -> None:
        """Start with nothing noted."""
        self._noted: list[T] = []
        self._changed = threading.Condition()

    def note(self, item: T) -> None:
        """Say that something happened."""
        with self._changed:
            self._noted.append(item)
            self._changed.notify_all()

    def all(self) -> list[T]:
        """Return what was noted so far."""
        with self._changed:
            return list(self._noted)

    def wait_for(self, wanted: Callable[[T], bool], *, count: int = 1, within: float = _PATIENCE) -> T:
        """Return the first such item, or the one that `count` names; raises `TimeoutError` with all noted."""
        found = self.wait_until(lambda noted: sum(map(wanted, noted)) >= count, within=within)
        return [item for item in found if wanted(item)][count - 1]

    def wait_until(self, holds: Callable[[list[T]], bool], *, within: float = _PATIENCE) -> list[T]:
        """Return all items once something holds of them; raises `TimeoutError` with them."""
        with self._changed:
            if not self._changed.wait_for(lambda: holds(self._noted), within):
                msg = (
                    f"not within {within:g} s; noted were the last of {len(self._noted)}: {self._noted[-20:]}"
                )
                raise TimeoutError(msg)
            return list(self._noted)
