"""The client's lists against the built-in sandbox: every wallet once, in order, over many pages."""

from pathlib import Path
from uuid import uuid4

from tests.conformance.test_circle_client_against_the_sandbox import connected, new_set
from tests.sandbox_support import sandbox
from wallet_provisioning.http.circle.answers import CallFailed, Fulfilled, OrderMember, WalletOrder
from wallet_provisioning.http.circle.listing import WalletPage
from wallet_provisioning.jobs.listed import ListedWallet


async def test_every_wallet_of_a_set_is_listed_once_and_the_newest_first_where_asked(
    tmp_path: Path,
) -> None:
    async with sandbox(tmp_path) as circle, connected(circle) as client:
        set_id, other = await new_set(client), await new_set(client)
        for each, count in ((set_id, 70), (other, 3), (set_id, 50)):
            members = tuple(OrderMember(ref_id=f"r{uuid4()}", name="n") for _ in range(count))
            order = WalletOrder(
                idempotency_key=uuid4(),
                wallet_set_id=each,
                blockchain="SOL-DEVNET",
                account_type="EOA",
                members=members,
            )
            assert isinstance(await client.fulfil(order, chain="SOL", look_up_first=False), Fulfilled)

        listed: list[ListedWallet] = []
        sizes = []
        cursor = None
        while True:
            page = await client.list_wallets(set_id, after=cursor)
            assert isinstance(page, WalletPage)
            listed += page.wallets
            sizes.append(len(page.wallets))
            cursor = page.next
            if cursor is None:
                break
        newest = await client.list_wallets(set_id, order="DESC")

        assert sizes == [50, 50, 20]
        assert len({wallet.circle_wallet_id for wallet in listed}) == 120
        assert {wallet.wallet_set_id for wallet in listed} == {set_id}
        assert [wallet.created_at for wallet in listed] == sorted(wallet.created_at for wallet in listed)
        assert isinstance(newest, WalletPage)
        assert list(newest.wallets) == listed[::-1][:50]
        assert await client.get_wallet(listed[7].circle_wallet_id) == listed[7]


async def test_a_wallet_that_circle_does_not_know_is_none_and_a_refusal_is_a_failure(
    tmp_path: Path,
) -> None:
    async with sandbox(tmp_path) as circle, connected(circle) as client:
        assert await client.get_wallet(uuid4()) is None
        found = await client.list_wallets(uuid4(), after=uuid4())
        assert isinstance(found, CallFailed)
        assert found.code in {156012, 156014}
