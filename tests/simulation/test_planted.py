"""Bugs planted on purpose: the simulation finds each of them, so that its silence means something."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import pytest

from tests.simulation.cases import Once, quiet_life
from tests.simulation.daemon import DaemonParts
from tests.simulation.growing import FAULTS, live
from tests.simulation.lives import live_through
from tests.simulation.schedules import Drawn
from tests.simulation.trees import Node
from tests.simulation.world import World
from wallet_provisioning.actors.calls import CircleCalls
from wallet_provisioning.actors.rescuer import LookForLost, RescuerActor, RescuerMessage
from wallet_provisioning.http.circle.answers import (
    CallFailed,
    Fulfilled,
    KeyRefused,
    WalletOrder,
    WalletSetMade,
)
from wallet_provisioning.supervision.actor import Actor, Recipe
from wallet_provisioning.supervision.child import Cell
from wallet_provisioning.supervision.life import Life
from wallet_provisioning.supervision.places import walk
from wallet_provisioning.supervision.simfaults import Fault, Harm
from wallet_provisioning.supervision.simulation import SimRuntime
from wallet_provisioning.tree import Tree

SEEDS = range(30)


class IdleRescuer(RescuerActor):
    """Reads the reports of the dead and returns no job."""

    def receive(self, message: RescuerMessage) -> None:
        if isinstance(message, LookForLost):
            self.tell_later(self._look_every, message)


class FreshKeys:
    """A client that draws a new idempotency key for every call, as many integrators do."""

    def __init__(self, client: CircleCalls) -> None:
        self._client = client

    async def create_wallet_set(self, *, chain: str, key: UUID, name: str) -> WalletSetMade | CallFailed:
        return await self._client.create_wallet_set(chain=chain, key=key, name=name)

    async def fulfil(
        self, order: WalletOrder, *, chain: str, look_up_first: bool
    ) -> Fulfilled | KeyRefused | CallFailed:
        fresh = replace(order, idempotency_key=uuid4())
        return await self._client.fulfil(fresh, chain=chain, look_up_first=look_up_first)


class NewBoxes(SimRuntime):
    """Gives each incarnation an empty mailbox, as an actor that owns its queue has."""

    def launch(self, recipe: Recipe, life: Life) -> None:
        if life.incarnation > 1:
            life.mailbox.take_waiting(life.port)
        super().launch(recipe, life)


def with_actor(path: str, actor: type[Actor[Any]]) -> Callable[[DaemonParts], DaemonParts]:
    """Plant another class at a path of the production tree."""

    def plant(tree: Tree) -> Tree:
        (cell,) = [cell for cell in walk(tree.root) if cell.path == path]
        _swap(cell, actor)
        return tree

    return lambda parts: replace(parts, with_tree=plant)


def _swap(cell: Cell, actor: type[Actor[Any]]) -> None:
    cell.spec = replace(cell.spec, recipe=replace(cell.spec.recipe, actor=actor))


def with_fresh_keys(parts: DaemonParts) -> DaemonParts:
    return replace(parts, with_client=FreshKeys)


def is_found(plant: Callable[[DaemonParts], DaemonParts], word: str) -> bool:
    """Return whether a world of some seed breaks, and says so in these words."""
    return any(word in breach for seed in SEEDS for breach in Drawn(seed, plant=plant).run())


def test_a_rescuer_that_returns_no_job_is_found() -> None:
    boundaries, _ = quiet_life(3)
    (work,) = [boundary for boundary in boundaries if boundary.message == "Work"]
    faults = Once({(work.path, work.number): Fault(harm=Harm.CRASH)})
    plant = with_actor("rescuer", IdleRescuer)
    world = World(3, wishes=1, parts=lambda parts: replace(plant(parts), faults=faults))
    assert any("not over" in breach for breach in live_through(world))


def test_a_client_that_draws_a_fresh_key_is_found() -> None:
    assert is_found(with_fresh_keys, "wallets at Circle")


@pytest.mark.parametrize(("runtime", "is_whole"), [(SimRuntime, True), (NewBoxes, False)])
def test_a_mailbox_that_drops_on_restart_is_found(runtime: type[SimRuntime], *, is_whole: bool) -> None:
    root = Node(name="/", children=(Node(name="n0"),))
    places = {("n0", number): FAULTS[0] for number in range(2, 12, 3)}
    plan = [(number // 4, "x", 0) for number in range(20)]
    lives = [live(root, seed, places, plan, runtime) for seed in range(10)]
    assert all(len(life.tree.notes) == life.told - life.harmed for life in lives) is is_whole
