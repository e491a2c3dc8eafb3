"""The actor that keeps its children alive.

It acts on reports alone: a child says that it has started, stopped or ended, a timer that a pause or a
drain is over. What it is in the middle of stands in `agenda`, how a child is started and stopped in
`steps`, what others ask of it in `requests`; who restarts with whom, how often and how soon in
`restarts`. Its children's cells belong to its `Family`, which outlives it: the successor of a supervisor
that crashed finds them running and leaves them in peace, and takes up what was begun. Every change
happens while the family is held (`leading`): a supervisor that hung may wake up too late.
"""

from collections.abc import Callable, Iterable
from contextvars import copy_context
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import assert_never

from wallet_provisioning.supervision import plans
from wallet_provisioning.supervision.actor import Actor
from wallet_provisioning.supervision.agenda import Agenda
from wallet_provisioning.supervision.blame import Blame
from wallet_provisioning.supervision.child import Cell, Family
from wallet_provisioning.supervision.incidents import ChildEnded, ChildStarted, ChildStopped, Incident
from wallet_provisioning.supervision.leading import Leadership
from wallet_provisioning.supervision.letters import Lane
from wallet_provisioning.supervision.life import Ended, Life, Report, Started, Stopped
from wallet_provisioning.supervision.orders import (
    AddChild,
    DrainOver,
    LookForHangs,
    PauseOver,
    RemoveChild,
    RestartChild,
    SupervisorMessage,
)
from wallet_provisioning.supervision.places import ROOT
from wallet_provisioning.supervision.plans import Verb
from wallet_provisioning.supervision.policy import Policy
from wallet_provisioning.supervision.requests import Requests
from wallet_provisioning.supervision.restarts import Restart, affected, is_restarted
from wallet_provisioning.supervision.snapshot import ChildState, EndReason
from wallet_provisioning.supervision.steps import Steps

__all__ = ["Policy", "RestartChild", "Supervisor", "TooManyFailuresError"]

_LOOK = timedelta(seconds=1)
_GRACE = timedelta(seconds=2)


class TooManyFailuresError(Exception):
    """More failures than restarts can mend; the supervisor gives up and its own supervisor decides."""


class Supervisor(Actor[SupervisorMessage]):
    """Starts its children in order, restarts them by its policy, stops them in reverse.

    It counts as started once its children are; a child that can't start at boot ends it.
    """

    def __init__(
        self, life: Life, *, family: Family, policy: Policy, observe: Callable[[Incident], None]
    ) -> None:
        """Take over the family, whoever led it before."""
        super().__init__(life)
        self._family = family
        self._policy = policy
        self._observe = observe
        self._lead = Leadership(family, life)
        steps = Steps(life, family, self._lead, later=self.tell_later, hear=self._take_report)
        self._agenda = Agenda(steps.act)
        self._blame = Blame(family, policy, life.clock)
        self._requests = Requests(
            family, self._agenda, self._lead, limit=policy.max_children, end=self._end_for_good
        )
        self._cancel_look: Callable[[], None] | None = None
        self._is_closing = False
        self._gives_up: str | None = None

    def started(self) -> None:
        """Begin to start what does not run."""
        with self._lead.held():
            self._family.failures.clear()
            self._look_later()
            self._adopt()

    def is_ready(self) -> bool:
        """Return whether all children were started."""
        return not self._agenda.is_booting and not self._is_closing

    def receive(self, message: SupervisorMessage) -> None:
        """Act on a report, a timer or an operator's word."""
        with self._lead.held():
            self._act_on(message)
        if self._gives_up is not None and self.is_drained():
            self._let_go_of_all()
            raise TooManyFailuresError(self._gives_up)

    def stopping(self) -> None:
        """Begin to stop the children."""
        with self._lead.held():
            self._close()

    def is_drained(self) -> bool:
        """Return whether every child has stopped."""
        return all(cell.state is ChildState.STOPPED for cell in self._cells())

    def stopped(self) -> None:
        """Give up what would not stop in time."""
        self._let_go_of_all()

    def _act_on(self, message: SupervisorMessage) -> None:
        match message:
            case Started():
                self._child_started(message)
            case Stopped():
                self._child_stopped(message)
            case Ended():
                self._child_ended(message)
            case RestartChild():
                self._requests.restart(message)
            case AddChild():
                self._requests.add(message)
            case RemoveChild():
                self._requests.remove(message)
            case PauseOver():
                self._agenda.pause_over(message.plan)
            case DrainOver():
                self._drain_over(message)
            case LookForHangs():
                self._look_for_hangs()
            case _:
                assert_never(message)

    def _adopt(self) -> None:
        """Take up what a predecessor left: reports not heard, children half started or half stopped.

        A temporary child was being stopped along with others, and stays so.
        """
        for cell in self._cells():
            self._hear_again(cell)
            if cell.is_leaving:
                self._requests.see_off(cell)
        asleep = [cell for cell in self._cells() if self._is_to_wake(cell)]
        stopping = [cell.spec.id for cell in asleep if cell.state is ChildState.STOPPING]
        temporary = {cell.spec.id for cell in asleep if cell.spec.restart is Restart.TEMPORARY}
        wanted = [cell.spec.id for cell in asleep if cell.spec.id not in temporary.intersection(stopping)]
        self._agenda.begin(plans.boot(wanted, stopping))

    def _is_to_wake(self, cell: Cell) -> bool:
        return cell.state is not ChildState.RUNNING and not cell.is_finished and not cell.is_leaving

    # Reports.

    def _child_started(self, report: Started) -> None:
        cell = self._current(report.child, report.incarnation)
        if cell is None or cell.state is ChildState.RUNNING:
            return
        self._tell([ChildStarted(path=cell.path, incarnation=report.incarnation)])
        if cell.state is ChildState.STARTING:
            cell.state = ChildState.RUNNING
            self._requests.has_started(cell)
            self._agenda.done(report.child, Verb.START)

    def _child_stopped(self, report: Stopped) -> None:
        cell = self._current(report.child, report.incarnation)
        if cell is None:
            return
        cell.state = ChildState.STOPPED
        self._tell([ChildStopped(path=cell.path, incarnation=report.incarnation)])
        if not self._was_asked_to_stop(cell):
            self._after_end(cell, in_good_order=True, pause=timedelta())

    def _child_ended(self, report: Ended) -> None:
        """Mend what can be mended, and tell of it then: those who hear of it take time."""
        cell = self._current(report.child, report.incarnation)
        if cell is None:
            return
        ended = cell.as_incident(report)
        try:
            self._mend(cell, ended)
        finally:
            self._lead.put_off(partial(self._publish, cell, ended))

    def _mend(self, cell: Cell, ended: ChildEnded) -> None:
        child = cell.spec.id
        is_booting = self._agenda.boots(child)
        cell.state = ChildState.STOPPED
        if self._requests.is_adding(child):
            self._requests.could_not_start(cell, ended.error)
            return
        is_blamed = self._blame.remember(cell, ended)
        if self._was_asked_to_stop(cell):
            return
        if is_booting and ended.reason is EndReason.START_FAILED:
            self._give_up(f"{cell.path} did not start: {ended.error}")
        elif is_blamed and self._blame.is_too_much():
            self._give_up(f"{cell.path} ended too often, the last time by {ended.error}")
        else:
            pause = self._blame.pause(cell) if is_blamed else timedelta()
            self._after_end(cell, in_good_order=False, pause=pause)

    def _was_asked_to_stop(self, cell: Cell) -> bool:
        """Go on with the plan that waited for this end; return whether the end was wanted anyway."""
        child = cell.spec.id
        if self._is_closing:
            self._agenda.done(child, Verb.STOP)
            return True
        is_to_come_back = self._agenda.will_start(child)
        if not self._agenda.done(child, Verb.STOP):
            return False
        if not is_to_come_back:
            self._finish_with(cell)
        return True

    def _publish(self, cell: Cell, ended: ChildEnded) -> None:
        for watcher in cell.spec.watchers:
            watcher.tell_news(ended)
        self._observe(ended)

    def _after_end(self, cell: Cell, *, in_good_order: bool, pause: timedelta) -> None:
        """Restart a child that ended by itself, with those that its strategy restarts along.

        A temporary child among those is stopped with them, and stays so.
        """
        child = cell.spec.id
        if not is_restarted(cell.spec.restart, in_good_order=in_good_order):
            self._finish_with(cell)
            self._agenda.forget(child)
            return
        cell.state = ChildState.RESTARTING
        together = affected(self._policy.strategy, list(self._family.cells), child)
        running = [name for name in together if self._family.cells[name].is_up]
        dropped = self._agenda.drop(together)
        wanted = dropped.starts | {name for name in together if self._comes_back(name)}
        order = [name for name in self._family.cells if name in wanted]
        self._agenda.begin(plans.restart(order, running, pause, is_boot=dropped.is_boot))

    def _comes_back(self, child: str) -> bool:
        cell = self._family.cells[child]
        return cell.spec.restart is not Restart.TEMPORARY and not cell.is_leaving

    # Timers.

    def _drain_over(self, timer: DrainOver) -> None:
        cell = self._current(timer.child, timer.incarnation)
        if cell is None or cell.state is not ChildState.STOPPING:
            return
        if timer.is_last:
            self._give_up_child(cell)
        else:
            cell.ask_to_stop(at_once=True)
            self.tell_later(_GRACE, replace(timer, is_last=True))

    def _give_up_child(self, cell: Cell) -> None:
        ended = cell.revoke_undrained(self.life.clock)
        if ended is not None:
            self._child_ended(ended)
        else:
            self._hear_again(cell)

    def _look_for_hangs(self) -> None:
        for cell in self._cells():
            hung = cell.revoke_if_hung(self.life.clock)
            if hung is not None:
                self._child_ended(hung)
            self._hear_again(cell)
        if self.life.path == ROOT:
            self._count_zombies()
        self._look_later()

    def _count_zombies(self) -> None:
        """End the tree where too many threads hang in it: only a new process gets rid of them."""
        zombies = self._family.zombies()
        if zombies > self._policy.zombie_limit:
            self._give_up(f"{zombies} threads below {self.life.path} hang")

    def _look_later(self) -> None:
        """Have one timer and never two, whoever asked for the last look."""
        if self._cancel_look is not None:
            self._cancel_look()
        self._cancel_look = self.tell_later(_LOOK, LookForHangs())

    def _hear_again(self, cell: Cell) -> None:
        """Repeat a child's last word behind all news that wait; if it was heard, it is stale by then."""
        word = cell.lost_word(self.life.clock)
        if word is not None:
            self._take_report(word)

    # The end.

    def _close(self) -> None:
        """Stop all children; what else was planned is void."""
        if self._is_closing:
            return
        self._is_closing = True
        self._requests.close(f"{self.life.path} is stopping")
        for cell in self._cells():
            cell.is_finished = False
        self._agenda.clear()
        together = self._policy.stops_together
        self._agenda.begin(plans.shutdown(list(self._family.cells), together=together))

    def _give_up(self, why: str) -> None:
        if self._gives_up is None:
            self._gives_up = why
            self._close()

    def _let_go_of_all(self) -> None:
        """Give up what still runs. The mailboxes stay open: this supervisor may come back with its children.

        Who decides that it won't closes them all; above the root there is nobody to decide.
        """
        is_the_end = self.life.path == ROOT
        with self._lead.held():
            for cell in reversed(self._cells()):
                let_go = cell.lose if is_the_end else cell.cut_off
                self._tell(let_go(self.life.clock))

    # Small words.

    def _cells(self) -> list[Cell]:
        return list(self._family.cells.values())

    def _current(self, child: str, incarnation: int) -> Cell | None:
        """Return the child's cell if the end of that incarnation is still to be noted."""
        cell = self._family.cells.get(child)
        return cell if cell is not None and cell.incarnation == incarnation and cell.is_up else None

    def _finish_with(self, cell: Cell) -> None:
        """Take no more messages for a child that will not come back by itself."""
        self._end_for_good(cell)
        self._requests.has_ended(cell)

    def _end_for_good(self, cell: Cell) -> None:
        self._tell(cell.lose(self.life.clock))
        cell.is_finished = True

    def _tell(self, incidents: Iterable[Incident]) -> None:
        for incident in incidents:
            self._lead.put_off(partial(self._observe, incident))

    def _take_report(self, report: Report) -> None:
        self.life.mailbox.put(Lane.NEWS, report, copy_context())
