"""A world to live in: people who want wallets, a Circle, a database file, and one daemon after another."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import cache
from pathlib import Path
from random import Random
from tempfile import mkdtemp
from typing import TypeAlias
from uuid import UUID

from tests.simulation.circle import SimCircle, Weather
from tests.simulation.daemon import CHAINS, MAX_ATTEMPTS, DaemonParts, SimDaemon
from wallet_provisioning.clock import ManualClock
from wallet_provisioning.store.accepting import JobRequest, accept_job
from wallet_provisioning.store.database import Database
from wallet_provisioning.store.reports import JobFilter, list_jobs
from wallet_provisioning.store.schema import migrate
from wallet_provisioning.store.views import JobView

PATIENCE = timedelta(minutes=30)
_RESTART = timedelta(seconds=2)
_STOPPING = timedelta(minutes=2)
_LAST_STEPS = 500
_NAMES = tuple(chain.name for chain in CHAINS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """Somebody wants wallets at a time; `is_told` where the daemon hears of it at once."""

    at: timedelta
    user_id: UUID
    chains: tuple[str, ...]
    is_told: bool = True


Parts: TypeAlias = Callable[[DaemonParts], DaemonParts]


def as_it_is(parts: DaemonParts) -> DaemonParts:
    """Change nothing of a daemon."""
    return parts


@cache
def _template() -> Path:
    """Return a migrated database without a row; a copy is cheaper than a migration."""
    file = Path(mkdtemp(prefix="simulation-")) / "template.db"
    migrate(f"sqlite:///{file}")
    return file


class World:
    """Everything, from one seed. Leaving it throws the file away."""

    def __init__(
        self,
        seed: int,
        *,
        wishes: int = 2,
        weather: Weather | None = None,
        parts: Parts = as_it_is,
    ) -> None:
        self.seed = seed
        self.clock = ManualClock()
        self.chance = Random(seed)
        self.circle = SimCircle(self.clock, Random(self.chance.getrandbits(64)), weather or Weather())
        self.folder = Path(mkdtemp(prefix="simulation-"))
        shutil.copy(_template(), self.folder / "wallets.db")
        self.url = f"sqlite:///{self.folder / 'wallets.db'}"
        self.outside = Database(self.url, clock=self.clock, pool_size=1)
        self.wishes = self._draw_wishes(wishes)
        self.wanted = {(wish.user_id, chain) for wish in self.wishes for chain in wish.chains}
        self.daemons: list[SimDaemon] = []
        self._parts = parts
        self._seen = (-1, -1)

    def close(self) -> None:
        """Throw everything away."""
        for daemon in self.daemons:
            daemon.die()
        self.outside.close()
        shutil.rmtree(self.folder)

    @property
    def digest(self) -> str:
        """What stands for the order of all events."""
        return "".join(daemon.runtime.digest for daemon in self.daemons)

    @property
    def daemon(self) -> SimDaemon:
        return self.daemons[-1]

    def open(self) -> SimDaemon:
        """Start a daemon on the file."""
        plain = DaemonParts(url=self.url, circle=self.circle, seed=self.chance.getrandbits(64))
        daemon = SimDaemon(self._parts(plain))
        self.daemons.append(daemon)
        daemon.open()
        return daemon

    def step(self) -> None:
        """Let something happen; a daemon whose tree gave up is started again, as a service manager would."""
        while self.wishes and self.wishes[0].at <= self.clock.monotonic():
            self._accept(self.wishes.pop(0))
        self.daemon.runtime.step()
        if self.daemon.has_ended:
            self.daemon.exit()
            self.clock.advance(_RESTART)
            self.open()

    def run(self, until: Callable[[], bool], *, within: timedelta = PATIENCE) -> bool:
        """Let things happen until something holds; return False where it doesn't within that time."""
        end = self.clock.monotonic() + within
        while not until():
            if self.clock.monotonic() > end:
                return False
            self.step()
        return True

    def run_to_the_end(self) -> bool:
        """Let things happen until every wish is granted, or patience ends."""
        return self.run(self.is_over)

    def stop(self) -> bool:
        """Ask the daemon to stop, and let it; return whether its tree ended."""
        daemon = self.daemon
        daemon.root.stop()
        daemon.runtime.run(lambda: daemon.has_ended, within=_STOPPING)
        for _ in range(_LAST_STEPS):
            daemon.runtime.step()
        return daemon.has_ended

    def is_over(self) -> bool:
        """Return whether every wish was made, and every job has ended."""
        seen = sum(daemon.moves for daemon in self.daemons), int(self.clock.seconds() / 10)
        if self.wishes or seen == self._seen:
            return False  # as far as a look into the store could tell
        self._seen = seen
        return all(not job.status.is_unfinished for job in self.jobs())

    def jobs(self) -> tuple[JobView, ...]:
        with self.outside.read() as connection:
            return list_jobs(connection, JobFilter(), limit=200).items

    def settle(self) -> None:
        """Let Circle do whatever is still on its way there."""
        self.clock.advance(timedelta(minutes=2))
        self.circle.catch_up()

    def _accept(self, wish: Wish) -> None:
        request = JobRequest(
            user_id=wish.user_id, chains=wish.chains, source="http", max_attempts=MAX_ATTEMPTS
        )
        with self.outside.write("test", "accept") as tx:
            accept_job(tx, request)
        if wish.is_told:
            self.daemon.hint()
        else:
            self.daemon.ear.hear()

    def _draw_wishes(self, count: int) -> list[Wish]:
        """Let each of some people want all chains, some of them in two steps."""
        wishes = []
        for _ in range(count):
            user_id = UUID(int=self.chance.getrandbits(128), version=4)
            first = Wish(
                at=timedelta(milliseconds=self.chance.randrange(4000)),
                user_id=user_id,
                chains=_NAMES,
                is_told=self.chance.random() < 0.7,
            )
            if self.chance.random() < 0.3:
                later = first.at + timedelta(milliseconds=self.chance.randrange(600))
                wishes.append(replace(first, at=later))
                first = replace(first, chains=_NAMES[:1])
            wishes.append(first)
        return sorted(wishes, key=lambda wish: (wish.at, wish.user_id.int))
