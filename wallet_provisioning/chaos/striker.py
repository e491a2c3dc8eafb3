"""Carries out the plan: kills actors as an operator does, and processes as bad luck does.

An actor is struck while it runs and after its last kill was seen to work, so each kill is one crash. A
job that crashed before is spared: the third crash fails a job by design, and would tell nothing here.
"""

import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, assert_never

from wallet_provisioning.chaos.calls import Api, CallError
from wallet_provisioning.chaos.facts import Kill
from wallet_provisioning.chaos.plan import Kind, Strike
from wallet_provisioning.chaos.victim import Victim
from wallet_provisioning.clock import Clock

_LATE = timedelta(seconds=2)
_HANG_PATIENCE = timedelta(seconds=10)
_TICK = 0.1
# From the moment an end is seen until its row is surely written, a restart of the rescuer included.
_UNTIL_REPORTED = timedelta(seconds=5)


@dataclass(slots=True)
class _Blow:
    """A kill that was accepted, and when it was seen to have worked."""

    mark: str
    path: str
    is_hang: bool
    incarnation: int
    life: int
    seen_at: timedelta | None = None


class Striker:
    """Strikes on one thread; `see` and the counts belong to another, which looks at the tree."""

    def __init__(self, api: Api, victim: Victim, clock: Clock) -> None:
        """Start with nothing struck."""
        self._api = api
        self._victim = victim
        self._clock = clock
        self._blows: list[_Blow] = []
        self._never = threading.Event()
        self._ended_at: dict[int, timedelta] = {}
        self.processes = 0
        self.sandboxes = 0
        self.spared = 0
        self.troubles: list[str] = []

    @property
    def blows(self) -> int:
        """How many kills of actors were accepted."""
        return len(self._blows)

    def run(self, plan: Sequence[Strike], until: threading.Event) -> None:
        """Carry out the plan until the event is set; what is late (the daemon was restarting) is left out."""
        start = self._clock.monotonic()
        for strike in plan:
            left = strike.at - (self._clock.monotonic() - start)
            if until.wait(max(left, timedelta()).total_seconds()):
                return
            if left < -_LATE and strike.kind is Kind.CRASH:
                self.spared += 1
                continue
            try:
                self._carry_out(strike)
            except CallError as error:
                self.troubles.append(f"{strike.kind} {strike.path}: {error}")

    def see(self, actors: Iterable[Mapping[str, Any]], life: int) -> None:
        """Take note of which kills have worked, by a picture of the tree in that life."""
        incarnations = {actor["path"]: actor["incarnation"] for actor in actors}
        for blow in self._open_blows(life):
            if incarnations.get(blow.path, 0) > blow.incarnation:
                blow.seen_at = self._clock.monotonic()

    def is_settled(self) -> bool:
        """Return whether every kill of the present life has worked."""
        return not self._open_blows(self._victim.life)

    def kills(self) -> tuple[Kill, ...]:
        """Return all kills, for the verdict."""
        return tuple(
            Kill(
                mark=blow.mark,
                path=blow.path,
                is_hang=blow.is_hang,
                is_owed=self._is_owed(blow),
                is_of_last_life=blow.life == self._victim.life,
            )
            for blow in self._blows
        )

    def _carry_out(self, strike: Strike) -> None:
        match strike.kind:
            case Kind.CRASH | Kind.HANG:
                self._strike_actor(strike.path, is_hang=strike.kind is Kind.HANG)
            case Kind.PROCESS:
                self._strike_process()
            case Kind.SANDBOX:
                self.sandboxes += self._victim.strike_sandbox()
            case _:
                assert_never(strike.kind)

    def _strike_actor(self, path: str, *, is_hang: bool) -> None:
        if not self._is_fit_within(path, _HANG_PATIENCE if is_hang else timedelta()):
            self.spared += 1
            return
        mark = f"chaos {len(self._blows) + 1}"
        struck = self._api.kill(path, is_hang=is_hang, reason=mark)
        self._blows.append(
            _Blow(
                mark=mark,
                path=path,
                is_hang=is_hang,
                incarnation=struck["incarnation"],
                life=self._victim.life,
            )
        )

    def _is_fit_within(self, path: str, patience: timedelta) -> bool:
        """Return whether the actor may be struck, after some time at most; hangs are too few to leave out."""
        end = self._clock.monotonic() + patience
        while not (is_fit := self._may_strike(path)) and self._clock.monotonic() < end:
            self._never.wait(_TICK)
        return is_fit

    def _may_strike(self, path: str) -> bool:
        actor = next((each for each in self._api.actors() if each["path"] == path), None)
        if actor is None:
            return False
        is_struck = any(blow.path == actor["path"] for blow in self._open_blows(self._victim.life))
        job_id = None if actor["working_on"] is None else actor["working_on"]["job_id"]
        has_crashed = job_id is not None and self._api.job(job_id)["crash_count"] > 0
        return actor["state"] == "running" and not is_struck and not has_crashed

    def _strike_process(self) -> None:
        self._ended_at[self._victim.life] = self._clock.monotonic()
        self._victim.strike_down()
        self.processes += 1

    def _open_blows(self, life: int) -> list[_Blow]:
        return [blow for blow in self._blows if blow.life == life and blow.seen_at is None]

    def _is_owed(self, blow: _Blow) -> bool:
        ended_at = self._ended_at.get(blow.life)
        if ended_at is None:
            return True
        return blow.seen_at is not None and blow.seen_at + _UNTIL_REPORTED <= ended_at
