"""What counts against the retry budget of a daemon's calls, over real sockets."""

from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

from tests.support_circle import API_KEY, CREATE, ENTITY_SECRET, WALLET_SET, StrictCircle, refuse
from wallet_provisioning.clock import SystemClock
from wallet_provisioning.http.circle.account import Account
from wallet_provisioning.http.circle.answers import CallFailed, Fulfilled, OrderMember, WalletOrder
from wallet_provisioning.http.circle.budget import Budget, BudgetOptions
from wallet_provisioning.http.circle.calls import Parts
from wallet_provisioning.http.circle.client import CircleClient
from wallet_provisioning.telemetry.events import CircleRetried, Event

YOUNG = timedelta(seconds=1)


def order() -> WalletOrder:
    return WalletOrder(
        idempotency_key=uuid4(),
        wallet_set_id=WALLET_SET,
        blockchain="ETH-SEPOLIA",
        account_type="SCA",
        members=(OrderMember(ref_id=str(uuid4()), name="ETH somebody"),),
    )


async def test_a_stored_request_that_is_sent_again_counts_however_young() -> None:
    events: list[Event] = []
    async with StrictCircle() as circle:
        account = Account(base_url=circle.base_url, api_key=API_KEY, entity_secret=ENTITY_SECRET)
        budget = Budget(BudgetOptions(wallets=1000, posts=1000, gets=1000), clock=SystemClock())
        client = CircleClient(account, clock=SystemClock(), budget=budget, emit=events.append, parts=Parts())
        asked = order()
        assert isinstance(await client.fulfil(asked, chain="ETH", look_up_first=False), Fulfilled)
        for _ in range(4):
            again = replace(asked, age=YOUNG)
            assert isinstance(await client.fulfil(again, chain="ETH", look_up_first=False), Fulfilled)
        circle.next(CREATE, *[refuse(429, 5, Retry_After="0")] * 30)
        assert isinstance(await client.fulfil(order(), chain="ETH", look_up_first=False), CallFailed)
        await client.aclose()
    allowed = [event.allowed for event in events if isinstance(event, CircleRetried)]
    assert allowed == [True] * 6 + [False]
