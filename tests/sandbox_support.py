"""A sandbox to test, and a plain client that knows nothing of ours: aiohttp and an RSA library."""

import base64
import functools
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from types import MappingProxyType
from typing import Any
from uuid import uuid4

import aiohttp
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from wallet_provisioning.clock import Clock
from wallet_provisioning.http.sandbox.app import create_app
from wallet_provisioning.http.sandbox.options import SandboxOptions
from wallet_provisioning.http.sandbox.records import KeyPairMade, encode
from wallet_provisioning.http.sandbox.secret import make_private_pem
from wallet_provisioning.http.sandbox.serve import listening
from wallet_provisioning.telemetry.events import Event

TEST_KEY = "TEST_API_KEY:11111111-2222-4333-8444-555555555555:abcdef"
LIVE_KEY = "LIVE_API_KEY:11111111-2222-4333-8444-555555555555:abcdef"
SECRET = "5a" * 32
OAEP = padding.OAEP(mgf=padding.MGF1(hashes.SHA256()), algorithm=hashes.SHA256(), label=None)
REQUEST_ID = "X-Request-Id"


def repeatable(seed: object) -> Random:
    """Return a chance that is the same in every run."""
    return Random(str(seed))


@functools.cache
def key_pair() -> KeyPairMade:
    """Return one key pair for the whole run: making one takes a second."""
    return KeyPairMade(private_pem=make_private_pem())


def seeded_state(folder: Path) -> Path:
    """Return a state file that holds the run's key pair and nothing else."""
    path = folder / f"sandbox-{uuid4()}.jsonl"
    path.write_bytes(encode(key_pair()) + b"\n")
    return path


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: Any

    @property
    def data(self) -> Any:
        """The success's content."""
        assert set(self.body) == {"data"}, self.body
        return self.body["data"]

    @property
    def code(self) -> int:
        """Circle's error code."""
        assert set(self.body) <= {"code", "message", "errors"}, self.body
        assert isinstance(self.body["message"], str)
        return int(self.body["code"])

    @property
    def blamed(self) -> dict[str, str]:
        """The fields to blame, with the rule that each broke."""
        return {error["location"]: error["error"] for error in self.body["errors"]}


@dataclass
class Caller:
    """A client of the API in plain words."""

    session: aiohttp.ClientSession
    base_url: str
    api_key: str | None = TEST_KEY
    secret: str = SECRET
    events: list[Event] = field(default_factory=list)
    public_key: rsa.RSAPublicKey | None = None

    async def call(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] = MappingProxyType({}),
        **options: Any,
    ) -> Answer:
        """Send one request."""
        sent = {**({"Authorization": f"Bearer {self.api_key}"} if self.api_key else {}), **headers}
        async with self.session.request(method, self.base_url + path, headers=sent, **options) as response:
            assert response.content_type == "application/json"
            return Answer(response.status, dict(response.headers), await response.json())

    async def get(self, path: str, **params: object) -> Answer:
        """Send a GET with these parameters."""
        shown = {name: str(value) for name, value in params.items()}
        return await self.call("GET", path, params=shown)

    async def ciphertext(self, secret: str | None = None) -> str:
        """Encrypt the entity secret afresh."""
        if self.public_key is None:
            answer = await self.get("/v1/w3s/config/entity/publicKey")
            key = serialization.load_pem_public_key(answer.data["publicKey"].encode())
            assert isinstance(key, rsa.RSAPublicKey)
            self.public_key = key
        plain = bytes.fromhex(secret or self.secret)
        return base64.b64encode(self.public_key.encrypt(plain, OAEP)).decode()

    async def signed(self, **fields: object) -> dict[str, Any]:
        """Return a body with a fresh key and a fresh ciphertext, unless told otherwise."""
        body = {"idempotencyKey": str(uuid4()), **fields}
        if "entitySecretCiphertext" not in body:
            body["entitySecretCiphertext"] = await self.ciphertext()
        return {name: value for name, value in body.items() if value is not ...}

    async def create_set(self, **fields: object) -> Answer:
        """Create a wallet set."""
        return await self.call("POST", "/v1/w3s/developer/walletSets", json=await self.signed(**fields))

    async def new_set(self) -> str:
        """Create a wallet set that must work, and return its id."""
        answer = await self.create_set(name="ours")
        assert answer.status == 201, answer.body
        return str(answer.data["walletSet"]["id"])

    async def create_wallets(self, wallet_set_id: str, *references: str, **fields: object) -> Answer:
        """Create a wallet for each reference, on ETH-SEPOLIA unless told otherwise."""
        order = {
            "walletSetId": wallet_set_id,
            "blockchains": ["ETH-SEPOLIA"],
            "accountType": "EOA",
            "count": len(references),
            "metadata": [{"name": f"wallet {ref}", "refId": ref} for ref in references],
        }
        body = await self.signed(**{**order, **fields})
        return await self.call("POST", "/v1/w3s/developer/wallets", json=body)

    async def wallets(self, **params: object) -> list[Any]:
        """List the wallets that match; a page of them."""
        return list((await self.get("/v1/w3s/wallets", **params)).data["wallets"])

    async def set_faults(self, *faults: Mapping[str, Any]) -> None:
        """Put faults in force."""
        answer = await self.call("PUT", "/sandbox/faults", json={"faults": list(faults)})
        assert answer.status == 200, answer.body


@asynccontextmanager
async def sandbox(
    folder: Path,
    *,
    clock: Clock | None = None,
    state: Path | None = None,
    **fields: Any,
) -> AsyncIterator[Caller]:
    """Run a sandbox on a free port in this loop; without rate limits unless told otherwise."""
    options = SandboxOptions(
        **{"port": 0, "rate_limits": False, "state": state or seeded_state(folder), **fields}
    )
    events: list[Event] = []
    app = create_app(options, clock=clock, chance=repeatable(7), emit=events.append)
    async with listening(app, options) as base_url, aiohttp.ClientSession() as session:
        yield Caller(session=session, base_url=base_url, events=events)


def by_reference(wallets: list[Any], field_name: str = "address") -> dict[tuple[str, str], str]:
    """Return one field of wallets by (refId, blockchain)."""
    return {(wallet["refId"], wallet["blockchain"]): wallet[field_name] for wallet in wallets}
