"""A client written from Circle's documentation alone, with httpx: it must work against the sandbox unchanged.

Nothing of our client and nothing of the other tests' helpers is used but the process that serves.
"""

import base64
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from tests.sandbox_support import sandbox

API_KEY = "TEST_API_KEY:ebb3ad72232624921abc4b162148bb84:019ef3358ef9cd6d08fc32csfe89a68d"
SECRET = bytes(range(32))
WALLET = {"id", "state", "walletSetId", "custodyType", "address", "blockchain", "accountType"} | {
    "createDate",
    "updateDate",
}
FORMS = {
    "EVM": r"0x[0-9a-f]{40}",
    "SOL": r"[1-9A-HJ-NP-Za-km-z]{32,44}",
    "APTOS": r"0x[0-9a-f]{64}",
    "NEAR": r"[0-9a-f]{64}",
}
TESTNETS = [
    *("ETH-SEPOLIA", "AVAX-FUJI", "MATIC-AMOY", "ARB-SEPOLIA", "UNI-SEPOLIA", "BASE-SEPOLIA", "OP-SEPOLIA"),
    *("ARC-TESTNET", "MONAD-TESTNET", "EVM-TESTNET", "SOL-DEVNET", "APTOS-TESTNET", "NEAR-TESTNET"),
]
EOA_ONLY = {"SOL-DEVNET", "APTOS-TESTNET", "NEAR-TESTNET", "EVM-TESTNET"}


@dataclass
class Integrator:
    """Somebody's integration, by the book."""

    http: httpx.AsyncClient

    async def ciphertext(self) -> str:
        answer = await self.http.get("/v1/w3s/config/entity/publicKey")
        key = serialization.load_pem_public_key(answer.json()["data"]["publicKey"].encode())
        assert isinstance(key, rsa.RSAPublicKey)
        assert key.key_size == 4096
        oaep = padding.OAEP(mgf=padding.MGF1(hashes.SHA256()), algorithm=hashes.SHA256(), label=None)
        sealed = base64.b64encode(key.encrypt(SECRET, oaep)).decode()
        assert len(sealed) == 684
        return sealed

    async def post(self, what: str, **body: object) -> httpx.Response:
        signed = {"idempotencyKey": str(uuid4()), "entitySecretCiphertext": await self.ciphertext(), **body}
        return await self.http.post(f"/v1/w3s/developer/{what}", json=signed)

    async def new_set(self) -> str:
        answer = await self.post("walletSets", name="Customers")
        assert answer.status_code == 201
        return str(answer.json()["data"]["walletSet"]["id"])


@pytest.fixture
async def integrator(tmp_path: Path) -> AsyncIterator[Integrator]:
    async with sandbox(tmp_path) as circle:
        headers = {"Authorization": f"Bearer {API_KEY}"}
        async with httpx.AsyncClient(base_url=circle.base_url, headers=headers, trust_env=False) as http:
            yield Integrator(http)


def refusal(answer: httpx.Response) -> tuple[int, int]:
    body = answer.json()
    assert body.keys() <= {"code", "message", "errors"}
    return answer.status_code, body["code"]


async def test_from_the_first_call_to_a_wallet(integrator: Integrator) -> None:
    http = integrator.http
    assert (await http.get("/ping", headers={"Authorization": ""})).json() == {"message": "pong"}
    wallet_set = await integrator.new_set()
    metadata = [{"name": f"Customer {number}", "refId": f"customer-{number}"} for number in range(3)]
    order: dict[str, Any] = {
        "idempotencyKey": str(uuid4()),
        "walletSetId": wallet_set,
        "blockchains": ["ETH-SEPOLIA", "BASE-SEPOLIA"],
        "accountType": "SCA",
        "count": 3,
        "metadata": metadata,
    }
    made = await integrator.post("wallets", **order)
    wallets = made.json()["data"]["wallets"]
    assert (made.status_code, len(wallets)) == (201, 6)
    assert len({UUID(wallet["id"]) for wallet in wallets}) == 6
    assert all(wallet.keys() == WALLET | {"scaCore", "name", "refId"} for wallet in wallets)
    shared = {(wallet["refId"], wallet["address"]) for wallet in wallets}
    addresses = {address for _, address in shared}
    assert len(shared) == len(addresses) == 3
    again = await integrator.post("wallets", **order)
    assert (again.status_code, again.json()) == (200, made.json())
    other = await integrator.post("wallets", **{**order, "count": 1, "metadata": metadata[:1]})
    assert refusal(other) == (409, 156020)
    later = await integrator.post("wallets", **{**order, "idempotencyKey": str(uuid4())})
    assert not {one["address"] for one in later.json()["data"]["wallets"]} & addresses


@pytest.mark.parametrize("blockchain", TESTNETS)
async def test_every_blockchain_of_the_enum_has_wallets(integrator: Integrator, blockchain: str) -> None:
    wallet_set = await integrator.new_set()
    account = "EOA" if blockchain in EOA_ONLY else "SCA"
    wanted = {"walletSetId": wallet_set, "blockchains": [blockchain], "count": 2}
    answer = await integrator.post("wallets", **wanted, accountType=account)
    family = blockchain.split("-", maxsplit=1)[0]
    for wallet in answer.json()["data"]["wallets"]:
        assert re.fullmatch(FORMS.get(family, FORMS["EVM"]), wallet["address"])
        assert (wallet["state"], wallet["custodyType"]) == ("LIVE", "DEVELOPER")
        assert (wallet["accountType"], "scaCore" in wallet) == (account, account == "SCA")
        assert not {"name", "refId"} & wallet.keys()
        assert wallet["createDate"] == datetime.fromisoformat(wallet["createDate"]).strftime(
            "%Y-%m-%dT%H:%M:%SZ"
        )
    if blockchain in EOA_ONLY:
        assert refusal(await integrator.post("wallets", **wanted, accountType="SCA")) == (400, 155507)
    mainnet = {**wanted, "blockchains": [family]}
    assert refusal(await integrator.post("wallets", **mainnet, accountType="EOA")) == (400, 156006)


async def test_pages_are_followed_by_their_links_alone(integrator: Integrator) -> None:
    wallet_set = await integrator.new_set()
    await integrator.post("wallets", walletSetId=wallet_set, blockchains=["SOL-DEVNET"], count=23)
    seen: list[str] = []
    url: str | None = "/v1/w3s/wallets?pageSize=10&order=ASC"
    sizes, relations, links = [], [], {}
    while url is not None:
        answer = await integrator.http.get(url)
        wallets = answer.json()["data"]["wallets"]
        seen += [wallet["id"] for wallet in wallets]
        sizes.append(len(wallets))
        links = answer.links
        relations.append(set(links))
        url = links.get("next", {}).get("url")
    assert sizes == [10, 10, 3]
    assert relations == [
        {"self", "first", "next"},
        {"self", "first", "next", "prev"},
        {"self", "first", "prev"},
    ]
    assert len(set(seen)) == 23
    first = await integrator.http.get(links["first"]["url"])
    assert first.json()["data"]["wallets"][0]["id"] == seen[0]


@pytest.mark.parametrize(
    ("change", "field", "rule"),
    [
        ({"blockchain": "ETH-SEPOLIA"}, "blockchain", "unknown"),
        ({"blockchains": None}, "blockchains", "tuple_type"),
        ({"idempotencyKey": "17"}, "idempotencyKey", "uuid"),
        ({"idempotencyKey": "6ba7b810-9dad-11d1-80b4-00c04fd430c8"}, "idempotencyKey", "uuid4"),
        ({"count": 201}, "count", "max"),
        ({"count": "2"}, "count", "int_type"),
        ({"accountType": "MPC"}, "accountType", "oneof"),
        ({"metadata": [{"name": "Ann (VIP)"}]}, "metadata[0].name", "parentheses"),
        ({"metadata": [{"name": "n" * 51}]}, "metadata[0].name", "max_length"),
        ({"metadata": [{"refId": "r" * 101}]}, "metadata[0].refId", "max_length"),
        ({"metadata": [{"refid": "r"}]}, "metadata[0].refid", "unknown"),
    ],
)
async def test_a_field_that_is_wrong_is_named_and_nothing_is_made(
    integrator: Integrator, change: dict[str, object], field: str, rule: str
) -> None:
    order = {"walletSetId": await integrator.new_set(), "blockchains": ["ETH-SEPOLIA"]}
    answer = await integrator.post("wallets", **{**order, **change})
    assert refusal(answer) == (400, 2)
    (error,) = answer.json()["errors"]
    assert error.keys() == {"error", "message", "location", "invalidValue", "constraints"}
    assert (error["location"], error["error"]) == (field, rule)
    assert (await integrator.http.get("/v1/w3s/wallets")).json()["data"]["wallets"] == []


async def test_wallets_are_renamed_and_then_found_by_their_new_reference(integrator: Integrator) -> None:
    wallet_set = await integrator.new_set()
    made = await integrator.post(
        "wallets", walletSetId=wallet_set, blockchains=["NEAR-TESTNET"], metadata=[{"refId": "a"}]
    )
    (wallet,) = made.json()["data"]["wallets"]
    path = f"/v1/w3s/wallets/{wallet['id']}"
    changed = await integrator.http.put(path, json={"name": "New", "refId": "b"})
    assert changed.json()["data"]["wallet"] | {"updateDate": 0} == wallet | {
        "name": "New",
        "refId": "b",
        "updateDate": 0,
    }
    assert (await integrator.http.get("/v1/w3s/wallets?refId=a")).json()["data"]["wallets"] == []
    assert (await integrator.http.get(path)).json()["data"]["wallet"]["refId"] == "b"
    assert refusal(await integrator.http.put(path, json={"state": "FROZEN"})) == (400, 2)


async def test_requests_are_named_and_keys_are_refused(integrator: Integrator) -> None:
    http, mine = integrator.http, str(uuid4())
    assert (await http.get("/v1/w3s/wallets", headers={"X-Request-Id": mine})).headers["X-Request-Id"] == mine
    assert UUID((await http.get("/v1/w3s/nothing")).headers["X-Request-Id"]).version == 4
    assert refusal(await http.get("/v1/w3s/developer/wallets")) == (404, -1)
    for header, code in (("", 401), ("Bearer nonsense", 401), (API_KEY, 401), ("Basic x", 401)):
        assert refusal(await http.get("/v1/w3s/wallets", headers={"Authorization": header})) == (401, code)
