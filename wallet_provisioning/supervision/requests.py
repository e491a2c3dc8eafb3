"""What others ask of a supervisor: children that come, go and restart, and who waits to hear of it."""

from collections import defaultdict
from collections.abc import Callable
from functools import partial
from typing import TypeVar

from wallet_provisioning.supervision import plans
from wallet_provisioning.supervision.agenda import Agenda
from wallet_provisioning.supervision.child import Cell, Family
from wallet_provisioning.supervision.family import CannotGrowError
from wallet_provisioning.supervision.leading import Leadership
from wallet_provisioning.supervision.orders import (
    AddChild,
    Added,
    Refused,
    RemoveChild,
    Removed,
    RestartChild,
)
from wallet_provisioning.supervision.reply import Answer

T = TypeVar("T")


class Requests:
    """The requests to one supervisor. They are met on that supervisor's thread, while the family is held.

    Who waits is forgotten with the supervisor. What was begun is not: it stands in the cells, and the
    successor takes it up.
    """

    def __init__(
        self,
        family: Family,
        agenda: Agenda,
        lead: Leadership,
        *,
        limit: int | None,
        end: Callable[[Cell], None],
    ) -> None:
        """`limit` bounds the children of all kinds; `end` closes the mailbox of one that has stopped."""
        self._family = family
        self._agenda = agenda
        self._lead = lead
        self._limit = limit
        self._end = end
        self._refuses: str | None = None
        self._restarting: defaultdict[str, list[Answer[int]]] = defaultdict(list)
        self._adding: dict[str, Answer[Added | Refused]] = {}
        self._removing: defaultdict[str, list[Answer[Removed | Refused]]] = defaultdict(list)

    def restart(self, order: RestartChild) -> None:
        """Stop a child that runs in good order, and start it. There is no answer where that can't be done."""
        cell = self._family.cells.get(order.child)
        if self._refuses is not None or cell is None or cell.is_leaving:
            return
        self._restarting[order.child].append(order.reply)
        if not self._agenda.will_start(order.child):
            running = [order.child] if cell.is_up else []
            self._agenda.begin(plans.restart([order.child], running, plans.AT_ONCE))

    def has_started(self, cell: Cell) -> None:
        """Answer who asked for the child, or for its restart."""
        added = self._adding.pop(cell.spec.id, None)
        if added is not None:
            self._answer(added, Added(path=cell.path, incarnation=cell.incarnation))
        for reply in self._restarting.pop(cell.spec.id, []):
            self._answer(reply, cell.incarnation)

    # Coming.

    def add(self, order: AddChild) -> None:
        """Take a child in and start it. It is answered when the child has started, or could not."""
        why_not = self._why_not(order.child.id)
        if why_not is not None:
            self._answer(order.reply, Refused(why=why_not))
            return
        try:
            cell = self._family.add(order.child)
        except CannotGrowError as error:
            self._answer(order.reply, Refused(why=str(error) or str(error.__doc__)))
            return
        cell.is_guest = True
        self._adding[order.child.id] = order.reply
        self._agenda.begin(plans.restart([order.child.id], [], plans.AT_ONCE))

    def is_adding(self, child: str) -> bool:
        """Return whether a child was asked for and has not started yet."""
        return child in self._adding

    def could_not_start(self, cell: Cell, why: str) -> None:
        """Let a child go that never ran, and say so to who asked for it."""
        reply = self._adding.pop(cell.spec.id)
        self._take_out(cell)
        self._answer(reply, Refused(why=f"{cell.path} did not start: {why}"))

    # Going.

    def remove(self, order: RemoveChild) -> None:
        """Stop a child in good order and forget it. It is answered when nothing of it is left."""
        cell = self._family.cells.get(order.child)
        why_not = f"there is no child {order.child}" if cell is None else self._refuses
        if cell is None or why_not is not None:
            self._answer(order.reply, Refused(why=str(why_not)))
            return
        self._removing[order.child].append(order.reply)
        if not cell.is_leaving:
            cell.is_leaving = True
            self.see_off(cell)

    def see_off(self, cell: Cell) -> None:
        """Begin, or begin again, to stop a child that is to leave."""
        child = cell.spec.id
        self._agenda.forget(child)
        if cell.is_up:
            self._agenda.begin(plans.shutdown([child], together=True))
        else:
            self._take_out(cell)

    def has_ended(self, cell: Cell) -> None:
        """Let a child go that ended for good, if it was a guest or was to leave."""
        if cell.is_guest or cell.is_leaving:
            self._take_out(cell)

    def close(self, why: str) -> None:
        """Refuse whatever has not been answered: the supervisor stops.

        A child that was refused while it started leaves, at the latest when a successor finds it.
        """
        self._refuses = why
        refused = Refused(why=why)
        for child, adding in self._adding.items():
            self._family.cells[child].is_leaving = True
            self._answer(adding, refused)
        for removing in (each for row in self._removing.values() for each in row):
            self._answer(removing, refused)
        self._adding.clear()
        self._removing.clear()

    def _why_not(self, child: str) -> str | None:
        if self._refuses is not None:
            return self._refuses
        if child in self._family.cells:
            return f"there is a child {child} already"
        if "/" in child or not child:
            return f"a child's id is one part of a path, not {child!r}"
        if self._limit is not None and len(self._family.cells) >= self._limit:
            return f"there are {self._limit} children, and no more are allowed"
        return None

    def _take_out(self, cell: Cell) -> None:
        self._end(cell)
        self._agenda.forget(cell.spec.id)
        self._family.remove(cell.spec.id)
        for reply in self._removing.pop(cell.spec.id, []):
            self._answer(reply, Removed(path=cell.path))

    def _answer(self, reply: Answer[T], value: T) -> None:
        self._lead.put_off(partial(reply.set, value))
