"""A daemon in a simulation: the production tree, client and store, on the manual clock and one thread."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from random import Random
from uuid import UUID

from tests.simulation.circle import READ_TIMEOUT, SimCircle, SimWire
from tests.simulation.store import Mishap, SimDatabase, nothing_happens
from wallet_provisioning.actors.admission import ChainAdmission
from wallet_provisioning.actors.calls import CircleCalls
from wallet_provisioning.actors.scheduler import WorkKnown
from wallet_provisioning.actors.walletset import WalletSetOptions
from wallet_provisioning.http.circle.account import Account, Timeouts
from wallet_provisioning.http.circle.budget import Budget, BudgetOptions
from wallet_provisioning.http.circle.calls import Parts
from wallet_provisioning.http.circle.client import CircleClient
from wallet_provisioning.jobs.backoff import Backoff
from wallet_provisioning.jobs.chains import Chain, Environment, resolve
from wallet_provisioning.store.claims import hand_back_all, rescue_orphans
from wallet_provisioning.store.stamp import stamp_environment
from wallet_provisioning.supervision.root import Root
from wallet_provisioning.supervision.simfaults import Faults, no_faults
from wallet_provisioning.supervision.simulation import SimRuntime
from wallet_provisioning.telemetry.events import Event, JobMoved
from wallet_provisioning.tree import Tree, TreeOptions, TreeParts, build_tree

CHAINS: tuple[Chain, ...] = tuple(resolve(name, Environment.TEST) for name in ("ETH", "SOL"))
MAX_ATTEMPTS = 60
_LOOK = 1.0
_SECOND = timedelta(seconds=1)


def tree_options(holder: UUID) -> TreeOptions:
    """Return settings with which a simulated minute shows what takes the real system half an hour."""
    return TreeOptions(
        holder=holder,
        max_concurrency=3,
        batch_size=3,
        poll_interval=10 * _SECOND,
        lease=12 * _SECOND,
        job_timeout=40 * _SECOND,
        replay_window=60 * _SECOND,
        include_retries=True,
        backoff=Backoff(base=_SECOND, maximum=8 * _SECOND),
        drain=20 * _SECOND,
        wallet_set=WalletSetOptions(environment="test", name="simulated", named=None),
        retry_configuration=5 * _SECOND,
    )


class SimEar:
    """Hears what the world says; what is said while nobody waits is heard by the next who does."""

    def __init__(self) -> None:
        self._waiting: asyncio.Future[None] | None = None
        self._has_heard = False

    async def next(self) -> None:
        self._waiting = asyncio.get_running_loop().create_future()
        if self._has_heard:
            self.hear()
        await self._waiting

    def hear(self) -> None:
        self._has_heard = self._waiting is None or self._waiting.done()
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)


@dataclass(frozen=True, slots=True, kw_only=True)
class DaemonParts:
    """What a daemon of the simulation stands on.

    `client`, `with_client` and `with_tree` let a test plant a bug. `is_alone`: it has the file for itself,
    as the lock on an SQLite file sees to; else it behaves as one of several on PostgreSQL.
    """

    url: str
    circle: SimCircle
    seed: int
    faults: Faults = no_faults
    lag: float = 0.0
    mishap: Mishap = nothing_happens
    is_alone: bool = True
    client: type[CircleClient] = CircleClient
    with_client: Callable[[CircleCalls], CircleCalls] = lambda client: client
    with_tree: Callable[[Tree], Tree] = lambda tree: tree


@dataclass(slots=True)
class _Ends:
    reasons: list[str | None] = field(default_factory=list)


class SimDaemon:
    """One process. It does nothing by itself: `runtime.step` is its time."""

    def __init__(self, parts: DaemonParts) -> None:
        clock = parts.circle.clock
        chance = Random(parts.seed)
        self.holder = UUID(int=chance.getrandbits(128), version=4)
        self.runtime = SimRuntime(parts.seed, clock=clock, faults=parts.faults, lag=parts.lag)
        self.events: list[Event] = []
        self.moves = 0
        self.database = SimDatabase(
            parts.url,
            clock=clock,
            emit=self.emit,
            holder=self.holder,
            effects=self.runtime.effects,
            mishap=parts.mishap,
        )
        self._is_alone = parts.is_alone
        self.ear = SimEar()
        self._ends = _Ends()
        self.tree = parts.with_tree(self._build(parts, chance))
        self.root = Root(self.tree.root, runtime=self.runtime, clock=clock, on_end=self._ends.reasons.append)

    @property
    def has_ended(self) -> bool:
        return bool(self._ends.reasons)

    @property
    def reason(self) -> str | None:
        """Why the tree gave up, None after a stop that was asked for."""
        (reason,) = self._ends.reasons
        return reason

    def emit(self, event: Event) -> None:
        """Keep what is stated; `moves` counts those that may have ended a job."""
        self.events.append(event)
        self.moves += sum(isinstance(each, JobMoved) for each in event.each())

    def open(self) -> None:
        """Do what `daemon.opening` does, then start the tree."""
        with self.database.write("daemon", "stamp_environment") as tx:
            stamp_environment(tx, "test", None)
        if self._is_alone:
            with self.database.write("daemon", "rescue_orphans") as tx:
                rescue_orphans(tx)
        self.root.start()
        self._watch()

    def hint(self) -> None:
        """Say that a job was accepted in this process."""
        self.tree.scheduler.tell(WorkKnown())

    def exit(self) -> None:
        """Do what an orderly end does after the tree has ended."""
        with self.database.write("daemon", "hand_back_all") as tx:
            hand_back_all(tx, holder=self.holder)
        self.die()

    def die(self) -> None:
        """Be gone from one moment to the next."""
        self.runtime.close()
        self.database.close()

    def _build(self, parts: DaemonParts, chance: Random) -> Tree:
        clock = parts.circle.clock
        account = Account(
            base_url="http://localhost",
            api_key="TEST_API_KEY:simulated:simulated",
            entity_secret="c0ffee00" * 8,
            timeouts=Timeouts(read=READ_TIMEOUT),
        )
        client = parts.client(
            account,
            clock=clock,
            budget=Budget(BudgetOptions(), clock=clock),
            emit=self.emit,
            parts=Parts(wire=SimWire(parts.circle, self.database.held)),
        )
        tree_parts = TreeParts(
            database=self.database,
            client=parts.with_client(client),
            chains=CHAINS,
            admissions={chain.name: ChainAdmission(chain.name) for chain in CHAINS},
            ear=self.ear,
            consumer=None,
            clock=clock,
            chance=chance,
            emit=self.emit,
            make_mailbox=self.runtime.make_mailbox,
        )
        return build_tree(tree_parts, tree_options(self.holder))

    def _watch(self) -> None:
        self.root.look()
        self.runtime.loop.call_later(_LOOK, self._watch)
