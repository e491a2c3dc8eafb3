"""Which messages of one queue this process has in hand, and what it still owes Redis about them.

dramatiq's own consumer keeps this in the consumer, which it throws away whenever the connection breaks;
what was fetched but not yet dealt with then stays taken, by nobody, until the process ends. So it is
kept here, beside the broker.
"""

import threading
from collections.abc import Callable, Iterable


class Hand:
    """Ids of messages, by the names that Redis knows them under. Safe on any thread."""

    def __init__(self) -> None:
        """Begin empty."""
        self._held: set[str] = set()
        self._postponed: set[str] = set()
        self._owed: dict[str, Callable[[str], None]] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        """Return how many are in hand; those that Redis is still to be told about count."""
        return len(self._held)

    def take(self, message_id: str) -> None:
        """Have a message in hand."""
        with self._lock:
            self._held.add(message_id)

    def drop(self, message_ids: Iterable[str]) -> None:
        """Have these in hand no longer: Redis knows what became of them."""
        with self._lock:
            for message_id in message_ids:
                self._held.discard(message_id)
                self._owed.pop(message_id, None)

    def drop_all(self) -> None:
        """Have none in hand."""
        with self._lock:
            self._held.clear()
            self._owed.clear()
            self._postponed.clear()

    def strays(self, taken: Iterable[str]) -> list[str]:
        """Return those that Redis calls taken by this process although they aren't in hand."""
        with self._lock:
            return sorted(set(taken) - self._held)

    def postpone(self, message_id: str) -> None:
        """Mark a message as one to be put back instead of acknowledged."""
        with self._lock:
            self._postponed.add(message_id)

    def was_postponed(self, message_id: str) -> bool:
        """Return whether it was marked, and take the mark off."""
        with self._lock:
            was = message_id in self._postponed
            self._postponed.discard(message_id)
            return was

    def owe(self, message_id: str, settle: Callable[[str], None]) -> None:
        """Remember what Redis could not be told."""
        with self._lock:
            self._owed[message_id] = settle

    def owed(self) -> list[tuple[str, Callable[[str], None]]]:
        """Return what Redis has to be told."""
        with self._lock:
            return list(self._owed.items())
