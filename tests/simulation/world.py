"""A world to live in: people who want wallets, a Circle, a database file, and the daemons that use it."""

import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import cache
from pathlib import Path
from random import Random
from tempfile import mkdtemp
from typing import TypeAlias
from uuid import UUID

from sqlalchemy import select

from tests.simulation.circle import Fate, SimCircle, Weather
from tests.simulation.daemon import CHAINS, MAX_ATTEMPTS, DaemonParts, SimDaemon
from wallet_provisioning.clock import ManualClock
from wallet_provisioning.http.circle.breaker import BreakerState
from wallet_provisioning.jobs.moves import retry_now
from wallet_provisioning.jobs.states import JobStatus
from wallet_provisioning.store.accepting import JobRequest, accept_job
from wallet_provisioning.store.database import Database
from wallet_provisioning.store.moves import move_by_operator
from wallet_provisioning.store.reports import JobFilter, list_jobs
from wallet_provisioning.store.schema import migrate
from wallet_provisioning.store.tables import jobs
from wallet_provisioning.store.views import JobView
from wallet_provisioning.telemetry.events import BreakerChanged

PATIENCE = timedelta(hours=3)  # a breaker waits longer and longer, and a schedule ends with its last call
_RESTART = timedelta(seconds=2)
_STOPPING = timedelta(minutes=2)
_STRIDE = timedelta(seconds=1)
_LAST_STEPS = 500
_MOST_RETRIES = 5
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
    """Everything, from one seed. Leaving it throws the file away.

    `size` daemons are up, unless one has just ended or was killed: a service manager starts it again
    after a pause. A single one has the file for itself; several share it as they share a PostgreSQL.
    """

    def __init__(
        self,
        seed: int,
        *,
        wishes: int = 2,
        weather: Weather | None = None,
        parts: Parts = as_it_is,
        size: int = 1,
        lag: float = 0.0,
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
        self.asked = len(self.wishes)
        self.wanted = {(wish.user_id, chain) for wish in self.wishes for chain in wish.chains}
        self.daemons: list[SimDaemon] = []
        self.up: list[SimDaemon] = []
        self.blows: Counter[str] = Counter()
        self._size = size
        self._lag = lag
        self._parts = parts
        self._coming: list[timedelta] = []
        self._frozen: dict[UUID, timedelta] = {}
        self._leaving: SimDaemon | None = None
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
        """The one that was started last."""
        return self.daemons[-1]

    def open(self) -> None:
        """Start all daemons."""
        while len(self.up) < self._size:
            self._open_one()

    def is_whole(self) -> bool:
        """Return whether every daemon is up, and none stands still."""
        return not self._coming and not self._frozen

    # Time.

    def step(self) -> None:
        """Let something happen; a daemon whose tree gave up is started again, as a service manager would."""
        self._open_due()
        if not self.up:
            self._jump()
            return
        self._grant_wishes()
        if self._size == 1 and self.is_whole():
            self.up[0].runtime.step()
        else:
            self._step_one()
        for daemon in tuple(self.up):
            if daemon is not self._leaving and (daemon.has_ended or daemon.runtime.has_died):
                self._replace(daemon)

    def run(self, until: Callable[[], bool], *, within: timedelta = PATIENCE) -> bool:
        """Let things happen until something holds; return False where it doesn't within that time."""
        end = self.clock.monotonic() + within
        while not until():
            if self.clock.monotonic() > end:
                return False
            self.step()
        return True

    def run_to_the_end(self) -> bool:
        """Let things happen until every wish is granted, or patience ends.

        A job that failed since Circle answered wrongly waits for a person; one comes by.
        """
        for _ in range(_MOST_RETRIES):
            if not self.run(self.is_over):
                return False
            failed = [job for job in self.jobs() if job.status is JobStatus.FAILED]
            if not failed or not self.circle.fates[Fate.WRONG]:
                return True
            self._seen = (-1, -1)
            for job in failed:
                self.blows["operator's retry"] += 1
                with self.outside.write("admin", "retry_job") as tx:
                    move_by_operator(tx, retry_now(job.id))
        return True

    def _step_one(self) -> None:
        """Let one of several daemons do something; where none can, let time pass."""
        awake = [daemon for daemon in self.up if daemon.holder not in self._frozen]
        busy = [daemon for daemon in awake if daemon.runtime.is_busy()]
        if not busy:
            self._jump()
        elif self._lag and self.chance.random() < self._lag:
            until = self.clock.seconds() + _STRIDE.total_seconds()
            if not any(daemon.runtime.keeps_waiting(until) for daemon in awake):
                self.clock.advance(min(self._until_next() or _STRIDE, _STRIDE))
        else:
            self.chance.choice(busy).runtime.step()

    def _jump(self) -> None:
        self.clock.advance(self._until_next() or _STRIDE)
        self._thaw()

    def _until_next(self) -> timedelta | None:
        now = self.clock.monotonic()
        awake = (daemon for daemon in self.up if daemon.holder not in self._frozen)
        waits = [wait for daemon in awake if (wait := daemon.runtime.loop.until_next()) is not None]
        waits += [max(at - now, timedelta.resolution) for at in (*self._coming, *self._frozen.values())]
        return min(waits, default=None)

    def _thaw(self) -> None:
        now = self.clock.monotonic()
        self._frozen = {holder: until for holder, until in self._frozen.items() if until > now}

    # What befalls daemons.

    def kill(self, daemon: SimDaemon, pause: timedelta) -> None:
        """End a daemon from one moment to the next, as `kill -9` does; another is started after a pause."""
        self.blows["daemon killed"] += 1
        daemon.die()
        self._remove(daemon, pause)

    def freeze(self, daemon: SimDaemon, lasts: timedelta) -> None:
        """Let a daemon stand still for some time, as between SIGSTOP and SIGCONT."""
        self.blows["daemon stands still"] += 1
        self._frozen[daemon.holder] = self.clock.monotonic() + lasts

    def stop(self, daemon: SimDaemon | None = None, pause: timedelta | None = None) -> bool:
        """Ask a daemon to stop, and let it; return whether its tree ended.

        It stays to be looked at, until it is made to `exit`. Another is started after `pause`, if any.
        """
        daemon = daemon or self.daemon
        self._leaving = daemon
        self._frozen.pop(daemon.holder, None)
        daemon.root.stop()
        self.run(lambda: daemon.has_ended or daemon.runtime.has_died, within=_STOPPING)
        for _ in range(_LAST_STEPS):
            daemon.runtime.step()
        self._leaving = None
        self._remove(daemon, pause)
        return daemon.has_ended

    def _replace(self, daemon: SimDaemon) -> None:
        if daemon.runtime.has_died:
            daemon.die()
        else:
            daemon.exit()
        self._remove(daemon, _RESTART)

    def _remove(self, daemon: SimDaemon, pause: timedelta | None) -> None:
        self.up = [each for each in self.up if each is not daemon]
        self._frozen.pop(daemon.holder, None)
        if pause is not None:
            self._coming.append(self.clock.monotonic() + pause)

    def _open_due(self) -> None:
        now = self.clock.monotonic()
        due = [at for at in self._coming if at <= now]
        self._coming = [at for at in self._coming if at > now]
        for _ in due:
            self._open_one()
        self._thaw()

    def _open_one(self) -> None:
        plain = DaemonParts(
            url=self.url,
            circle=self.circle,
            seed=self.chance.getrandbits(64),
            is_alone=self._size == 1,
            lag=self._lag if self._size == 1 else 0.0,
        )
        daemon = SimDaemon(self._parts(plain))
        self.daemons.append(daemon)
        self.up.append(daemon)
        daemon.open()

    # What is seen from outside.

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

    def jobs_held_by(self, holder: UUID) -> list[UUID]:
        held = select(jobs.c.id).where(jobs.c.lease_holder == holder)
        with self.outside.read() as connection:
            return list(connection.execute(held).scalars())

    def settle(self) -> None:
        """Let Circle do whatever is still on its way there."""
        self.clock.advance(timedelta(minutes=2))
        self.circle.catch_up()

    def befell(self) -> Counter[str]:
        """Return how often each kind of fault has struck."""
        found = Counter(self.blows)
        for daemon in self.daemons:
            found.update({f"actor {name}": count for name, count in daemon.runtime.effects.struck.items()})
            found.update({f"store {name}": count for name, count in daemon.database.troubles.items()})
            changes = [event for event in daemon.events if isinstance(event, BreakerChanged)]
            found["breaker opened"] += sum(change.after == BreakerState.OPEN for change in changes)
        found.update({f"circle {fate}": count for fate, count in self.circle.fates.items()})
        found["circle 156020"] += self.circle.refused_keys
        return +(found - Counter({f"circle {Fate.WELL}": found[f"circle {Fate.WELL}"]}))

    # Wishes.

    def _grant_wishes(self) -> None:
        while self.wishes and self.wishes[0].at <= self.clock.monotonic():
            self._accept(self.wishes.pop(0))

    def _accept(self, wish: Wish) -> None:
        request = JobRequest(
            user_id=wish.user_id, chains=wish.chains, source="http", max_attempts=MAX_ATTEMPTS
        )
        with self.outside.write("test", "accept") as tx:
            accept_job(tx, request)
        told = self.chance.choice(self.up) if wish.is_told and self._size > 1 else self.daemon
        if wish.is_told:
            told.hint()
        for daemon in self.up:
            if not wish.is_told or daemon is not told:
                daemon.ear.hear()

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
