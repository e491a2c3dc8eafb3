"""Addresses before there are actors: a tree is wired first and started then."""

from collections.abc import Callable, Iterator, Sequence
from contextvars import copy_context
from functools import partial
from typing import Any
from weakref import WeakValueDictionary

from wallet_provisioning.clock import Clock
from wallet_provisioning.supervision.address import Address
from wallet_provisioning.supervision.child import Cell, Child, Family
from wallet_provisioning.supervision.deadletters import DeadLetters
from wallet_provisioning.supervision.incidents import Incident, Why
from wallet_provisioning.supervision.letters import Letter
from wallet_provisioning.supervision.mailbox import Mailbox
from wallet_provisioning.supervision.snapshot import ActorView

ROOT = "/"


class Places:
    """Hands out the address of every path, and makes families of children that live there.

    `dead_letters` are those of all its places. A place of a child that was removed is kept for as long as
    somebody has its address, so that a later child there is reached by it.
    """

    def __init__(
        self,
        clock: Clock,
        observe: Callable[[Incident], None],
        make_mailbox: Callable[[Clock, str], Mailbox] = Mailbox,
    ) -> None:
        """Make a map without places; `make_mailbox` lets a simulation hear of every put."""
        self._make_mailbox = make_mailbox
        self.dead_letters = DeadLetters(clock)
        self._clock = clock
        self._observe = observe
        self._mailboxes: dict[str, Mailbox] = {}
        self._former: WeakValueDictionary[str, Mailbox] = WeakValueDictionary()

    def address(self, path: str) -> Address[Any]:
        """Return the address of a path; who lives there decides the type of its messages."""
        mailbox = self._mailbox(path)
        return Address(path, mailbox, partial(self._undelivered, mailbox))

    def family(self, parent: str, children: Sequence[Child]) -> Family:
        """Return the cells of a supervisor's children, in the order of their start."""
        prefix = "" if parent == ROOT else f"{parent}/"

        def make_cell(child: Child) -> Cell:
            return self.cell(f"{prefix}{child.id}", child)

        cells = {child.id: make_cell(child) for child in children}
        return Family(cells, make_cell=make_cell, forget_cell=self._forget)

    def cell(self, path: str, child: Child) -> Cell:
        """Return the cell of a child at a path."""
        mailbox = self._mailbox(path)
        mailbox.limit(child.bound, None if child.bound is None else partial(self._overflown, mailbox))
        address = self.address(path)
        return Cell(path, child, address, mailbox, self.dead_letters, observe=self._observe)

    def _mailbox(self, path: str) -> Mailbox:
        known = self._mailboxes.get(path) or self._former.get(path) or self._make_mailbox(self._clock, path)
        return self._mailboxes.setdefault(path, known)

    def _forget(self, cell: Cell) -> None:
        for each in walk(cell):
            self._mailboxes.pop(each.path, None)
            self._former[each.path] = each.mailbox

    def _undelivered(self, mailbox: Mailbox, _path: str, message: object) -> None:
        why = Why.STOPPED if mailbox.is_closed() else Why.FULL
        self._observe(self.dead_letters.note(mailbox, message, copy_context(), why))

    def _overflown(self, mailbox: Mailbox, letter: Letter) -> None:
        self._observe(self.dead_letters.note(mailbox, letter.message, letter.context, Why.FULL))


def walk(cell: Cell) -> Iterator[Cell]:
    """Yield a cell and all below it, parents before children."""
    yield cell
    if cell.spec.family is not None:
        for child in tuple(cell.spec.family.cells.values()):
            yield from walk(child)


def find(root: Cell, path: str) -> Cell:
    """Return the cell at a path; raises `KeyError`."""
    for cell in walk(root):
        if cell.path == path:
            return cell
    raise KeyError(path)


def views(root: Cell, clock: Clock) -> tuple[ActorView, ...]:
    """Return the picture of the whole tree, taken without asking any actor. Safe on any thread."""
    now = clock.monotonic()
    return tuple(cell.view(now) for cell in walk(root))
