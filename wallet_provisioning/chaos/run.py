"""A run of chaos from its first start to the facts: warm up, storm, drain, look, stop."""

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any

from wallet_provisioning.chaos import gather, proc
from wallet_provisioning.chaos.calls import Api, CallError
from wallet_provisioning.chaos.errors import NotStartedError
from wallet_provisioning.chaos.facts import ActorFact, Facts, Vitals
from wallet_provisioning.chaos.load import Load
from wallet_provisioning.chaos.options import ChaosOptions
from wallet_provisioning.chaos.plan import draw_plan
from wallet_provisioning.chaos.striker import Striker
from wallet_provisioning.chaos.victim import Victim
from wallet_provisioning.clock import Clock

_ROOT = "/"
_TICK = 0.25
_WARM_UP_JOBS = 6
_AT_ONCE = 32
_STEADY, _MOST_ROUNDS = 4, 20
_CHAINS = ("ETH", "SOL", "APTOS")
# Longer than a job's longest way back: the deadline of a message, a lease, a whole attempt.
_PATIENCE = timedelta(minutes=4)
_ORPHANS_END = timedelta(seconds=10)


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Where a run stands. `share` is that of the present phase, None where nobody knows."""

    phase: str
    share: float | None
    accepted: int
    unfinished: int
    kills: int
    processes: int
    sandboxes: int


class Run:
    """One run. `make` belongs to the caller's thread; ordering and striking have threads of their own."""

    def __init__(
        self,
        options: ChaosOptions,
        *,
        folder: Path,
        clock: Clock,
        tell: Callable[[Progress], None],
        early: threading.Event,
    ) -> None:
        """Take an empty folder. `early` ends the storm, never the audit."""
        self._options = options
        self._folder = folder
        self._clock = clock
        self._tell = tell
        self._early = early
        self._calm = threading.Event()
        self._never = threading.Event()
        self._victim = Victim(folder)
        self._api = Api(lambda: self._victim.url)
        self._load = Load(
            self._api,
            chance=Random(f"load {options.seed}"),  # noqa: S311 - a seed must mean the same run
            clock=clock,
            is_hopeless=lambda: self._victim.fall() is not None,
        )
        self._striker = Striker(self._api, self._victim, clock)
        self._unfinished = 0
        self._falls: list[str] = []
        self._troubles: list[str] = []
        self._actors: list[dict[str, Any]] = []

    def make(self) -> Facts:
        """Make the run and return its facts; raises a `ChaosError` if nothing could be struck at all."""
        proc.require()
        try:
            self._victim.start()
            before = self._rest("warming up")
            if not self._has_fallen():
                self._storm()
                self._settle()
            after = self._rest("draining")
            return self._end(before, after)
        finally:
            self._victim.close()

    # The phases.

    def _rest(self, phase: str) -> Vitals | None:
        """Exercise the daemon until every pool is full, let all jobs end, and look at it."""
        for _ in range(_WARM_UP_JOBS):
            self._load.order()
        self._drain(phase)
        if self._has_fallen():
            return None
        self._exercise()
        return None if self._has_fallen() else proc.vitals(self._victim.pid)

    def _storm(self) -> None:
        paths = [actor["path"] for actor in self._actors if actor["path"] != _ROOT]
        chance = Random(f"strikes {self._options.seed}")  # noqa: S311 - a seed must mean the same run
        plan = draw_plan(self._options.length, paths, chance)
        with ThreadPoolExecutor(2) as pool:
            try:
                working = [
                    pool.submit(self._load.run, self._options.rate, self._calm),
                    pool.submit(self._striker.run, plan, self._calm),
                ]
                self._watch_storm()
            finally:
                self._calm.set()
        self._join(working)

    def _watch_storm(self) -> None:
        start, length = self._clock.monotonic(), self._options.length
        while (passed := self._clock.monotonic() - start) < length and not self._has_fallen():
            self._look("storming", passed / length)
            if self._early.wait(_TICK):
                return

    def _settle(self) -> None:
        """Wait until every kill has worked; a hang takes as long as a message's deadline."""
        end = self._clock.monotonic() + _PATIENCE
        while not self._striker.is_settled() and not self._has_fallen() and self._clock.monotonic() < end:
            self._look("settling", None)
            self._never.wait(_TICK)

    def _drain(self, phase: str) -> None:
        """Wait until no job is unfinished, or none has ended for so long that none will."""
        least, end = None, self._clock.monotonic() + _PATIENCE
        while not self._has_fallen() and self._clock.monotonic() < end:
            self._look(phase, None)
            if not self._unfinished:
                return
            if least is None or self._unfinished < least:
                least, end = self._unfinished, self._clock.monotonic() + _PATIENCE
            self._never.wait(_TICK)

    def _end(self, before: Vitals | None, after: Vitals | None) -> Facts:
        """Stop the daemon and gather what is left."""
        errors, losses = self._read_logs()
        code = self._victim.stop()
        orphans = self._orphans()
        jobs, wallets, audit = gather.stored(self._folder, self._clock)
        return Facts(
            chains=_CHAINS,
            accepted=dict(self._load.accepted),
            jobs=jobs,
            wallets=wallets,
            circle=gather.wallets_at_circle(self._folder),
            audit=audit,
            kills=self._striker.kills(),
            actors=tuple(map(_actor, self._actors)),
            before=before,
            after=after,
            exit_code=code,
            falls=tuple(self._falls),
            troubles=(*self._troubles, *self._load.troubles, *self._striker.troubles, *errors),
            losses=losses,
            orphans=orphans,
        )

    # Their steps.

    def _exercise(self) -> None:
        """Make many calls at once, until no more threads come: then all pools are as large as they get."""
        seen: list[int] = []
        while len(seen) < _STEADY or (len(set(seen[-_STEADY:])) > 1 and len(seen) < _MOST_ROUNDS):
            with ThreadPoolExecutor(_AT_ONCE) as pool:
                list(pool.map(lambda _: self._load.repeat(), range(_AT_ONCE)))
                list(pool.map(lambda _: self._scrape(), range(_AT_ONCE)))
            if self._has_fallen():
                return
            seen.append(proc.vitals(self._victim.pid).threads)

    def _scrape(self) -> None:
        try:
            self._api.call("GET", "/metrics")
        except CallError as error:
            self._troubles.append(str(error))

    def _look(self, phase: str, share: float | None) -> None:
        """Look at the tree and the queue, and tell how it goes; a daemon that restarts shows nothing."""
        life = self._victim.life
        try:
            actors, unfinished = self._api.actors(), self._api.unfinished()
        except CallError:
            pass
        else:
            self._actors, self._unfinished = actors, unfinished
            self._striker.see(actors, life)
        self._tell(
            Progress(
                phase=phase,
                share=share,
                accepted=len(self._load.accepted),
                unfinished=self._unfinished,
                kills=self._striker.blows,
                processes=self._striker.processes,
                sandboxes=self._striker.sandboxes,
            )
        )

    def _has_fallen(self) -> bool:
        if not self._falls and (code := self._victim.fall()) is not None:
            self._falls.append(f"the daemon ended by itself with {code}; {self._victim.log} says why")
        return bool(self._falls)

    def _join(self, working: list[Future[None]]) -> None:
        """Hear what the threads raise; a daemon that does not start again has fallen."""
        for future in working:
            try:
                future.result()
            except NotStartedError as error:
                self._falls.append(str(error))

    def _read_logs(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        read = [gather.read_log(log) for log in sorted(self._folder.glob("daemon-*.log"))]
        return tuple(line for errors, _ in read for line in errors), tuple(
            line for _, losses in read for line in losses
        )

    def _orphans(self) -> tuple[int, ...]:
        """Return the processes that are still there; a child has a moment to notice its parent's end."""
        end = self._clock.monotonic() + _ORPHANS_END
        while (left := proc.living_in(self._folder)) and self._clock.monotonic() < end:
            self._never.wait(_TICK)
        return left


def _actor(actor: dict[str, Any]) -> ActorFact:
    return ActorFact(
        path=actor["path"], state=actor["state"], restarts=actor["restarts"], zombies=actor["zombies"]
    )
