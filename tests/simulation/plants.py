"""Bugs to be planted into a simulated daemon: parts of its own that do what no part of ours may do."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid4, uuid5

from sqlalchemy import select, update

from tests.simulation.daemon import DaemonParts
from wallet_provisioning.actors.calls import CircleCalls
from wallet_provisioning.actors.circle import CircleActor, CircleMessage
from wallet_provisioning.actors.rescuer import LookForLost, RescuerActor, RescuerMessage
from wallet_provisioning.actors.results import Conclude, Recorded, RecordResults, WriterMessage
from wallet_provisioning.actors.waiting import Ask
from wallet_provisioning.actors.writer import WriterActor
from wallet_provisioning.http.circle.answers import (
    CallFailed,
    Certainty,
    Fulfilled,
    KeyRefused,
    WalletOrder,
    WalletSetMade,
)
from wallet_provisioning.http.circle.client import CircleClient
from wallet_provisioning.jobs.states import WalletStatus
from wallet_provisioning.store.tables import circle_requests, jobs, wallets
from wallet_provisioning.store.wallets import Opened, RequestMember, open_request
from wallet_provisioning.supervision.actor import Actor, Recipe
from wallet_provisioning.supervision.child import Cell
from wallet_provisioning.supervision.life import Life
from wallet_provisioning.supervision.places import walk
from wallet_provisioning.supervision.simulation import SimRuntime
from wallet_provisioning.tree import Tree

Plant = Callable[[DaemonParts], DaemonParts]
CHAINS = ("circle/ETH", "circle/SOL")


def with_actor(actor: type[Actor[Any]], *paths: str) -> Plant:
    """Plant another class at paths of the production tree."""

    def plant(tree: Tree) -> Tree:
        for cell in walk(tree.root):
            if cell.path in paths:
                _swap(cell, actor)
        return tree

    return lambda parts: replace(parts, with_tree=plant)


def with_client(client: Callable[[CircleCalls], CircleCalls]) -> Plant:
    """Plant something between the actors and the client."""
    return lambda parts: replace(parts, with_client=client)


def with_client_class(client: type[CircleClient]) -> Plant:
    """Plant another client."""
    return lambda parts: replace(parts, client=client)


def _swap(cell: Cell, actor: type[Actor[Any]]) -> None:
    cell.spec = replace(cell.spec, recipe=replace(cell.spec.recipe, actor=actor))


# Keys and look-ups.


class _Between:
    """Passes every call on as it is."""

    def __init__(self, client: CircleCalls) -> None:
        self._client = client

    async def create_wallet_set(self, *, chain: str, key: UUID, name: str) -> WalletSetMade | CallFailed:
        return await self._client.create_wallet_set(chain=chain, key=key, name=name)

    async def fulfil(
        self, order: WalletOrder, *, chain: str, look_up_first: bool
    ) -> Fulfilled | KeyRefused | CallFailed:
        return await self._client.fulfil(order, chain=chain, look_up_first=look_up_first)


class FreshKeys(_Between):
    """Draws a new idempotency key for every call, as many integrators do."""

    async def fulfil(
        self, order: WalletOrder, *, chain: str, look_up_first: bool
    ) -> Fulfilled | KeyRefused | CallFailed:
        fresh = replace(order, idempotency_key=uuid4())
        return await super().fulfil(fresh, chain=chain, look_up_first=look_up_first)


class KeysOfTheFirst(_Between):
    """Derives the key from the first member alone."""

    async def fulfil(
        self, order: WalletOrder, *, chain: str, look_up_first: bool
    ) -> Fulfilled | KeyRefused | CallFailed:
        key = uuid5(NAMESPACE_URL, f"{order.members[0].ref_id} {order.blockchain}")
        return await super().fulfil(
            replace(order, idempotency_key=key), chain=chain, look_up_first=look_up_first
        )


class NeverLooks(_Between):
    """Sends an old request again without a look at what became of it."""

    async def fulfil(
        self, order: WalletOrder, *, chain: str, look_up_first: bool
    ) -> Fulfilled | KeyRefused | CallFailed:
        del look_up_first
        return await super().fulfil(order, chain=chain, look_up_first=False)


class NewKeyAfterTimeout(_Between):
    """Takes a call whose end is uncertain for one that made nothing, and has the generation raised."""

    async def fulfil(
        self, order: WalletOrder, *, chain: str, look_up_first: bool
    ) -> Fulfilled | KeyRefused | CallFailed:
        answer = await super().fulfil(order, chain=chain, look_up_first=look_up_first)
        if not isinstance(answer, CallFailed) or answer.certainty is not Certainty.AMBIGUOUS:
            return answer
        return all_missing(order)


class BlindClient(CircleClient):
    """Believes Circle's refusal of a key, and looks for nothing that was made under it."""

    async def _find_instead(
        self, order: WalletOrder, chain: str, refusal: CallFailed
    ) -> Fulfilled | KeyRefused | CallFailed:
        del chain, refusal
        return all_missing(order)


def all_missing(order: WalletOrder) -> KeyRefused:
    missing = tuple(member.ref_id for member in order.members)
    return KeyRefused(found={}, missing=missing, duplicates=(), circle_request_id=None)


# Requests.


class ReformingCircle(CircleActor):
    """Makes a new batch of whoever waits, whatever was stored for them before."""

    def _store(self, asks: Sequence[Ask], wallet_set: UUID) -> Opened:
        members = [
            RequestMember(job_id=ask.assignment.job.id, epoch=ask.assignment.job.epoch, user_id=ask.user_id)
            for ask in asks
        ]
        mine = wallets.c.user_id.in_([ask.user_id for ask in asks]) & (wallets.c.chain == self._chain.name)
        with self._database.write(self.life.path, "open_request") as tx:
            old = select(wallets.c.request_id).where(mine)
            tx.execute(update(circle_requests).where(circle_requests.c.id.in_(old)).values(state="refused"))
            creating = wallets.c.status == WalletStatus.CREATING.value
            tx.execute(update(wallets).where(mine, creating).values(request_id=None, position=None))
            return open_request(tx, chain=self._chain, wallet_set_id=wallet_set, members=members)


class UnfencedCircle(CircleActor):
    """Asks in the name of whoever holds the jobs now, be it another daemon."""

    def _store(self, asks: Sequence[Ask], wallet_set: UUID) -> Opened:
        with self._database.write(self.life.path, "open_request") as tx:
            wanted = {ask.assignment.job.id: ask.user_id for ask in asks}
            rows = tx.execute(select(jobs.c.id, jobs.c.epoch).where(jobs.c.id.in_(wanted)))
            members = [RequestMember(job_id=row.id, epoch=row.epoch, user_id=wanted[row.id]) for row in rows]
            return open_request(tx, chain=self._chain, wallet_set_id=wallet_set, members=members)


# Results.


class ForgetfulCircle(CircleActor):
    """Forgets its results as soon as the writer was told them, committed or not."""

    def receive(self, message: CircleMessage) -> None:
        super().receive(message)
        for batch in tuple(self._outbox._kept):
            self._outbox.forget(batch)


class HastyWriter(WriterActor):
    """Says that results are committed, then commits them."""

    def receive(self, message: WriterMessage) -> None:
        if isinstance(message, RecordResults | Conclude):
            self._say_recorded([message])
            for assignment in _assignments(message):
                key = assignment.job
                assignment.holder.tell(Recorded(job_id=key.id, epoch=key.epoch, move=None))
        super().receive(message)


def _assignments(message: RecordResults | Conclude) -> list[Any]:
    if isinstance(message, Conclude):
        return [message.assignment]
    return [result.assignment for result in message.results if result.assignment is not None]


class IdleRescuer(RescuerActor):
    """Reads the reports of the dead and returns no job."""

    def receive(self, message: RescuerMessage) -> None:
        if isinstance(message, LookForLost):
            self.tell_later(self._look_every, message)


class NewBoxes(SimRuntime):
    """Gives each incarnation an empty mailbox, as an actor that owns its queue has."""

    def launch(self, recipe: Recipe, life: Life) -> None:
        if life.incarnation > 1:
            life.mailbox.take_waiting(life.port)
        super().launch(recipe, life)
