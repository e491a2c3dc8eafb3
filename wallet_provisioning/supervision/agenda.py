"""The plans that are under way, and how they go on. It decides nothing and touches no child."""

from collections.abc import Callable, Collection
from dataclasses import dataclass

from wallet_provisioning.supervision.plans import Plan, Step, Verb


@dataclass(frozen=True, slots=True, kw_only=True)
class Dropped:
    """What plans that were dropped would still have started, and whether a boot was among them."""

    starts: frozenset[str]
    is_boot: bool


_NOTHING = Dropped(starts=frozenset(), is_boot=False)


class Agenda:
    """Plans side by side. `act` does a child's part of a step and returns whether it is done already.

    Not safe on several threads: it belongs to one supervisor.
    """

    def __init__(self, act: Callable[[Plan, Step, str], bool]) -> None:
        """Start with nothing to do."""
        self._act = act
        self._plans: list[Plan] = []

    @property
    def is_booting(self) -> bool:
        """Whether a boot is under way."""
        return any(plan.is_boot for plan in self._plans)

    def boots(self, child: str) -> bool:
        """Return whether a boot waits for that child's start just now."""
        return any(plan.is_boot and plan.names(child, Verb.START) for plan in self._plans)

    def will_start(self, child: str) -> bool:
        """Return whether the child is still to be started by some plan."""
        return any(child in plan.starts() for plan in self._plans)

    def begin(self, plan: Plan) -> None:
        """Take up a plan."""
        self._plans.append(plan)
        self._carry_out(plan)

    def done(self, child: str, verb: Verb) -> bool:
        """Go on with every plan that waited for this; return whether one did."""
        waited = [plan for plan in self._plans if plan.done(child, verb)]
        for plan in waited:
            self._go_on(plan)
        return bool(waited)

    def pause_over(self, plan: Plan) -> None:
        """Go on after a pause, unless the plan was dropped meanwhile."""
        step = plan.current
        if plan in self._plans and step is not None and step.verb is Verb.PAUSE:
            step.open.clear()
            self._go_on(plan)

    def forget(self, child: str) -> None:
        """Do nothing more with a child; what is planned for others goes on."""
        for plan in [plan for plan in self._plans if plan.concerns(child)]:
            plan.forget(child)
            self._go_on(plan)

    def drop(self, children: Collection[str]) -> Dropped:
        """Drop every plan that still concerns one of the children; who drops it must take it up anew."""
        if not self._plans:
            return _NOTHING
        dropped = [plan for plan in self._plans if any(plan.concerns(child) for child in children)]
        self._plans = [plan for plan in self._plans if plan not in dropped]
        starts = frozenset[str]().union(*(plan.starts() for plan in dropped))
        return Dropped(starts=starts, is_boot=any(plan.is_boot for plan in dropped))

    def clear(self) -> None:
        """Drop all plans."""
        self._plans = []

    def _go_on(self, plan: Plan) -> None:
        """Take up the next step if the one under way is done."""
        if plan in self._plans and plan.current is not None and not plan.current.open:
            plan.steps.popleft()
            self._carry_out(plan)

    def _carry_out(self, plan: Plan) -> None:
        """Take up one step after the other, as far as they are done at once."""
        while (step := plan.current) is not None:
            for child in sorted(step.open):  # a set's own order differs from run to run
                if self._act(plan, step, child):
                    step.open.discard(child)
            if step.open:
                return
            plan.steps.popleft()
        self._plans.remove(plan)
