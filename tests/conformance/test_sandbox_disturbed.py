import asyncio
from datetime import timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import aiohttp
import pytest

from tests.sandbox_support import Caller, sandbox
from wallet_provisioning.clock import ManualClock, SystemClock
from wallet_provisioning.http.sandbox.switchboard import read_fault
from wallet_provisioning.http.sandbox.waits import RetryAfter

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


async def first_bytes(circle: Caller, path: str) -> tuple[int, bytes, bool]:
    """Return the status, what arrived of the body, and whether it arrived whole."""
    headers = {"Authorization": f"Bearer {circle.api_key}"}
    async with circle.session.get(circle.base_url + path, headers=headers) as response:
        body = b""
        try:
            async for piece in response.content.iter_any():
                body += piece
        except aiohttp.ClientPayloadError:
            return response.status, body, False
        return response.status, body, True


@pytest.mark.parametrize("keep", [0, 0.5])
async def test_a_body_is_truncated_after_the_call(tmp_path: Path, keep: float) -> None:
    async with sandbox(tmp_path) as circle:
        body = await order(circle, await circle.new_set())
        await circle.set_faults({"kind": "truncate", "keep": keep, "times": 1, **CREATE})
        with pytest.raises(aiohttp.ClientPayloadError):
            await send(circle, body)
        assert await send(circle, body) == 200
        whole = await first_bytes(circle, "/v1/w3s/wallets")
        await circle.set_faults({"kind": "truncate", "keep": keep})
        status, half, is_whole = await first_bytes(circle, "/v1/w3s/wallets")
        assert (status, len(half), is_whole) == (200, int(len(whole[1]) * keep), False)


async def test_a_slow_body_is_whole_in_the_end(tmp_path: Path) -> None:
    clock = SystemClock()
    async with sandbox(tmp_path) as circle:
        whole = await first_bytes(circle, "/v1/w3s/config/entity/publicKey")
        await circle.set_faults({"kind": "slow_body", "for_ms": 80, "pieces": 4})
        began = clock.monotonic()
        assert await first_bytes(circle, "/v1/w3s/config/entity/publicKey") == whole
        assert clock.monotonic() - began >= timedelta(milliseconds=60)


@pytest.mark.parametrize(
    ("form", "start", "end"),
    [
        ("torn", b'{"data":', b""),
        ("page", b"<!doctype html>", b"</h1>"),
        ("empty", b"", b""),
        ("list", b"[]", b""),
    ],
)
async def test_a_malformed_body_comes_whole_and_named(
    tmp_path: Path, form: str, start: bytes, end: bytes
) -> None:
    async with sandbox(tmp_path) as circle:
        await circle.set_faults({"kind": "malformed", "form": form})
        status, body, is_whole = await first_bytes(circle, "/v1/w3s/wallets")
        assert (status, is_whole) == (200, True)
        assert body.startswith(start)
        assert body.endswith(end)
        assert body != b'{"data":{"wallets":[]}}'


async def test_spoilt_answers_too_have_a_request_id(tmp_path: Path) -> None:
    async with sandbox(tmp_path) as circle:
        for fault in ({"kind": "truncate"}, {"kind": "slow_body", "for_ms": 1}, {"kind": "malformed"}):
            await circle.set_faults(fault)
            url = circle.base_url + "/v1/w3s/wallets"
            async with circle.session.get(
                url, headers={"Authorization": f"Bearer {circle.api_key}"}
            ) as answer:
                assert UUID(answer.headers["X-Request-Id"]).version == 4


async def gate_of(circle: Caller, gate: str) -> tuple[int, int]:
    gates = {each["gate"]: each for each in (await circle.get("/sandbox/gates")).body["gates"]}
    return (gates[gate]["held"], gates[gate]["passed"]) if gate in gates else (0, 0)


async def until_held(circle: Caller, gate: str, count: int) -> None:
    async with asyncio.timeout(60):
        while (await gate_of(circle, gate))[0] != count:  # noqa: ASYNC110 - asked as from another process
            await asyncio.sleep(0.005)


@pytest.mark.parametrize(("when", "made"), [("before", 0), ("after", 1)])
async def test_a_call_is_held_until_its_gate_is_opened(tmp_path: Path, when: str, made: int) -> None:
    async with sandbox(tmp_path) as circle:
        body = await order(circle, await circle.new_set())
        await circle.set_faults({"kind": "hold", "gate": "a", "when": when, **CREATE})
        calls = [asyncio.create_task(send(circle, body)) for _ in range(2)]
        await until_held(circle, "a", 2)
        assert len(await circle.wallets(refId="a")) == made
        assert (await circle.call("DELETE", "/sandbox/gates/other")).status == 200
        assert await gate_of(circle, "a") == (2, 0)
        await circle.call("DELETE", "/sandbox/gates/a")
        assert sorted(await asyncio.gather(*calls)) == [200, 201]
        assert await gate_of(circle, "a") == (0, 2)
        assert len(await circle.wallets(refId="a")) == 1


async def test_held_calls_go_on_when_the_faults_end(tmp_path: Path) -> None:
    async with sandbox(tmp_path) as circle:
        body = await order(circle, await circle.new_set())
        await circle.set_faults({"kind": "hold", "gate": "a", **CREATE})
        call = asyncio.create_task(send(circle, body))
        await until_held(circle, "a", 1)
        await circle.call("DELETE", "/sandbox/faults")
        assert await call == 201


@pytest.mark.parametrize("form", list(RetryAfter))
async def test_a_rate_limit_may_say_in_its_own_form_when_to_come_again(
    tmp_path: Path, form: RetryAfter
) -> None:
    clock = ManualClock()
    async with sandbox(tmp_path, clock=clock) as circle:
        await circle.set_faults({"kind": "rate_limit", "retry_after_ms": 2000, "retry_after": form.value})
        header = (await circle.get("/v1/w3s/wallets")).headers.get("Retry-After")
        due = format_datetime(clock.now() + timedelta(seconds=2), usegmt=True)
        assert header == {RetryAfter.NONE: None, RetryAfter.SECONDS: "2", RetryAfter.DATE: due}[form]


async def test_an_expired_key_is_refused_and_a_forgotten_one_makes_another_wallet(tmp_path: Path) -> None:
    clock = ManualClock()
    async with sandbox(tmp_path, clock=clock) as circle:
        wallet_set = await circle.new_set()
        for kind, late in (("expire_keys", 409), ("forget_keys", 201)):
            body = await order(circle, wallet_set)
            assert await send(circle, body) == 201
            await circle.set_faults({"kind": kind, "older_than_ms": 5000})
            assert await send(circle, body) == 200
            clock.advance(timedelta(seconds=5))
            assert await send(circle, body) == late
        assert len(await circle.wallets(refId="a")) == 3


async def test_faults_and_seed_may_be_there_from_the_start(tmp_path: Path) -> None:
    faults = read_fault("kind=cut,share=0.5,operation=list_wallets").faults
    fates = []
    for _ in range(2):
        async with sandbox(tmp_path, faults=faults, seed=5) as circle:
            fates.append([await is_cut(circle) for _ in range(20)])
            assert (await circle.get("/sandbox/faults")).body["seed"] == 5
    assert fates[0] == fates[1]
    assert len(set(fates[0])) == 2


async def is_cut(circle: Caller) -> bool:
    try:
        await circle.get("/v1/w3s/wallets")
    except aiohttp.ClientConnectionError:
        return True
    return False
