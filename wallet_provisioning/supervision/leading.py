"""Who may change a family's cells: one supervisor at a time, even when its predecessor still runs.

A hung supervisor can't be killed, and may wake up when its successor has long begun. So changes happen
under the family's lock, after a look at whether this incarnation still holds its mailbox. Nothing that
may block (an observer, a child's constructor) is called under the lock: a hang there would lock the
successor out. It is put off until the lock is free again.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from wallet_provisioning.supervision.child import Family
from wallet_provisioning.supervision.life import Life


class DeposedError(Exception):
    """This supervisor was given up for a successor, and must not touch the children any more."""


class Leadership:
    """One supervisor incarnation's hold on its family. It belongs to that incarnation's thread."""

    def __init__(self, family: Family, life: Life) -> None:
        """Name the family; whether it is led is asked each time."""
        self._family = family
        self._life = life
        self._put_off: list[Callable[[], None]] = []

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the family; raises `DeposedError` if it has another leader. Then do what was put off."""
        try:
            with self._family.lock:
                if not self._life.is_current():
                    raise DeposedError
                yield
        finally:
            put_off, self._put_off = self._put_off, []
            for act in put_off:
                act()

    def put_off(self, act: Callable[[], None]) -> None:
        """Have something done, in order, as soon as the family is let go of."""
        self._put_off.append(act)
