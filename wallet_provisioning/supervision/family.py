"""The children of one supervisor, as they outlive it."""

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from wallet_provisioning.supervision.letters import Port
from wallet_provisioning.supervision.snapshot import ChildState

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import timedelta

    from wallet_provisioning.supervision.child import Cell
    from wallet_provisioning.supervision.spec import Child


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """How many children a supervisor has: `known` in all, `active` with an incarnation, and their kinds."""

    known: int
    active: int
    workers: int
    supervisors: int


class CannotGrowError(Exception):
    """This family was made without places for more children; make it with `Places.family`."""


@dataclass(slots=True)
class Family:
    """The cells of a supervisor's children, in the order of their start. They outlive the supervisor.

    Whoever changes a cell holds `lock`, and has made sure under it that it still leads; nothing that
    may block is called meanwhile. `cells` is replaced as a whole when a child comes or goes, so any
    thread may walk over it. `make_cell` finds a place for a new child, `forget_cell` gives it up.
    """

    cells: "dict[str, Cell]" = field(default_factory=dict)
    failures: "list[timedelta]" = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)
    make_cell: "Callable[[Child], Cell] | None" = field(default=None, repr=False, compare=False)
    forget_cell: "Callable[[Cell], None] | None" = field(default=None, repr=False, compare=False)
    _left_behind: list[Port] = field(default_factory=list, repr=False, compare=False)

    def add(self, child: "Child") -> "Cell":
        """Take in a child that is not among them yet; raises `CannotGrowError`."""
        if self.make_cell is None:
            raise CannotGrowError
        cell = self.make_cell(child)
        self.cells = {**self.cells, child.id: cell}
        return cell

    def remove(self, child: str) -> None:
        """Let a child go that has ended; what hangs of it is counted as long as it does."""
        cell = self.cells[child]
        self.cells = {name: each for name, each in self.cells.items() if name != child}
        self._left_behind = [*_alive(self._left_behind), *cell.hanging()]
        if self.forget_cell is not None:
            self.forget_cell(cell)

    def count(self) -> Counts:
        """Return how many children there are. Safe on any thread."""
        cells = list(self.cells.values())
        supervisors = sum(cell.spec.family is not None for cell in cells)
        return Counts(
            known=len(cells),
            active=sum(cell.state is not ChildState.STOPPED for cell in cells),
            workers=len(cells) - supervisors,
            supervisors=supervisors,
        )

    def hanging(self) -> list[Port]:
        """Return what was given up and still runs, here and on every floor below."""
        cells = list(self.cells.values())
        return [*_alive(self._left_behind), *(port for cell in cells for port in cell.hanging())]

    def zombies(self) -> int:
        """Return how many incarnations that were given up still run, here and on every floor below."""
        return len(self.hanging())


def _alive(ports: list[Port]) -> list[Port]:
    return [port for port in ports if not port.is_dead()]
