import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

from tests.sandbox_support import Answer, Caller, sandbox
from wallet_provisioning.clock import ManualClock
from wallet_provisioning.http.sandbox.options import Switches

WALLETS = "/v1/w3s/developer/wallets"
SETS = "/v1/w3s/developer/walletSets"


async def order(circle: Caller, wallet_set: str, **fields: object) -> dict[str, Any]:
    base = {"walletSetId": wallet_set, "blockchains": ["ETH-SEPOLIA"], "metadata": [{"refId": "a"}]}
    return await circle.signed(**{**base, **fields})


async def again(circle: Caller, body: dict[str, Any], path: str = WALLETS, **fields: object) -> Answer:
    fresh = {"entitySecretCiphertext": await circle.ciphertext()}
    return await circle.call("POST", path, json={**body, **fresh, **fields})


async def test_a_replay_returns_the_original_answer_with_200(tmp_path: Path) -> None:
    async with sandbox(tmp_path) as circle:
        body = await order(circle, await circle.new_set())
        first = await circle.call("POST", WALLETS, json=body)
        second = await again(circle, body)
        assert (first.status, second.status) == (201, 200)
        assert second.body == first.body
        assert len(await circle.wallets()) == 1


async def test_a_wallet_set_is_replayed_too(tmp_path: Path) -> None:
    async with sandbox(tmp_path) as circle:
        body = await circle.signed(name="ours")
        first = await circle.call("POST", SETS, json=body)
        second = await again(circle, body, SETS)
        assert (first.status, second.status) == (201, 200)
        assert second.body == first.body
        assert len((await circle.get("/v1/w3s/walletSets")).data["walletSets"]) == 1


async def test_a_used_key_with_another_body_is_156020(tmp_path: Path) -> None:
    async with sandbox(tmp_path) as circle:
        body = await order(circle, await circle.new_set())
        await circle.call("POST", WALLETS, json=body)
        for change in (
            {"metadata": [{"refId": "b"}]},
            {"blockchains": ["BASE-SEPOLIA"]},
            {"accountType": "SCA"},
            {"walletSetId": str(uuid4())},
        ):
            answer = await again(circle, body, **change)
            assert (answer.status, answer.code) == (409, 156020)
        other_call = await circle.create_set(idempotencyKey=body["idempotencyKey"])
        assert other_call.code == 156020
        assert len(await circle.wallets()) == 1


async def test_a_used_key_with_another_body_returns_the_original_by_switch(tmp_path: Path) -> None:
    async with sandbox(tmp_path, switches=Switches(other_body_gets_original=True)) as circle:
        body = await order(circle, await circle.new_set())
        first = await circle.call("POST", WALLETS, json=body)
        answer = await again(circle, body, metadata=[{"refId": "b"}])
        assert (answer.status, answer.body) == (200, first.body)


async def test_a_default_written_out_is_the_same_body(tmp_path: Path) -> None:
    async with sandbox(tmp_path) as circle:
        body = await order(circle, await circle.new_set())
        await circle.call("POST", WALLETS, json=body)
        assert (await again(circle, body, count=1, accountType="EOA")).status == 200


async def test_the_same_key_at_once_makes_one_wallet(tmp_path: Path) -> None:
    async with sandbox(tmp_path) as circle:
        body = await order(circle, await circle.new_set())
        answers = await asyncio.gather(*(again(circle, body) for _ in range(20)))
        assert sorted(answer.status for answer in answers) == [200] * 19 + [201]
        assert all(answer.body == answers[0].body for answer in answers)
        assert len(await circle.wallets()) == 1


async def test_keys_of_the_two_worlds_do_not_meet(tmp_path: Path) -> None:
    async with sandbox(tmp_path) as circle:
        body = await circle.signed(name="ours")
        await circle.call("POST", SETS, json=body)
        circle.api_key = "LIVE_API_KEY:id:secret"
        assert (await again(circle, body, SETS)).status == 201


async def test_a_refusal_does_not_consume_its_key(tmp_path: Path) -> None:
    async with sandbox(tmp_path) as circle:
        body = await order(circle, await circle.new_set())
        assert (await again(circle, body, blockchains=["DOGE"])).code == 155511
        assert (await circle.call("POST", WALLETS, json=body)).status == 201


async def test_a_refusal_consumes_its_key_by_switch(tmp_path: Path) -> None:
    async with sandbox(tmp_path, switches=Switches(failures_consume_keys=True)) as circle:
        body = await order(circle, await circle.new_set(), blockchains=["DOGE"])
        assert (await circle.call("POST", WALLETS, json=body)).code == 155511
        assert (await again(circle, body)).code == 155511
        assert (await again(circle, body, blockchains=["ETH-SEPOLIA"])).code == 156020
        assert await circle.wallets() == []


async def test_a_key_lives_for_ever(tmp_path: Path) -> None:
    clock = ManualClock()
    async with sandbox(tmp_path, clock=clock) as circle:
        body = await order(circle, await circle.new_set())
        await circle.call("POST", WALLETS, json=body)
        clock.advance(timedelta(days=400))
        assert (await again(circle, body)).status == 200


async def test_a_key_older_than_its_life_makes_a_second_wallet_by_switch(tmp_path: Path) -> None:
    clock = ManualClock()
    async with sandbox(tmp_path, clock=clock, switches=Switches(key_life=timedelta(hours=1))) as circle:
        body = await order(circle, await circle.new_set())
        first = await circle.call("POST", WALLETS, json=body)
        clock.advance(timedelta(minutes=60))
        assert (await again(circle, body)).status == 200
        clock.advance(timedelta(seconds=1))
        second = await again(circle, body)
        assert second.status == 201
        assert second.body != first.body
        assert len(await circle.wallets(refId="a")) == 2
        state = (await circle.get("/sandbox/state")).body["environments"]["test"]
        assert [entry["count"] for entry in state["references"]] == [2]
