"""How this daemon takes its part of the account's allowance out of the pool of all daemons.

While calls wait, one task asks the pool, at most every few milliseconds and, with calls waiting, at least
every tenth of a second. With the pool away every daemon keeps to its share of the limit, after a pause in
which what was granted before leaves Circle's window. Once a second it looks whether the pool is back; then
it tells it of every call that still counts, and takes its calls from there again.
"""

import asyncio
from collections.abc import Mapping
from datetime import timedelta

from wallet_provisioning.clock import Clock
from wallet_provisioning.http.circle.lane import Lane
from wallet_provisioning.http.circle.sharing import VALIDITY, Count, Grant, Pool
from wallet_provisioning.http.circle.throttle import Gate
from wallet_provisioning.telemetry.events import BudgetShared, BudgetSplit, Emit

_SHORTEST, _LONGEST = 0.005, 0.1
_LOOK_EVERY = 1.0
_COUNT_EVERY = 5.0


class Cluster:
    """Joins the lanes of one daemon to a pool. Lives on their loop."""

    def __init__(
        self,
        pool: Pool,
        count: Count,
        lanes: Mapping[str, Lane],
        *,
        window: float,
        gate: Gate,
        clock: Clock,
        emit: Emit,
    ) -> None:
        """Assign; the pool is taken to be there until it is not. `count` may block."""
        self._pool = pool
        self._count = count
        self._lanes = lanes
        self._window = window
        self._gate = gate
        self._clock = clock
        self._emit = emit
        self._task: asyncio.Task[None] | None = None
        self._changed = asyncio.Event()
        self._refused: dict[str, float] = {}
        self._epoch: str | None = None
        self._lost_at: float | None = None
        self._look_at = 0.0
        self._is_split_told = False
        self._daemons = 1
        self._counting: asyncio.Task[None] | None = None
        self._count_at = float("-inf")
        self._is_closing = False
        for lane in lanes.values():
            lane.needs_tokens = True
            lane.nudge = self.nudge

    def nudge(self) -> None:
        """Something is wanted of the pool, or to be told to it."""
        self._changed.set()
        if self._is_closing or self._task is not None:
            return
        if self._lost_at is None or self._clock.seconds() >= self._look_at:
            self._task = asyncio.get_running_loop().create_task(self._run())
            self._task.add_done_callback(self._ended)

    def refused(self, lane: Lane, pause: float) -> None:
        """Tell the others of a 429."""
        self._refused[lane.name] = pause
        self.nudge()

    async def aclose(self) -> None:
        """Ask no more, and close the pool."""
        self._is_closing = True
        tasks = [task for task in (self._task, self._counting) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._pool.aclose()

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._task = None
        if not task.cancelled() and (error := task.exception()) is not None:
            raise error
        if self._changed.is_set():
            self.nudge()

    async def _run(self) -> None:
        self._recount()
        if self._lost_at is not None:
            await self._look()
        while self._lost_at is None:
            self._changed.clear()
            self._recount()
            delay = await self._ask_for_all()
            if delay is None:
                return
            await self._rest(delay)

    async def _rest(self, delay: float) -> None:
        """Wait, or until something new is wanted."""
        await asyncio.sleep(_SHORTEST)
        try:
            async with asyncio.timeout(delay):
                await self._changed.wait()
        except TimeoutError:
            return

    async def _ask_for_all(self) -> float | None:
        """Ask for what each kind needs; return when to ask again, None where nothing is open."""
        delays = []
        for lane in self._lanes.values():
            if not (lane.wants() or lane.reports or lane.name in self._refused):
                continue
            grant = await self._ask(lane, want=lane.wants())
            if grant is None:
                self._lose()
                return None
            lane.serve()
            if lane.wants():
                delays.append(min(max(grant.retry_in, _SHORTEST), _LONGEST))
        if not delays and any(lane.waiting or lane.reports for lane in self._lanes.values()):
            return _LONGEST
        return min(delays, default=None)

    async def _ask(self, lane: Lane, *, want: int) -> Grant | None:
        asked_at = self._clock.seconds()
        told, refused = dict(lane.reports), self._refused.get(lane.name)
        grant = await self._pool.exchange(
            lane.name,
            limit=lane.full,
            want=want,
            daemons=self._daemons,
            frees=[(token, place.free_at - asked_at) for token, place in told.items()],
            refused=refused,
        )
        if grant is None:
            return None
        for token, place in told.items():
            if lane.reports.get(token) is place:
                del lane.reports[token]
        if self._refused.get(lane.name) == refused:
            self._refused.pop(lane.name, None)
        self._follow(lane, grant, asked_at)
        return grant

    def _follow(self, lane: Lane, grant: Grant, asked_at: float) -> None:
        """Do as the pool says, and tell it everything where it has forgotten."""
        now = self._clock.seconds()
        self._gate.close_until(now + grant.gate if grant.gate else 0.0)
        lane.pace.follow(grant.share, now, pause=grant.gate)
        lane.grant(list(grant.tokens), asked_at=asked_at)
        if self._epoch not in {None, grant.epoch}:
            for each in self._lanes.values():
                each.report_all()
        self._epoch = grant.epoch

    # With the pool away.

    def _lose(self) -> None:
        now = self._clock.seconds()
        self._lost_at = now
        self._look_at = now + _LOOK_EVERY
        self._count_at = now
        self._recount()
        for lane in self._lanes.values():
            lane.needs_tokens = False
            lane.drop_tokens()
            lane.quiet_until = 0.0 if self._epoch is None else now + self._window + VALIDITY
            lane.share_between(self._daemons)
        self._is_split_told = False
        self._serve_all()

    async def _look(self) -> None:
        """See whether the pool is back, and join it again."""
        self._look_at = self._clock.seconds() + _LOOK_EVERY
        for lane in self._lanes.values():
            lane.report_all()
            if await self._ask(lane, want=0) is None:
                return
        lost_at, self._lost_at = self._lost_at or 0.0, None
        for lane in self._lanes.values():
            lane.needs_tokens = True
            lane.share_between(1)
            lane.report_all()
        self._emit(BudgetShared(after=timedelta(seconds=self._clock.seconds() - lost_at)))
        self._serve_all()

    def _recount(self) -> None:
        """See how many daemons there are, now and then, and without waiting for it."""
        now = self._clock.seconds()
        if self._counting is None and now >= self._count_at:
            self._count_at = now + (_COUNT_EVERY if self._lost_at is None else _LOOK_EVERY)
            self._counting = asyncio.get_running_loop().create_task(self._take_count())

    async def _take_count(self) -> None:
        try:
            self._daemons = max(1, await asyncio.to_thread(self._count))
        finally:
            self._counting = None
        if self._lost_at is None:
            return
        for lane in self._lanes.values():
            lane.share_between(self._daemons)
        if not self._is_split_told:
            self._is_split_told = True
            self._emit(BudgetSplit(daemons=self._daemons))
        self._serve_all()

    def _serve_all(self) -> None:
        for lane in self._lanes.values():
            lane.serve()
