"""Addresses before there are actors: a tree is wired first and started then."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from wallet_provisioning.clock import Clock
from wallet_provisioning.supervision.address import Address
from wallet_provisioning.supervision.child import Cell, Child, Family
from wallet_provisioning.supervision.incidents import Incident, Undeliverable
from wallet_provisioning.supervision.mailbox import Mailbox
from wallet_provisioning.supervision.snapshot import ActorView

ROOT = "/"


class Places:
    """Hands out the address of every path, and makes families of children that live there."""

    def __init__(self, clock: Clock, observe: Callable[[Incident], None]) -> None:
        """Make a map without places."""
        self._clock = clock
        self._observe = observe
        self._mailboxes: dict[str, Mailbox] = {}

    def address(self, path: str) -> Address[Any]:
        """Return the address of a path; who lives there decides the type of its messages."""
        mailbox = self._mailboxes.setdefault(path, Mailbox(self._clock))
        return Address(path, mailbox, self._undelivered)

    def family(self, parent: str, children: Sequence[Child]) -> Family:
        """Return the cells of a supervisor's children, in the order of their start."""
        prefix = "" if parent == ROOT else f"{parent}/"
        return Family({child.id: self.cell(f"{prefix}{child.id}", child) for child in children})

    def cell(self, path: str, child: Child) -> Cell:
        """Return the cell of a child at a path."""
        address = self.address(path)
        return Cell(path, child, address, self._mailboxes[path])

    def _undelivered(self, path: str, message: object) -> None:
        self._observe(Undeliverable(path=path, message=type(message).__name__))


def walk(cell: Cell) -> Iterator[Cell]:
    """Yield a cell and all below it, parents before children."""
    yield cell
    if cell.spec.family is not None:
        for child in cell.spec.family.cells.values():
            yield from walk(child)


def views(root: Cell, clock: Clock) -> tuple[ActorView, ...]:
    """Return the picture of the whole tree, taken without asking any actor. Safe on any thread."""
    now = clock.monotonic()
    return tuple(cell.view(now) for cell in walk(root))
