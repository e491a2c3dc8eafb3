"""A Circle on the manual clock: it keeps its contract, and its network does what networks do.

What has arrived is done at its own time, whoever waits for the answer or lives to hear it. It counts its
wallets by itself, by (refId, blockchain), and notes whatever no client may do.
"""

import asyncio
import hashlib
import heapq
import json
from collections import Counter
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cache
from itertools import count
from random import Random
from typing import Any
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from wallet_provisioning.clock import ManualClock
from wallet_provisioning.http.circle.answers import Certainty
from wallet_provisioning.http.circle.protocol import Answer, Call, Operation
from wallet_provisioning.http.circle.transport import LostError
from wallet_provisioning.jobs.errors import ErrorType

READ_TIMEOUT = timedelta(seconds=10)
_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"

Json = dict[str, Any]


class Fate(StrEnum):
    """What becomes of one call. `before` and `after` are meant of what Circle does for it.

    `limited_for` names a `Retry-After`, `limited` none. `wrong`: of the wallets that were made, the answer
    shows one as nobody ordered it.
    """

    WELL = "well"
    UNREACHABLE = "unreachable"
    CUT_BEFORE = "cut_before"
    CUT_AFTER = "cut_after"
    ERROR_BEFORE = "error_before"
    ERROR_AFTER = "error_after"
    SLOW = "slow"
    TIMEOUT_BEFORE = "timeout_before"
    LIMITED = "limited"
    LIMITED_FOR = "limited_for"
    LOCKED_OUT = "locked_out"
    WRONG = "wrong"


_ARRIVES = frozenset({Fate.WELL, Fate.CUT_AFTER, Fate.ERROR_AFTER, Fate.SLOW, Fate.WRONG})
TROUBLES: dict[Fate, float] = {
    Fate.UNREACHABLE: 2,
    Fate.CUT_BEFORE: 3,
    Fate.CUT_AFTER: 4,
    Fate.ERROR_BEFORE: 3,
    Fate.ERROR_AFTER: 4,
    Fate.SLOW: 4,
    Fate.TIMEOUT_BEFORE: 2,
    Fate.LIMITED: 1,
    Fate.LIMITED_FOR: 1,
    Fate.LOCKED_OUT: 0.3,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Weather:
    """How Circle and its network behave: `trouble` is the share of calls that go wrong, until `clears`.

    `fates` are those of single calls, by their number from 1, and come before `trouble`.
    `burns_keys`: a call that failed before it did anything uses its key up all the same.
    `refuses_used_keys`: a repeat is told that the key was used, not what came of it.
    """

    trouble: float = 0.0
    fates: Mapping[int, Fate] = field(default_factory=dict)
    clears: timedelta = timedelta(minutes=3)
    burns_keys: bool = False
    refuses_used_keys: bool = False
    list_lag: timedelta = timedelta()
    key_life: timedelta | None = None


@dataclass(slots=True)
class _Key:
    """What an idempotency key stands for; `wallets` None where it was used up by a failure."""

    body: str
    answer: Json | None
    at: datetime
    call: Call | None = None


@dataclass(slots=True)
class SimCircle:
    """The service. `violations` lists what clients did against the contract."""

    clock: ManualClock
    chance: Random
    weather: Weather = field(default_factory=Weather)
    wallets: list[Json] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)
    calls: Counter[str] = field(default_factory=Counter)
    fates: Counter[Fate] = field(default_factory=Counter)
    posts: Counter[str] = field(default_factory=Counter)
    refused_keys: int = 0
    _keys: dict[str, _Key] = field(default_factory=dict)
    _ciphertexts: set[str] = field(default_factory=set)
    _coming: list[tuple[datetime, int, Call]] = field(default_factory=list)
    _number: "count[int]" = field(default_factory=count)

    # The network.

    async def exchange(self, call: Call) -> Answer:
        """Carry a call there and its answer back, or lose one of them."""
        self.calls[call.operation] += 1
        fate = self._draw_fate(call)
        self.fates[fate] += 1
        if fate is Fate.UNREACHABLE:
            raise LostError(ErrorType.NETWORK, Certainty.NOT_SENT, "ConnectError: refused")
        await self._pass_time(0.05)
        if fate is Fate.TIMEOUT_BEFORE:
            await asyncio.sleep(READ_TIMEOUT.total_seconds())
        if fate in _ARRIVES and call.method == "POST":
            self._note_use(call)
            work = self.chance.uniform(0, 25 if fate is Fate.SLOW else 0.3)
            heapq.heappush(self._coming, (self._in(work), next(self._number), call))
            await self._pass_time(work, most=READ_TIMEOUT.total_seconds())
        await self._pass_time(0.05)
        return self._end(call, fate)

    def _draw_fate(self, call: Call) -> Fate:
        planned = self.weather.fates.get(self.calls.total())
        is_clear = self.clock.monotonic() >= self.weather.clears
        if planned is not None:
            fate = planned
        elif is_clear or self.chance.random() >= self.weather.trouble:
            fate = Fate.WELL
        else:
            fate = draw_fate(self.chance)
        is_spared = fate is Fate.WRONG and call.operation is not Operation.CREATE_WALLET
        return Fate.WELL if is_spared else fate

    def _end(self, call: Call, fate: Fate) -> Answer:
        match fate:
            case Fate.CUT_BEFORE | Fate.CUT_AFTER:
                raise LostError(ErrorType.NETWORK, Certainty.AMBIGUOUS, "ReadError")
            case Fate.SLOW | Fate.TIMEOUT_BEFORE:
                raise LostError(ErrorType.TIMEOUT, Certainty.AMBIGUOUS, "ReadTimeout")
            case Fate.ERROR_BEFORE:
                self._burn(call)
            case Fate.WRONG:
                return self._one_wrong(self._answer(call))
        return _REFUSED[fate] if fate in _REFUSED else self._answer(call)

    def _one_wrong(self, answer: Answer) -> Answer:
        """Show one of the wallets in a state in which nobody can use it."""
        body = json.loads(answer.body)
        if not answer.is_success:
            return answer
        wallet = self.chance.choice(body["data"]["wallets"])
        wallet["state"] = "FROZEN"
        return replace(answer, body=json.dumps(body).encode())

    async def _pass_time(self, longest: float, *, most: float | None = None) -> None:
        """Wait: exactly so long where `most` bounds it, else for a part of it."""
        await asyncio.sleep(self.chance.uniform(0, longest) if most is None else min(longest, most))

    def _in(self, seconds: float) -> datetime:
        return self.clock.now() + timedelta(seconds=seconds)

    # The service.

    def catch_up(self) -> None:
        """Do all that has arrived and whose time has come, in the order of those times."""
        while self._coming and self._coming[0][0] <= self.clock.now():
            at, _, call = heapq.heappop(self._coming)
            self._do(call, at)

    def counts(self) -> Counter[tuple[str, str]]:
        """Return how many wallets there are by (refId, blockchain)."""
        self.catch_up()
        return Counter((wallet["refId"], wallet["blockchain"]) for wallet in self.wallets)

    def _answer(self, call: Call) -> Answer:
        self.catch_up()
        match call.operation:
            case Operation.GET_PUBLIC_KEY:
                return _success(200, {"publicKey": _public_key()})
            case Operation.FIND_WALLETS:
                return _success(200, {"wallets": self._find(dict(call.query))})
            case _:
                key = self._keys[_body(call)["idempotencyKey"]]
                is_repeat = self.weather.refuses_used_keys and key.call is not call
                if key.answer is None or key.body != _fingerprint(call) or is_repeat:
                    self.refused_keys += 1
                    return _refusal(409, 156020, "use a new idempotency key")
                return _success(201, key.answer)

    def _do(self, call: Call, at: datetime) -> None:
        body = _body(call)
        known = self._keys.get(body["idempotencyKey"])
        if known is not None and not self._is_forgotten(known, at):
            return
        is_set = call.operation is Operation.CREATE_WALLET_SET
        answer = {"walletSet": {"id": str(self._id())}} if is_set else {"wallets": self._make(body, at)}
        self._keys[body["idempotencyKey"]] = _Key(_fingerprint(call), answer, at, call)

    def _make(self, body: Mapping[str, Any], at: datetime) -> list[Json]:
        made = [
            {
                "id": str(self._id()),
                "state": "LIVE",
                "walletSetId": body["walletSetId"],
                "custodyType": "DEVELOPER",
                "address": _address(blockchain, member["refId"]),
                "blockchain": blockchain,
                "accountType": body["accountType"],
                "createDate": at.strftime("%Y-%m-%dT%H:%M:%SZ"),
                "madeAt": at.isoformat(),
                **member,
            }
            for member in body["metadata"]
            for blockchain in body["blockchains"]
        ]
        self.wallets += made
        return made

    def _find(self, query: Mapping[str, str]) -> list[Json]:
        names = ("walletSetId", "blockchain", "refId")
        seen_until = self.clock.now() - self.weather.list_lag
        return [
            wallet
            for wallet in self.wallets
            if all(wallet[name] == query.get(name, wallet[name]) for name in names)
            and wallet["createDate"] >= query.get("from", "")
            and datetime.fromisoformat(wallet["madeAt"]) <= seen_until
        ]

    def _burn(self, call: Call) -> None:
        if self.weather.burns_keys and call.method == "POST":
            self.catch_up()
            key = _body(call)["idempotencyKey"]
            self._keys.setdefault(key, _Key(_fingerprint(call), None, self.clock.now()))

    def _is_forgotten(self, key: _Key, at: datetime) -> bool:
        life = self.weather.key_life
        return life is not None and at - key.at > life

    def _note_use(self, call: Call) -> None:
        body = _body(call)
        self.posts[body["idempotencyKey"]] += 1
        ciphertext = body["entitySecretCiphertext"]
        known = self._keys.get(body["idempotencyKey"])
        if ciphertext in self._ciphertexts:
            self.violations.append("a ciphertext was used twice")
        self._ciphertexts.add(ciphertext)
        if known is not None and known.body != _fingerprint(call):
            self.violations.append(f"key {body['idempotencyKey']} was used for two bodies")

    def _id(self) -> UUID:
        return UUID(int=self.chance.getrandbits(128), version=4)


@dataclass(frozen=True, slots=True)
class SimWire:
    """One daemon's connections to Circle: what the client sends its calls through.

    `held` are (user, actor): whose jobs it held when that actor stored a request. What is sent must be for
    one of them.
    """

    circle: SimCircle
    held: AbstractSet[tuple[UUID, str]]

    async def send(self, call: Call, *, chain: str, headers: dict[str, str]) -> Answer:
        del headers
        wanted = {(user_id, f"circle/{chain}") for user_id in _people_of(call)}
        if wanted and not wanted & self.held:
            self.circle.violations.append("a daemon sent a request for jobs none of which it had held")
        return await self.circle.exchange(call)

    async def aclose(self) -> None:
        """Close nothing."""


def _body(call: Call) -> Mapping[str, Any]:
    return call.body or {}


def _people_of(call: Call) -> set[UUID]:
    """Return whose wallets a call asks for: a wallet's name ends with it."""
    return {UUID(member["name"].split()[-1]) for member in _body(call).get("metadata", ())}


def draw_fate(chance: Random) -> Fate:
    """Return something that goes wrong."""
    return chance.choices(list(TROUBLES), list(TROUBLES.values()))[0]


def _fingerprint(call: Call) -> str:
    body = {name: value for name, value in _body(call).items() if name != "entitySecretCiphertext"}
    return json.dumps(body, sort_keys=True)


def _success(status: int, data: Json) -> Answer:
    return Answer(status=status, body=json.dumps({"data": data}).encode(), request_id="sim")


def _refusal(status: int, code: int, message: str) -> Answer:
    body = json.dumps({"code": code, "message": message}).encode()
    return Answer(status=status, body=body, request_id="sim")


_REFUSED = {
    Fate.ERROR_BEFORE: _refusal(500, -1, "internal error"),
    Fate.ERROR_AFTER: _refusal(503, -1, "unavailable"),
    Fate.LIMITED: _refusal(429, 5, "too many requests"),
    Fate.LIMITED_FOR: replace(_refusal(429, 5, "too many requests"), retry_after="3"),
    Fate.LOCKED_OUT: _refusal(401, 401, "invalid key"),
}


def _address(blockchain: str, ref_id: str) -> str:
    digest = hashlib.sha256(f"{blockchain}/{ref_id}".encode()).digest()
    match blockchain.partition("-")[0]:
        case "SOL":
            return _base58(digest)
        case "APTOS":
            return f"0x{digest.hex()}"
        case _:
            return f"0x{digest.hex()[:40]}"


def _base58(data: bytes) -> str:
    number, text = int.from_bytes(b"\1" + data[1:]), ""
    while number:
        number, digit = divmod(number, 58)
        text = _BASE58[digit] + text
    return text


@cache
def _public_key() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048).public_key()
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
