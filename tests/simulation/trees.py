"""Small trees of workers on a simulated runtime, and what was seen of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Self

from wallet_provisioning.clock import ManualClock
from wallet_provisioning.supervision.actor import Actor, recipe
from wallet_provisioning.supervision.address import Address
from wallet_provisioning.supervision.incidents import ChildStarted, ChildStopped, Incident
from wallet_provisioning.supervision.life import Life
from wallet_provisioning.supervision.places import ROOT, Places
from wallet_provisioning.supervision.policy import Policy
from wallet_provisioning.supervision.restarts import Delay, Intensity, Restart, Strategy
from wallet_provisioning.supervision.root import Root
from wallet_provisioning.supervision.simfaults import Faults, no_faults
from wallet_provisioning.supervision.simulation import SimRuntime
from wallet_provisioning.supervision.snapshot import ChildState
from wallet_provisioning.supervision.spec import Child
from wallet_provisioning.supervision.supervisor import Supervisor

AT_ONCE = Delay(base=timedelta(), maximum=timedelta())
MINUTE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A worker, or with children a supervisor."""

    name: str
    children: tuple["Node", ...] = ()
    strategy: Strategy = Strategy.ONE_FOR_ONE
    restart: Restart = Restart.PERMANENT
    limit: int = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbered:
    """What a sender told: its `number`th message to this worker."""

    sender: str
    number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """Who handled which message, in which life."""

    path: str
    incarnation: int
    message: Numbered


class Worker(Actor[Numbered]):
    """Notes what it handles."""

    def __init__(self, life: Life, *, notes: list[Seen]) -> None:
        super().__init__(life)
        self._notes = notes

    def receive(self, message: Numbered) -> None:
        seen = Seen(path=self.life.path, incarnation=self.life.incarnation, message=message)
        self._notes.append(seen)


class SimTree:
    """A tree on a manual clock and one scheduler."""

    def __init__(
        self,
        root: Node,
        seed: int,
        *,
        faults: Faults = no_faults,
        lag: float = 0.0,
        runtime: type[SimRuntime] = SimRuntime,
    ) -> None:
        self.clock = ManualClock()
        self.runtime = runtime(seed, clock=self.clock, faults=faults, lag=lag)
        self.incidents: list[Incident] = []
        self.notes: list[Seen] = []
        self.ends: list[str | None] = []
        self.places = Places(self.clock, self.incidents.append, self.runtime.make_mailbox)
        self.workers = list(_workers(root, ""))
        cell = self.places.cell(ROOT, self._child(root, ROOT))
        self.root = Root(cell, runtime=self.runtime, clock=self.clock, on_end=self.ends.append)

    def start(self) -> Self:
        self.root.start()
        self._watch()
        return self

    def is_up(self) -> bool:
        return bool(self.ends) or all(view.state is ChildState.RUNNING for view in self.root.views())

    def run(self, time: timedelta) -> None:
        """Let so much time pass."""
        until = self.clock.monotonic() + time
        self.runtime.run(lambda: self.clock.monotonic() >= until, within=2 * time + MINUTE)

    def come_up(self) -> bool:
        return self.runtime.run(self.is_up, within=5 * MINUTE)

    def stop(self) -> bool:
        """Ask for the end, and return whether it came; then nobody who can go on is left running."""
        self.root.stop()
        is_over = self.runtime.run(lambda: bool(self.ends), within=30 * MINUTE)
        for _ in range(300):
            self.runtime.step()
        return is_over

    def address(self, path: str) -> Address[Numbered]:
        return self.places.address(path)

    def tell_later(self, at: timedelta, path: str, message: Numbered) -> None:
        self.runtime.later(at, self.address(path), message)

    def started(self) -> list[str]:
        return [each.path for each in self.incidents if isinstance(each, ChildStarted)]

    def stopped(self) -> list[str]:
        return [each.path for each in self.incidents if isinstance(each, ChildStopped)]

    def _watch(self) -> None:
        self.root.look()
        if not self.ends:
            self.runtime.loop.call_later(1.0, self._watch)

    def _child(self, node: Node, path: str) -> Child:
        if not node.children:
            return Child(
                id=node.name, recipe=recipe(Worker, notes=self.notes), restart=node.restart, drain=MINUTE
            )
        prefix = "" if path == ROOT else f"{path}/"
        children = [self._child(child, f"{prefix}{child.name}") for child in node.children]
        family = self.places.family(path, children)
        policy = Policy(strategy=node.strategy, intensity=Intensity(limit=node.limit), delay=AT_ONCE)
        made = recipe(Supervisor, family=family, policy=policy, observe=self.incidents.append)
        return Child(id=node.name, recipe=made, family=family, restart=node.restart, drain=10 * MINUTE)


def _workers(node: Node, path: str) -> Sequence[str]:
    if not node.children:
        return [path]
    prefix = f"{path}/" if path else ""
    return [found for child in node.children for found in _workers(child, f"{prefix}{child.name}")]
