import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.sandbox_support import Caller, sandbox
from wallet_provisioning.clock import ManualClock, SystemClock

ETH, SOL = "ETH-SEPOLIA", "SOL-DEVNET"
CREATE = {"operation": "create_wallets"}


async def order(circle: Caller, wallet_set: str, chain: str = ETH) -> dict[str, Any]:
    return await circle.signed(walletSetId=wallet_set, blockchains=[chain], metadata=[{"refId": "a"}])


async def send(circle: Caller, body: dict[str, Any]) -> int:
    """Send an order with a fresh ciphertext and return the status, 0 for a cut connection."""
    fresh = {**body, "entitySecretCiphertext": await circle.ciphertext()}
    try:
        return (await circle.call("POST", "/v1/w3s/developer/wallets", json=fresh)).status
    except aiohttp.ClientConnectionError:
        return 0


@pytest.mark.parametrize(("kind", "status"), [("status", 503), ("cut", 0)])
@pytest.mark.parametrize(("when", "made"), [("before", 0), ("after", 1)])
async def test_a_failed_call_may_have_been_carried_out(
    tmp_path: Path, kind: str, status: int, when: str, made: int
) -> None:
    async with sandbox(tmp_path) as circle:
        body = await order(circle, await circle.new_set())
        await circle.set_faults({"kind": kind, "when": when, "times": 1, **CREATE})
        assert await send(circle, body) == status
        assert len(await circle.wallets(refId="a")) == made
        assert await send(circle, body) == (200 if made else 201)
        assert len(await circle.wallets(refId="a")) == 1


async def test_a_fault_of_one_chain_leaves_the_others_alone(tmp_path: Path) -> None:
    async with sandbox(tmp_path) as circle:
        wallet_set = await circle.new_set()
        await circle.set_faults({"kind": "status", "status": 500, "chain": ETH})
        assert await send(circle, await order(circle, wallet_set)) == 500
        assert (await circle.get("/v1/w3s/wallets", blockchain=ETH)).status == 500
        assert await send(circle, await order(circle, wallet_set, SOL)) == 201
        assert (await circle.get("/v1/w3s/wallets", blockchain=SOL)).status == 200


async def test_a_cut_after_the_call_cuts_refusals_too(tmp_path: Path) -> None:
    async with sandbox(tmp_path) as circle:
        body = await order(circle, await circle.new_set(), "DOGE")
        assert await send(circle, body) == 400
        await circle.set_faults({"kind": "cut", "when": "after", **CREATE})
        assert await send(circle, body) == 0


async def test_a_call_is_refused_as_one_too_many(tmp_path: Path) -> None:
    async with sandbox(tmp_path) as circle:
        await circle.set_faults({"kind": "rate_limit", "retry_after_ms": 2500, "times": 1})
        answer = await circle.get("/v1/w3s/wallets")
        assert (answer.status, answer.code, answer.headers["Retry-After"]) == (429, 5, "3")
        assert (await circle.get("/v1/w3s/wallets")).status == 200


@pytest.mark.parametrize(("code", "status"), [(156019, 400), (3, 403), (156015, 409), (401, 401)])
async def test_a_call_is_refused_with_a_code(tmp_path: Path, code: int, status: int) -> None:
    async with sandbox(tmp_path) as circle:
        await circle.set_faults({"kind": "refuse", "code": code, "operation": "list_wallets"})
        answer = await circle.get("/v1/w3s/wallets")
        assert (answer.status, answer.code) == (status, code)


async def test_lists_lag_and_single_wallets_do_not(tmp_path: Path) -> None:
    clock = ManualClock()
    async with sandbox(tmp_path, clock=clock) as circle:
        wallet_set = await circle.new_set()
        await circle.set_faults({"kind": "lag", "for_ms": 2000})
        wallet = (await circle.create_wallets(wallet_set, "a")).data["wallets"][0]
        assert await circle.wallets(refId="a") == []
        assert (await circle.get(f"/v1/w3s/wallets/{wallet['id']}")).data == {"wallet": wallet}
        clock.advance(timedelta(milliseconds=1999))
        assert await circle.wallets(refId="a") == []
        clock.advance(timedelta(milliseconds=1))
        assert await circle.wallets(refId="a") == [wallet]


async def test_a_lag_of_one_chain_leaves_the_others_alone(tmp_path: Path) -> None:
    async with sandbox(tmp_path, clock=ManualClock()) as circle:
        await circle.create_wallets(await circle.new_set(), "a", blockchains=[ETH, SOL])
        await circle.set_faults({"kind": "lag", "for_ms": 2000, "chain": ETH})
        assert await circle.wallets(blockchain=ETH) == []
        assert len(await circle.wallets(blockchain=SOL)) == 1


@pytest.mark.parametrize("when", ["before", "after"])
async def test_latency_is_added_to_the_call(tmp_path: Path, when: str) -> None:
    clock = SystemClock()
    async with sandbox(tmp_path) as circle:
        body = await order(circle, await circle.new_set())
        await circle.set_faults({"kind": "latency", "for_ms": 80, "when": when, **CREATE})
        began = clock.monotonic()
        assert await send(circle, body) == 201
        assert clock.monotonic() - began >= timedelta(milliseconds=80)


async def test_a_call_is_carried_out_though_the_client_gave_up(tmp_path: Path) -> None:
    async with sandbox(tmp_path) as circle:
        body = await order(circle, await circle.new_set())
        await circle.set_faults({"kind": "latency", "for_ms": 5000, "when": "after", "times": 1, **CREATE})
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(send(circle, body), 0.3)
        assert len(await circle.wallets(refId="a")) == 1
        assert await send(circle, body) == 200


async def test_the_latency_of_the_options_holds_for_every_call(tmp_path: Path) -> None:
    clock = SystemClock()
    async with sandbox(tmp_path, latency=timedelta(milliseconds=60)) as circle:
        began = clock.monotonic()
        await circle.get("/v1/w3s/wallets")
        assert clock.monotonic() - began >= timedelta(milliseconds=60)


async def test_faults_are_shown_counted_and_ended(tmp_path: Path) -> None:
    async with sandbox(tmp_path) as circle:
        circle_key, circle.api_key = circle.api_key, None
        await circle.set_faults({"kind": "status", "status": 502})
        circle.api_key = circle_key
        for _ in range(3):
            assert (await circle.get("/v1/w3s/wallets")).status == 502
        [fault] = (await circle.get("/sandbox/faults")).body["faults"]
        assert (fault["kind"], fault["status"], fault["hits"]) == ("status", 502, 3)
        assert (await circle.call("DELETE", "/sandbox/faults")).body == {"faults": []}
        assert (await circle.get("/v1/w3s/wallets")).status == 200


@pytest.mark.parametrize(
    "body", [{}, {"faults": {}}, {"faults": [{"kind": "cut", "x": 1}]}, {"faults": [], "y": 1}]
)
async def test_wrong_faults_change_nothing(tmp_path: Path, body: dict[str, Any]) -> None:
    async with sandbox(tmp_path) as circle:
        await circle.set_faults({"kind": "status"})
        answer = await circle.call("PUT", "/sandbox/faults", json=body)
        assert (answer.status, answer.code) == (400, 2)
        assert len((await circle.get("/sandbox/faults")).body["faults"]) == 1
