"""A small Circle on a real socket that refuses whatever its contract doesn't allow, and fails on request.

It is this suite's own reading of Circle's contract: the client is never tested against itself.
"""

import asyncio
import base64
import hashlib
import json
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from types import TracebackType
from typing import Any, Self
from uuid import UUID, uuid4

from aiohttp import web
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

API_KEY = "TEST_API_KEY:4f2c:s3cr3t-part-of-the-key"
ENTITY_SECRET = "c0ffee00" * 8
WALLET_SET = UUID("11111111-1111-4111-8111-111111111111")
CREATE = "POST /v1/w3s/developer/wallets"
CREATE_SET = "POST /v1/w3s/developer/walletSets"
FIND = "GET /v1/w3s/wallets"
PUBLIC_KEY = "GET /v1/w3s/config/entity/publicKey"

CLOSING = web.AppKey("CLOSING", asyncio.Event)

Json = dict[str, Any]
Proceed = Callable[[], Awaitable[web.Response]]
Act = Callable[[web.Request, Proceed], Awaitable[web.StreamResponse]]

_CREATE_FIELDS = frozenset(
    {
        "idempotencyKey",
        "entitySecretCiphertext",
        "walletSetId",
        "blockchains",
        "accountType",
        "count",
        "metadata",
    }
)
_FIND_FIELDS = frozenset({"walletSetId", "blockchain", "refId", "order", "pageSize"})
_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"


@cache
def make_key(number: int) -> rsa.RSAPrivateKey:
    """Return one of a few keys, small so that a test starts fast."""
    del number
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


class _RefusedError(Exception):
    def __init__(self, status: int, code: int, message: str) -> None:
        super().__init__(message)
        self.response = refusal(status, code, message)


@dataclass(slots=True)
class Seen:
    """A request as it arrived."""

    call: str
    headers: Mapping[str, str]
    body: Json | None


@dataclass(slots=True)
class StrictCircle:
    """Its wallets and its memory of keys are plain attributes, for tests to look at and to change."""

    wallets: list[Json] = field(default_factory=list)
    seen: list[Seen] = field(default_factory=list)
    private_key: rsa.RSAPrivateKey = field(default_factory=lambda: make_key(0))
    base_url: str = ""
    _acts: defaultdict[str, deque[Act]] = field(default_factory=lambda: defaultdict(deque))
    _replies: dict[str, tuple[Json, Json]] = field(default_factory=dict)
    _ciphertexts: set[str] = field(default_factory=set)
    _runner: web.AppRunner | None = None

    async def __aenter__(self) -> Self:
        app = web.Application()
        app[CLOSING] = asyncio.Event()
        app.router.add_route("*", "/{path:.*}", self._serve)
        self._runner = web.AppRunner(app, shutdown_timeout=0)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        port = self._runner.addresses[0][1]
        self.base_url = f"http://127.0.0.1:{port}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._runner is not None
        assert self._runner.app is not None
        self._runner.app[CLOSING].set()
        await self._runner.cleanup()

    def next(self, call: str, *acts: Act) -> None:
        """Let the next requests of a call meet these acts, one each."""
        self._acts[call].extend(acts)

    def requests(self, call: str) -> list[Seen]:
        return [seen for seen in self.seen if seen.call == call]

    def forget_keys(self) -> None:
        """Let every idempotency key expire."""
        self._replies.clear()

    def rotate(self) -> None:
        """Take another key pair; what is encrypted with the old one is refused from now on."""
        self.private_key = make_key(1)

    def add_wallet(self, **fields: object) -> Json:
        """Hold a wallet that no request of this test made."""
        number = len(self.wallets)
        wallet = make_wallet(number, "ETH-SEPOLIA", "SCA", str(WALLET_SET), {"name": "n", "refId": "r"})
        wallet.update(fields)
        self.wallets.append(wallet)
        return wallet

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        call = f"{request.method} {request.path}"
        body = await request.json() if request.can_read_body else None
        self.seen.append(Seen(call=call, headers=request.headers, body=body))

        async def proceed() -> web.Response:
            try:
                return self._answer(call, request, body)
            except _RefusedError as error:
                return error.response

        acts = self._acts[call]
        response = await acts.popleft()(request, proceed) if acts else await proceed()
        if not response.prepared:
            response.headers.setdefault("X-Request-Id", f"circle-{len(self.seen)}")
        return response

    def _answer(self, call: str, request: web.Request, body: Json | None) -> web.Response:
        if call == "GET /ping":
            return web.json_response({"message": "pong"})
        if request.headers.get("Authorization") != f"Bearer {API_KEY}":
            raise _RefusedError(401, 401, "malformed authorization")
        match call:
            case "POST /v1/w3s/developer/wallets":
                return self._create(body or {})
            case "POST /v1/w3s/developer/walletSets":
                return self._create_set(body or {})
            case "GET /v1/w3s/wallets":
                return self._find(dict(request.query))
            case "GET /v1/w3s/config/entity/publicKey":
                return _data({"publicKey": public_pem(self.private_key)})
            case _ if call == f"GET /v1/w3s/walletSets/{WALLET_SET}":
                return _data({"walletSet": {"id": str(WALLET_SET), "custodyType": "DEVELOPER"}})
            case _:
                raise _RefusedError(404, 156005, "no such thing")

    def _create(self, body: Json) -> web.Response:
        _check(body.keys() == _CREATE_FIELDS, "fields")
        _check(1 <= body["count"] <= 200 and body["count"] == len(body["metadata"]), "count")
        _check(len(body["blockchains"]) == 1, "blockchains")
        _check(all(len(one["name"]) <= 50 and "(" not in one["name"] for one in body["metadata"]), "name")
        _check(all(len(one["refId"]) <= 100 for one in body["metadata"]), "refId")
        UUID(body["walletSetId"])
        return self._once(body, self._make_wallets)

    def _make_wallets(self, body: Json) -> Json:
        made = [
            make_wallet(
                len(self.wallets) + place,
                body["blockchains"][0],
                body["accountType"],
                body["walletSetId"],
                one,
            )
            for place, one in enumerate(body["metadata"])
        ]
        self.wallets.extend(made)
        return {"wallets": list(reversed(made))}

    def _create_set(self, body: Json) -> web.Response:
        _check(body.keys() == {"idempotencyKey", "entitySecretCiphertext", "name"}, "fields")
        made = {"id": str(WALLET_SET), "custodyType": "DEVELOPER", "createDate": "2026-01-01T00:00:00Z"}
        return self._once(body, lambda _: {"walletSet": made})

    def _once(self, body: Json, make: Callable[[Json], Json]) -> web.Response:
        _check(UUID(body["idempotencyKey"]).version == 4, "idempotencyKey")
        self._open_secret(body["entitySecretCiphertext"])
        asked = {name: value for name, value in body.items() if name != "entitySecretCiphertext"}
        known = self._replies.get(body["idempotencyKey"])
        if known is not None and known[0] != asked:
            raise _RefusedError(409, 156020, "use a new idempotency key")
        if known is not None:
            return _data(known[1])
        made = make(body)
        self._replies[body["idempotencyKey"]] = (asked, made)
        return _data(made, status=201)

    def _open_secret(self, ciphertext: str) -> None:
        if ciphertext in self._ciphertexts:
            raise _RefusedError(409, 156004, "the ciphertext was used before")
        oaep = padding.OAEP(mgf=padding.MGF1(hashes.SHA256()), algorithm=hashes.SHA256(), label=None)
        try:
            secret = self.private_key.decrypt(base64.b64decode(ciphertext), oaep)
        except ValueError:
            raise _RefusedError(400, 156013, "the entity secret is invalid") from None
        if secret != bytes.fromhex(ENTITY_SECRET):
            raise _RefusedError(400, 156013, "the entity secret is invalid")
        self._ciphertexts.add(ciphertext)

    def _find(self, query: dict[str, str]) -> web.Response:
        _check(query.keys() <= _FIND_FIELDS and int(query.get("pageSize", "10")) <= 50, "query")
        names = ("walletSetId", "blockchain", "refId")
        hits = [one for one in self.wallets if all(one[name] == query.get(name, one[name]) for name in names)]
        hits.sort(key=lambda one: str(one["createDate"]), reverse=query.get("order", "DESC") == "DESC")
        return _data({"wallets": hits[: int(query.get("pageSize", "10"))]})


def refuse(status: int, code: int | None = None, **headers: str) -> Act:
    """Answer an error and do nothing."""

    async def act(_request: web.Request, _proceed: Proceed) -> web.StreamResponse:
        return refusal(status, code, "by order of the test", headers)

    return act


def refuse_after_commit(status: int) -> Act:
    """Do what was asked, and answer an error."""

    async def act(_request: web.Request, proceed: Proceed) -> web.StreamResponse:
        await proceed()
        return refusal(status, None, "by order of the test")

    return act


async def cut(request: web.Request, _proceed: Proceed) -> web.StreamResponse:
    """Break the connection before anything is done."""
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


async def cut_after_commit(request: web.Request, proceed: Proceed) -> web.StreamResponse:
    """Do what was asked, and break the connection."""
    await proceed()
    return await cut(request, proceed)


async def truncate(request: web.Request, proceed: Proceed) -> web.StreamResponse:
    """Do what was asked, and break the connection in the middle of the answer."""
    done = await proceed()
    whole = done.body
    assert isinstance(whole, bytes)
    response = web.StreamResponse(status=done.status, headers={"Content-Length": str(len(whole))})
    await response.prepare(request)
    await response.write(whole[: len(whole) // 2])
    return await cut(request, proceed)


async def hang(request: web.Request, proceed: Proceed) -> web.StreamResponse:
    """Do what was asked, and never answer."""
    await proceed()
    await request.app[CLOSING].wait()
    return web.Response()


def say(body: bytes, status: int = 200) -> Act:
    """Answer these bytes and do nothing."""

    async def act(_request: web.Request, _proceed: Proceed) -> web.StreamResponse:
        return web.Response(body=body, status=status)

    return act


def alter(change: Callable[[Json], object]) -> Act:
    """Do what was asked, and answer it with a change to its `data`."""

    async def act(_request: web.Request, proceed: Proceed) -> web.StreamResponse:
        done = await proceed()
        assert isinstance(done.body, bytes)
        data = json.loads(done.body)["data"]
        change(data)
        return _data(data, status=done.status)

    return act


def refusal(
    status: int, code: int | None, message: str, headers: dict[str, str] | None = None
) -> web.Response:
    body: Json = {"message": message} if code is None else {"code": code, "message": message}
    sent = {name.replace("_", "-"): value for name, value in (headers or {}).items()}
    return web.json_response(body, status=status, headers=sent)


def make_wallet(number: int, blockchain: str, account_type: str, wallet_set: str, metadata: Json) -> Json:
    at = f"2026-01-01T{number // 3600:02}:{number // 60 % 60:02}:{number % 60:02}Z"
    wallet = {
        "id": str(uuid4()),
        "state": "LIVE",
        "walletSetId": wallet_set,
        "custodyType": "DEVELOPER",
        "address": make_address(number, blockchain),
        "blockchain": blockchain,
        "accountType": account_type,
        "createDate": at,
        "updateDate": at,
        "name": metadata["name"],
        "refId": metadata["refId"],
        "somethingNew": {"of": "Circle's"},
    }
    return wallet | ({"scaCore": "circle_6900_singleowner_v3"} if account_type == "SCA" else {})


def make_address(number: int, blockchain: str) -> str:
    digest = hashlib.sha256(f"{blockchain}/{number}".encode()).digest()
    match blockchain.split("-", maxsplit=1)[0]:
        case "SOL":
            return base58(digest)
        case "APTOS":
            return "0x" + digest.hex()
        case "NEAR":
            return digest.hex()
        case _:
            return "0x" + digest.hex()[:40]


def base58(raw: bytes) -> str:
    number, text = int.from_bytes(raw), ""
    while number:
        number, rest = divmod(number, 58)
        text = _BASE58[rest] + text
    return "1" * (len(raw) - len(raw.lstrip(b"\0"))) + text


def public_pem(key: rsa.RSAPrivateKey) -> str:
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return key.public_key().public_bytes(serialization.Encoding.PEM, form).decode()


def _data(data: Json, status: int = 200) -> web.Response:
    return web.json_response({"data": data}, status=status)


def _check(is_right: object, what: str) -> None:
    if not is_right:
        raise _RefusedError(400, 2, f"{what} is invalid")
