"""A budget on a manual clock: asyncio runs as ever, and the clock jumps to the next timer when all wait."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, TypeVar

from wallet_provisioning.clock import ManualClock
from wallet_provisioning.http.circle.budget import Budget, BudgetOptions, Kind, NoTurn, Turn
from wallet_provisioning.supervision.simloop import SimLoop
from wallet_provisioning.telemetry.events import Event

T = TypeVar("T")


@dataclass
class Bench:
    """A budget, its clock and what it told."""

    options: BudgetOptions = field(default_factory=lambda: BudgetOptions(wallets=3, posts=1, gets=4))
    clock: ManualClock = field(default_factory=ManualClock)
    events: list[Event] = field(default_factory=list)
    living: Callable[[], int] | None = None

    def __post_init__(self) -> None:
        self.budget = Budget(self.options, clock=self.clock, emit=self.events.append, living=self.living)

    @property
    def now(self) -> float:
        return self.clock.seconds()

    async def take(self, kind: Kind = Kind.WALLETS, **how: Any) -> Turn:
        turn = await self.budget.take(kind, **how)
        assert isinstance(turn, Turn)
        return turn

    async def call(self, kind: Kind = Kind.WALLETS, *, lasting: float = 0.0, **how: Any) -> float:
        """Take a turn, have the call last so long, and return when it was granted."""
        turn = await self.take(kind, **how)
        granted_at = self.now
        if lasting:
            await asyncio.sleep(lasting)
        turn.went_well()
        return granted_at

    async def sent_away(self, kind: Kind = Kind.WALLETS) -> timedelta:
        answer = await self.budget.take(kind)
        assert isinstance(answer, NoTurn)
        return answer.retry_in

    def run(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        return run_on(self.clock, work())


def run_on(clock: ManualClock, work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end; raises where everything waits for ever."""
    loop = SimLoop(clock)  # type: ignore[abstract] # it has what asyncio's tasks ask for
    task = loop.create_task(work)
    while not task.done():
        if loop.is_ready:
            loop.run_one()
            continue
        step = loop.until_next()
        assert step is not None, "nobody will ever wake up"
        clock.advance(step)
        loop.wake_due()
    assert not loop.broken, loop.broken
    return task.result()
