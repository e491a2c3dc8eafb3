"""Puts the questions of a reconcile to Circle."""

from typing import Protocol, assert_never
from uuid import UUID

from wallet_provisioning.http.circle.answers import CallFailed
from wallet_provisioning.http.circle.listing import Order, WalletPage
from wallet_provisioning.jobs.listed import ListedWallet
from wallet_provisioning.reconcile.options import Answer, GetOne, ListPage, Question


class WalletReader(Protocol):
    """What a reconcile needs of Circle's client; every coroutine runs on one asyncio loop."""

    async def list_wallets(
        self, wallet_set_id: UUID, *, after: UUID | None = None, order: Order = "ASC"
    ) -> WalletPage | CallFailed:
        """Return one page of a set's wallets."""
        ...

    async def get_wallet(self, circle_wallet_id: UUID) -> ListedWallet | CallFailed | None:
        """Return one wallet, None where there is none."""
        ...


async def ask_circle(client: WalletReader, question: Question) -> Answer:
    """Return Circle's answer to one question."""
    match question:
        case ListPage(wallet_set_id=wallet_set_id, after=after):
            return await client.list_wallets(wallet_set_id, after=after)
        case GetOne(circle_wallet_id=circle_wallet_id):
            return await client.get_wallet(circle_wallet_id)
        case _:
            assert_never(question)
