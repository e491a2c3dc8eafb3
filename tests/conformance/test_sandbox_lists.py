import re
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from tests.sandbox_support import Answer, Caller, sandbox
from wallet_provisioning.clock import ManualClock


def links(answer: Answer) -> dict[str, str]:
    return {rel: url for url, rel in re.findall(r'<([^>]+)>; rel="(\w+)"', answer.headers["Link"])}


async def follow(circle: Caller, relation: str, answer: Answer) -> list[list[Any]]:
    """Return the pages that a relation leads to, this one first."""
    pages = [next(iter(answer.data.values()))]
    while relation in links(answer):
        answer = await circle.call("GET", links(answer)[relation].removeprefix(circle.base_url))
        pages.append(next(iter(answer.data.values())))
    return pages


async def test_the_link_header_leads_through_all_wallets_and_back(tmp_path: Path) -> None:
    async with sandbox(tmp_path) as circle:
        references = [f"r{number}" for number in range(7)]
        await circle.create_wallets(await circle.new_set(), *references)
        first = await circle.get("/v1/w3s/wallets", pageSize=3)
        assert set(links(first)) == {"self", "first", "next"}
        pages = await follow(circle, "next", first)
        assert [len(page) for page in pages] == [3, 3, 1]
        assert [wallet["refId"] for page in pages for wallet in page] == references[::-1]
        last = await circle.get("/v1/w3s/wallets", pageSize=3, pageAfter=pages[1][-1]["id"])
        assert set(links(last)) == {"self", "first", "prev"}
        assert await follow(circle, "prev", last) == pages[::-1]


async def test_a_page_holds_ten_unless_told_otherwise(tmp_path: Path) -> None:
    async with sandbox(tmp_path) as circle:
        await circle.create_wallets(await circle.new_set(), *map(str, range(60)))
        assert len(await circle.wallets()) == 10
        assert len(await circle.wallets(pageSize=50)) == 50
        assert (await circle.get("/v1/w3s/wallets", pageSize=51)).blamed == {"pageSize": "max"}


async def test_wallets_are_found_by_set_reference_and_chain(tmp_path: Path) -> None:
    async with sandbox(tmp_path) as circle:
        ours, theirs = await circle.new_set(), await circle.new_set()
        await circle.create_wallets(theirs, "a")
        made = await circle.create_wallets(ours, "a", "b", blockchains=["ETH-SEPOLIA", "SOL-DEVNET"])
        found = await circle.wallets(walletSetId=ours, refId="a", blockchain="SOL-DEVNET")
        assert found == [made.data["wallets"][2]]
        assert len(await circle.wallets(refId="a")) == 3
        assert len(await circle.wallets(walletSetId=ours)) == 4
        assert await circle.wallets(refId="c") == []
        assert await circle.wallets(walletSetId=str(uuid4())) == []


async def test_evm_addresses_are_found_in_any_case(tmp_path: Path) -> None:
    async with sandbox(tmp_path) as circle:
        chains = ["ETH-SEPOLIA", "SOL-DEVNET"]
        made = await circle.create_wallets(await circle.new_set(), "a", blockchains=chains)
        evm, solana = made.data["wallets"]
        shouted = "0x" + evm["address"].removeprefix("0x").upper()
        assert await circle.wallets(address=shouted) == [evm]
        assert await circle.wallets(address=solana["address"]) == [solana]
        assert await circle.wallets(address=solana["address"].swapcase()) == []


async def test_a_span_of_time_includes_both_ends(tmp_path: Path) -> None:
    clock = ManualClock()
    async with sandbox(tmp_path, clock=clock) as circle:
        wallet_set = await circle.new_set()
        for reference in "abc":
            clock.advance(timedelta(seconds=10, milliseconds=300))
            await circle.create_wallets(wallet_set, reference)
        a, b, c = (wallet["createDate"] for wallet in await circle.wallets(order="ASC"))

        async def found(**span: str) -> str:
            params = {name.strip("_"): moment for name, moment in span.items()}
            return "".join(wallet["refId"] for wallet in await circle.wallets(order="ASC", **params))

        assert await found(from_=b) == "bc"
        assert await found(to=b) == "ab"
        assert await found(from_=a, to=a) == "a"
        assert await found(from_=b, to=c) == "bc"


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({"pageAfter": str(uuid4())}, 156014),
        ({"pageBefore": str(uuid4())}, 156012),
        ({"pageAfter": "x"}, 2),
        ({"pageAfter": str(uuid4()), "pageBefore": str(uuid4())}, 2),
        ({"name": "x"}, 2),
        ({"blockchain": "DOGE"}, 155511),
    ],
)
async def test_a_wrong_query_is_refused(tmp_path: Path, params: dict[str, str], code: int) -> None:
    async with sandbox(tmp_path) as circle:
        answer = await circle.get("/v1/w3s/wallets", **params)
        assert (answer.status, answer.code) == (400, code)


async def test_wallet_sets_are_listed_by_pages_too(tmp_path: Path) -> None:
    async with sandbox(tmp_path) as circle:
        made = [await circle.new_set() for _ in range(5)]
        first = await circle.get("/v1/w3s/walletSets", pageSize=2, order="ASC")
        pages = await follow(circle, "next", first)
        assert [wallet_set["id"] for page in pages for wallet_set in page] == made
        assert (await circle.get("/v1/w3s/walletSets", name="ours")).blamed == {"name": "unknown"}


async def test_an_empty_list_is_empty(tmp_path: Path) -> None:
    async with sandbox(tmp_path) as circle:
        answer = await circle.get("/v1/w3s/wallets")
        assert (answer.status, answer.data) == (200, {"wallets": []})
        assert set(links(answer)) == {"self", "first"}
