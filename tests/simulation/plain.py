"""A daemon as the settings' defaults make it, on the manual clock, at a Circle of a test's own making.

Where the worlds of `world` hurry, here a minute is a minute: what is measured is what the policies cost, to
the millisecond and the same in every run.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID

from sqlalchemy import event, text

from tests.simulation.circle import Fate, SimCircle, SimWire
from tests.simulation.daemon import SimEar
from tests.simulation.store import hurry
from wallet_provisioning.actors.admission import ChainAdmission
from wallet_provisioning.actors.scheduler import WorkKnown
from wallet_provisioning.actors.shared import Shared
from wallet_provisioning.actors.walletset import WalletSetOptions
from wallet_provisioning.clock import ManualClock
from wallet_provisioning.http.circle.account import Account
from wallet_provisioning.http.circle.budget import Budget, BudgetOptions
from wallet_provisioning.http.circle.calls import Parts
from wallet_provisioning.http.circle.client import CircleClient
from wallet_provisioning.http.circle.protocol import Answer, Call
from wallet_provisioning.jobs.backoff import Backoff
from wallet_provisioning.jobs.chains import Chain, Environment, resolve
from wallet_provisioning.store.accepting import JobRequest, accept_job
from wallet_provisioning.store.database import Database
from wallet_provisioning.store.schema import migrate
from wallet_provisioning.store.stamp import stamp_environment
from wallet_provisioning.supervision.root import Root
from wallet_provisioning.supervision.simulation import SimRuntime
from wallet_provisioning.telemetry.events import Event, JobsClaimed
from wallet_provisioning.tree import Tree, TreeOptions, TreeParts, build_tree

CHAINS: tuple[Chain, ...] = tuple(resolve(name, Environment.TEST) for name in ("ETH", "SOL", "APTOS"))
SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)


@dataclass
class DisturbedCircle(SimCircle):
    """A Circle in which `fate` says what becomes of a call, by the reading of the clock."""

    fate: Callable[[Call, timedelta, Random], Fate] | None = None

    def _draw_fate(self, call: Call) -> Fate:
        return Fate.WELL if self.fate is None else self.fate(call, self.clock.monotonic(), self.chance)


def concerns(call: Call, blockchain: str) -> bool:
    """Return whether a call is about a chain."""
    body: Mapping[str, Any] = call.body or {}
    return blockchain in body.get("blockchains", [dict(call.query).get("blockchain")])


@dataclass(slots=True)
class PlainWorld:
    """A daemon's tree, and what it stands on."""

    clock: ManualClock
    runtime: SimRuntime
    database: Database
    circle: SimCircle
    events: list[Event]
    tree: Tree
    chance: Random

    def ask_at(self, at: timedelta) -> None:
        """Have somebody ask for wallets of all chains, at a reading of the clock."""
        self.runtime.loop.call_at(at.total_seconds(), self._ask)

    def pass_until(self, at: timedelta) -> None:
        """Let all happen until a reading of the clock."""
        assert self.runtime.run(lambda: self.clock.monotonic() >= at, within=at)

    def claims(self) -> int:
        """Return how many jobs were claimed, each as often as it was."""
        return sum(each.count for each in self.events if isinstance(each, JobsClaimed))

    def statuses(self) -> dict[str, int]:
        """Count the jobs by their status."""
        rows = self.rows("SELECT status, count(*) FROM wallet_provisioning_jobs GROUP BY 1 ORDER BY 1")
        return dict(rows)

    def attempts(self) -> dict[int, int]:
        """Count the jobs by the attempts that they have used."""
        rows = self.rows("SELECT attempt_count, count(*) FROM wallet_provisioning_jobs GROUP BY 1 ORDER BY 1")
        return dict(rows)

    def assert_all_done(self, jobs: int) -> None:
        """Every job is completed, with one wallet for each chain at Circle."""
        assert self.statuses() == {"completed": jobs}
        counts: Counter[tuple[str, str]] = self.circle.counts()
        assert len(counts) == jobs * len(CHAINS)
        assert set(counts.values()) == {1}

    def rows(self, statement: str, **values: object) -> list[tuple[Any, ...]]:
        """Run a statement on the store."""
        with self.database.read() as connection:
            return [tuple(row) for row in connection.execute(text(statement), values)]

    def _ask(self) -> None:
        user_id = UUID(int=self.chance.getrandbits(128), version=4)
        request = JobRequest(user_id=user_id, chains=tuple(chain.name for chain in CHAINS), source="http")
        with self.database.write("test", "accept") as tx:
            accept_job(tx, request)
        self.tree.scheduler.tell(WorkKnown())


@contextmanager
def open_plain(
    folder: Path, fate: Callable[[Call, timedelta, Random], Fate], seed: int = 0
) -> Iterator[PlainWorld]:
    """A daemon that has just started, at a Circle whose calls have these fates."""
    url = f"sqlite:///{folder / 'wallets.db'}"
    migrate(url)
    clock, chance = ManualClock(), Random(seed)
    events: list[Event] = []
    runtime = SimRuntime(seed, clock=clock)
    database = Database(url, clock=clock, emit=events.append)
    event.listen(database._engine, "connect", hurry)
    circle = DisturbedCircle(clock, Random(seed), fate=fate)
    shared = Shared()
    account = Account(
        base_url="http://localhost", api_key="TEST_API_KEY:simulated:simulated", entity_secret="c0ffee00" * 8
    )
    client = CircleClient(
        account,
        clock=clock,
        budget=Budget(BudgetOptions(), clock=clock),
        emit=events.append,
        parts=Parts(wire=_Wire(circle, frozenset())),
    )
    parts = TreeParts(
        database=database,
        client=client,
        chains=CHAINS,
        admissions={chain.name: ChainAdmission(chain.name, shared) for chain in CHAINS},
        ear=SimEar(),
        consumer=None,
        clock=clock,
        chance=chance,
        emit=events.append,
        shared=shared,
    )
    tree = build_tree(parts, _options())
    root = Root(tree.root, runtime=runtime, clock=clock, on_end=_ended)
    with database.write("daemon", "stamp_environment") as tx:
        stamp_environment(tx, "test", None)
    root.start()
    try:
        yield PlainWorld(clock, runtime, database, circle, events, tree, chance)
    finally:
        runtime.close()
        database.close()


class _Wire(SimWire):
    """Carries calls without asking for whom."""

    async def send(self, call: Call, *, chain: str, headers: dict[str, str]) -> Answer:
        del chain, headers
        return await self.circle.exchange(call)


def _options() -> TreeOptions:
    """Return the settings' defaults."""
    return TreeOptions(
        holder=UUID(int=1, version=4),
        max_concurrency=5,
        batch_size=10,
        poll_interval=30 * SECOND,
        lease=30 * SECOND,
        job_timeout=2 * MINUTE,
        replay_window=10 * MINUTE,
        include_retries=True,
        backoff=Backoff(),
        drain=MINUTE,
        wallet_set=WalletSetOptions(environment="test", name="simulated", named=None),
    )


def _ended(reason: str | None) -> None:
    msg = f"the tree ended: {reason}"
    raise AssertionError(msg)
