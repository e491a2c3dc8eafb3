"""What a step means for one child: a pause, a start, a stop."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import assert_never

from wallet_provisioning.supervision.child import Cell, Family
from wallet_provisioning.supervision.leading import Leadership
from wallet_provisioning.supervision.life import Life, Report
from wallet_provisioning.supervision.orders import DrainOver, PauseOver, SupervisorMessage
from wallet_provisioning.supervision.plans import Plan, Step, Verb
from wallet_provisioning.supervision.snapshot import ChildState


class Steps:
    """Carries out steps for one supervisor, on its thread and while it holds the family.

    `later` sets its timers, `hear` takes what its children report.
    """

    def __init__(
        self,
        life: Life,
        family: Family,
        lead: Leadership,
        *,
        later: Callable[[timedelta, SupervisorMessage], object],
        hear: Callable[[Report], None],
    ) -> None:
        """Name the supervisor's life, and what it holds."""
        self._life = life
        self._family = family
        self._lead = lead
        self._later = later
        self._hear = hear

    def act(self, plan: Plan, step: Step, child: str) -> bool:
        """Do a child's part of a step; return whether it is done already."""
        cell = self._family.cells[child]
        match step.verb:
            case Verb.PAUSE:
                self._later(step.delay, PauseOver(plan=plan))
                return False
            case Verb.START:
                return self._start(cell)
            case Verb.STOP:
                return self._stop(cell)
            case _:
                assert_never(step.verb)

    def _start(self, cell: Cell) -> bool:
        """Start a child, unless a predecessor did and it runs or is about to."""
        if cell.is_up and cell.has_begun():
            return cell.state is ChildState.RUNNING
        life = cell.prepare(self._life.runtime, self._life.clock, self._hear)
        self._lead.put_off(partial(self._launch, cell, life))
        return False

    def _launch(self, cell: Cell, life: Life) -> None:
        try:
            self._life.runtime.launch(cell.spec.recipe, life)
            life.port.is_launched = True
        except Exception as error:  # noqa: BLE001 - a constructor's error is the child's, not ours
            life.report(cell.failed_to_start(life, error))

    def _stop(self, cell: Cell) -> bool:
        if not cell.is_up:
            cell.state = ChildState.STOPPED
            return True
        cell.ask_to_stop(at_once=False)
        timer = DrainOver(child=cell.spec.id, incarnation=cell.incarnation, is_last=False)
        self._later(cell.spec.drain, timer)
        return False
