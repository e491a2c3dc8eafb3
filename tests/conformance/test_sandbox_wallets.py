from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from tests.sandbox_support import LIVE_KEY, by_reference, sandbox
from wallet_provisioning.http.sandbox.options import Switches


async def test_a_wallet_set_is_made_and_found(tmp_path: Path) -> None:
    async with sandbox(tmp_path) as circle:
        answer = await circle.create_set(name="ours")
        assert answer.status == 201
        made = answer.data["walletSet"]
        assert set(made) == {"id", "custodyType", "createDate", "updateDate"}
        assert made["custodyType"] == "DEVELOPER"
        found = await circle.get(f"/v1/w3s/walletSets/{made['id']}")
        assert (found.status, found.data) == (200, {"walletSet": made})


async def test_a_wallet_set_shows_its_name_by_switch(tmp_path: Path) -> None:
    async with sandbox(tmp_path, switches=Switches(shows_set_name=True)) as circle:
        assert (await circle.create_set(name="ours")).data["walletSet"]["name"] == "ours"
        assert "name" not in (await circle.create_set()).data["walletSet"]


async def test_an_unknown_wallet_set_is_156005(tmp_path: Path) -> None:
    async with sandbox(tmp_path) as circle:
        answer = await circle.get(f"/v1/w3s/walletSets/{uuid4()}")
        assert (answer.status, answer.code) == (404, 156005)
        answer = await circle.create_wallets(str(uuid4()), "a")
        assert (answer.status, answer.code) == (404, 156005)


async def test_one_call_makes_count_times_blockchains_in_one_flat_list(tmp_path: Path) -> None:
    async with sandbox(tmp_path) as circle:
        wallet_set = await circle.new_set()
        chains = ["ETH-SEPOLIA", "SOL-DEVNET", "BASE-SEPOLIA", "APTOS-TESTNET"]
        answer = await circle.create_wallets(wallet_set, "a", "b", "c", blockchains=chains)
        assert answer.status == 201
        wallets = answer.data["wallets"]
        assert len(wallets) == 12
        assert set(by_reference(wallets)) == {(ref, chain) for ref in "abc" for chain in chains}
        for wallet in wallets:
            UUID(wallet["id"])
            assert wallet["state"] == "LIVE"
            assert wallet["walletSetId"] == wallet_set
            assert wallet["custodyType"] == "DEVELOPER"
            assert wallet["accountType"] == "EOA"
            assert wallet["name"] == f"wallet {wallet['refId']}"
            assert "scaCore" not in wallet


async def test_evm_wallets_share_an_address_within_one_call_only(tmp_path: Path) -> None:
    async with sandbox(tmp_path) as circle:
        wallet_set = await circle.new_set()
        chains = ["ETH-SEPOLIA", "BASE-SEPOLIA", "SOL-DEVNET"]
        first = by_reference(
            (await circle.create_wallets(wallet_set, "a", "b", blockchains=chains)).data["wallets"]
        )
        assert first["a", "ETH-SEPOLIA"] == first["a", "BASE-SEPOLIA"]
        assert first["a", "ETH-SEPOLIA"] != first["b", "ETH-SEPOLIA"]
        later = (await circle.create_wallets(wallet_set, "a", blockchains=["OP-SEPOLIA"])).data["wallets"][0]
        assert later["address"] not in first.values()


async def test_a_contract_account_names_its_core(tmp_path: Path) -> None:
    async with sandbox(tmp_path) as circle:
        answer = await circle.create_wallets(await circle.new_set(), "a", accountType="SCA")
        wallet = answer.data["wallets"][0]
        assert wallet["accountType"] == "SCA"
        assert await circle.wallets(scaCore=wallet["scaCore"]) == [wallet]
        assert await circle.wallets(scaCore="another") == []


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"blockchains": ["DOGE"]}, 155511),
        ({"blockchains": ["ETH"]}, 156006),
        ({"blockchains": ["SOL-DEVNET"], "accountType": "SCA"}, 155507),
        ({"blockchains": ["ETH-SEPOLIA", "APTOS-TESTNET"], "accountType": "SCA"}, 155507),
        ({"blockchains": ["EVM-TESTNET"], "accountType": "SCA"}, 155507),
        ({"count": 2}, 155503),
        ({"metadata": []}, 155503),
        ({"count": 0}, 2),
        ({"count": 201, "metadata": [{"refId": "a"}] * 201}, 2),
        ({"idempotencyKey": "job-7"}, 2),
        ({"blockchain": "ETH-SEPOLIA"}, 2),
        ({"walletSetId": "ours"}, 2),
    ],
)
async def test_a_wrong_order_makes_nothing(tmp_path: Path, fields: dict[str, Any], code: int) -> None:
    async with sandbox(tmp_path) as circle:
        answer = await circle.create_wallets(await circle.new_set(), "a", **fields)
        assert (answer.status, answer.code) == (400, code)
        assert ("errors" in answer.body) == (code == 2)
        assert await circle.wallets() == []


async def test_statuses_can_be_switched(tmp_path: Path) -> None:
    switches = Switches(http_status={155511: 422, 156004: 400})
    async with sandbox(tmp_path, switches=switches) as circle:
        answer = await circle.create_wallets(await circle.new_set(), "a", blockchains=["DOGE"])
        assert (answer.status, answer.code) == (422, 155511)


async def test_a_live_key_has_a_world_of_its_own(tmp_path: Path) -> None:
    async with sandbox(tmp_path) as circle:
        test_set = await circle.new_set()
        circle.api_key = LIVE_KEY
        assert (await circle.create_wallets(test_set, "a", blockchains=["ETH"])).code == 156005
        live_set = await circle.new_set()
        assert (await circle.create_wallets(live_set, "a")).code == 156006
        assert (await circle.create_wallets(live_set, "a", blockchains=["ETH"])).status == 201
        assert (await circle.get("/v1/w3s/wallets", blockchain="ETH-SEPOLIA")).code == 156006
        assert len(await circle.wallets(blockchain="ETH")) == 1


async def test_wallets_need_no_metadata(tmp_path: Path) -> None:
    async with sandbox(tmp_path) as circle:
        wallet_set = await circle.new_set()
        answer = await circle.create_wallets(wallet_set, metadata=..., count=...)
        assert len(answer.data["wallets"]) == 1
        assert not {"name", "refId"} & set(answer.data["wallets"][0])


async def test_absent_metadata_may_come_blank_and_answers_backwards(tmp_path: Path) -> None:
    switches = Switches(blank_metadata=True, reverses_wallets=True)
    async with sandbox(tmp_path, switches=switches) as circle:
        wallet_set = await circle.new_set()
        answer = await circle.create_wallets(wallet_set, "a", "b", metadata=[{"refId": "a"}, {"name": "n"}])
        shown = [(wallet["name"], wallet["refId"]) for wallet in answer.data["wallets"]]
        assert shown == [("n", ""), ("", "a")]


async def test_a_full_set_takes_no_more(tmp_path: Path) -> None:
    async with sandbox(tmp_path, wallets_per_set=3) as circle:
        wallet_set = await circle.new_set()
        assert (await circle.create_wallets(wallet_set, "a", "b")).status == 201
        assert (await circle.create_wallets(wallet_set, "c", "d")).code == 155502
        assert (await circle.create_wallets(wallet_set, "c")).status == 201
        assert (await circle.create_wallets(await circle.new_set(), "d")).status == 201


async def test_two_hundred_wallets_come_in_one_call(tmp_path: Path) -> None:
    async with sandbox(tmp_path) as circle:
        references = [f"r{number}" for number in range(200)]
        answer = await circle.create_wallets(await circle.new_set(), *references)
        assert [wallet["refId"] for wallet in answer.data["wallets"]] == references
        assert len({wallet["address"] for wallet in answer.data["wallets"]}) == 200


async def test_a_single_wallet_is_found_by_id(tmp_path: Path) -> None:
    async with sandbox(tmp_path) as circle:
        wallet = (await circle.create_wallets(await circle.new_set(), "a")).data["wallets"][0]
        found = await circle.get(f"/v1/w3s/wallets/{wallet['id']}")
        assert found.data == {"wallet": wallet}
        assert (await circle.get(f"/v1/w3s/wallets/{uuid4()}")).code == 156001
        wrong = await circle.get("/v1/w3s/wallets/mine")
        assert (wrong.status, wrong.code, wrong.blamed) == (400, 2, {"id": "uuid"})


async def test_a_wallet_gets_another_name_and_reference(tmp_path: Path) -> None:
    async with sandbox(tmp_path) as circle:
        wallet_set = await circle.new_set()
        body = await circle.signed(
            walletSetId=wallet_set, blockchains=["SOL-DEVNET"], metadata=[{"refId": "a"}]
        )
        path = "/v1/w3s/developer/wallets"
        wallet = (await circle.call("POST", path, json=body)).data["wallets"][0]
        changed = await circle.call("PUT", f"/v1/w3s/wallets/{wallet['id']}", json={"refId": "z"})
        assert changed.data["wallet"]["refId"] == "z"
        assert changed.data["wallet"]["address"] == wallet["address"]
        assert await circle.wallets(refId="a") == []
        assert await circle.wallets(refId="z") == [changed.data["wallet"]]
        body["entitySecretCiphertext"] = await circle.ciphertext()
        replay = await circle.call("POST", path, json=body)
        assert (replay.status, replay.data["wallets"]) == (200, [wallet])
        assert (await circle.call("PUT", f"/v1/w3s/wallets/{uuid4()}", json={})).code == 156001
