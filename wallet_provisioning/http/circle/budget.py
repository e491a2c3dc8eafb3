"""How many calls the account may make, over all chains and, with a pool, over all daemons.

Circle counts three kinds apart. Each is a lane: callers wait in a fair queue for a place in a window
that Circle's own can't outgrow (`window`); a 429 closes the gate of all lanes and slows its own down
(`throttle`); in a cluster a place also needs a token of the pool that all daemons share (`cluster`).
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import assert_never

from wallet_provisioning.clock import Clock
from wallet_provisioning.http.circle.cluster import Cluster
from wallet_provisioning.http.circle.lane import GATE_PATIENCE, Lane, NoTurn, Turn
from wallet_provisioning.http.circle.sharing import Count, Pool, alone
from wallet_provisioning.http.circle.throttle import Gate
from wallet_provisioning.telemetry.events import BudgetSlowed, Emit, unheard

__all__ = ["GATE_PATIENCE", "Budget", "BudgetOptions", "Kind", "NoTurn", "Sleep", "Turn"]

Sleep = Callable[[float], Awaitable[object]]


class Kind(StrEnum):
    """What Circle counts apart."""

    WALLETS = "wallets"
    POSTS = "posts"
    GETS = "gets"


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetOptions:
    """Calls allowed per `window` for the whole account."""

    wallets: int = 10
    posts: int = 5
    gets: int = 20
    window: timedelta = timedelta(seconds=1)

    def limit(self, kind: Kind) -> int:
        """Return how many calls of a kind a window allows."""
        match kind:
            case Kind.WALLETS:
                return self.wallets
            case Kind.POSTS:
                return self.posts
            case Kind.GETS:
                return self.gets
        assert_never(kind)


class Budget:
    """The account's allowance. Used on one asyncio loop; made on any thread.

    `pool` is where all daemons' allowance is kept; `count` returns how many daemons live, for the time when
    that is away, and may block. Without a pool `living` returns it, is asked at each call, and must not
    block; a budget without either keeps the whole allowance.
    """

    def __init__(
        self,
        options: BudgetOptions,
        *,
        clock: Clock,
        emit: Emit = unheard,
        pool: Pool | None = None,
        count: Count = alone,
        living: Count | None = None,
    ) -> None:
        """Start with the whole allowance; nothing is asked of the pool."""
        self._clock = clock
        self._emit = emit
        self._gate = Gate()
        window = options.window.total_seconds()
        self._lanes = {
            kind: Lane(kind.value, options.limit(kind), window=window, clock=clock, gate=self._gate)
            for kind in Kind
        }
        for lane in self._lanes.values():
            lane.on_refusal = self._refused
            lane.on_success = self._gate.pass_
        self._cluster = None if pool is None else self._join(pool, count, window=window)
        self._living = living if pool is None else None
        self._daemons = 1

    async def take(
        self, kind: Kind, *, chain: str = "-", size: int = 0, background: bool = False
    ) -> Turn | NoTurn:
        """Return leave for one call of this kind, or none while Circle wants to be left alone for long.

        Callers of a chain are served in the order in which they came, the chains by turns, those in the
        `background` behind all others. Calls of one `size` are expected to take equally long. A caller
        that is cancelled uses nothing up.
        """
        if self._living is not None:
            self.share_between(self._living())
        return await self._lanes[kind].take(chain=chain, size=size, background=background)

    def gate_remaining(self) -> timedelta:
        """Return how long the account makes no call at all."""
        return timedelta(seconds=self._gate.remaining(self._clock.seconds()))

    def waiting(self, kind: Kind) -> int:
        """Return how many calls of a kind wait for their turn. Safe on any thread."""
        return self._lanes[kind].waiting

    def rate(self, kind: Kind) -> float:
        """Return how many calls a second this daemon may make now, 0 while the gate is closed.

        In a cluster that is what all may make together. Safe on any thread.
        """
        return self._lanes[kind].rate()

    def share_between(self, daemons: int) -> None:
        """Keep an equal share of the allowance; 1 takes it all back. Call it on the loop."""
        if daemons == self._daemons:
            return
        self._daemons = daemons
        for lane in self._lanes.values():
            lane.share_between(daemons)

    async def aclose(self) -> None:
        """Let go of the pool. Calls still end in good order."""
        if self._cluster is not None:
            await self._cluster.aclose()

    def _join(self, pool: Pool, count: Count, *, window: float) -> Cluster:
        lanes = {lane.name: lane for lane in self._lanes.values()}
        return Cluster(pool, count, lanes, window=window, gate=self._gate, clock=self._clock, emit=self._emit)

    def _refused(self, lane: Lane, retry_after: float | None) -> None:
        """Close the gate and slow down after a 429."""
        now = self._clock.seconds()
        pause = self._gate.refuse(retry_after, now)
        if lane.pace.halve(lane.full, now, pause=pause):
            rate = lane.pace.limit(lane.full, now)
            self._emit(BudgetSlowed(kind=lane.name, per_second=rate, pause=timedelta(seconds=pause)))
        if self._cluster is not None:
            self._cluster.refused(lane, pause)
        for each in self._lanes.values():
            each.serve()
