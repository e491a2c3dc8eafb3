"""Misbehaviour on order: what a fault is, which calls it hits, how often. Pure but for its counts.

Several faults may hit one call. They are drawn in the order given, up to the first that ends the call
before it is carried out.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from random import Random
from typing import Annotated, Literal, TypeAlias

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from wallet_provisioning.http.sandbox.networks import NETWORKS
from wallet_provisioning.http.sandbox.refusals import HTTP_STATUS, Code
from wallet_provisioning.http.sandbox.violations import broken


class Operation(StrEnum):
    """The calls that can be disturbed."""

    PUBLIC_KEY = "public_key"
    CREATE_WALLET_SET = "create_wallet_set"
    GET_WALLET_SET = "get_wallet_set"
    LIST_WALLET_SETS = "list_wallet_sets"
    CREATE_WALLETS = "create_wallets"
    LIST_WALLETS = "list_wallets"
    GET_WALLET = "get_wallet"
    CHANGE_WALLET = "change_wallet"


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A call as the faults see it; `blockchains` are those that it names."""

    operation: Operation
    blockchains: frozenset[str] = frozenset()


def _known_chain(name: str) -> str:
    if name not in NETWORKS:
        raise broken(rule="oneof", text="must be a blockchain of Circle's")
    return name


def _known_code(code: int) -> int:
    if code not in HTTP_STATUS:
        raise broken(rule="oneof", text="must be an error code that the sandbox knows")
    return code


Milliseconds = Annotated[int, Field(ge=0, le=3_600_000)]
When = Literal["before", "after"]


class _Fault(BaseModel):
    """Which calls are hit: those of a chain and an operation (None: all), `share` of them, `times` times."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    chain: Annotated[str, AfterValidator(_known_chain)] | None = None
    operation: Annotated[Operation, Field(strict=False)] | None = None
    share: Annotated[float, Field(gt=0, le=1)] = 1.0
    times: Annotated[int, Field(ge=1)] | None = None

    @property
    def ends_call(self) -> bool:
        """Whether the call is not carried out."""
        return False

    def concerns(self, call: Call) -> bool:
        """Tell whether this is a call to hit."""
        return (self.chain is None or self.chain in call.blockchains) and (
            self.operation is None or self.operation is call.operation
        )


class _TimedFault(_Fault):
    """A fault before the call is carried out, or after that and before the answer."""

    when: When = "before"

    @property
    def ends_call(self) -> bool:
        """A fault beforehand replaces the call."""
        return self.when == "before"


class Latency(_TimedFault):
    """The call takes so much longer."""

    kind: Literal["latency"]
    for_ms: Milliseconds

    @property
    def ends_call(self) -> bool:
        """A slow call is carried out all the same."""
        return False


class Status(_TimedFault):
    """The call is answered with a server error."""

    kind: Literal["status"]
    status: Annotated[int, Field(ge=500, le=599)] = 503


class Cut(_TimedFault):
    """The connection is cut without an answer."""

    kind: Literal["cut"]


class RateLimited(_Fault):
    """The call is refused as one too many."""

    kind: Literal["rate_limit"]
    retry_after_ms: Milliseconds = 1000

    @property
    def ends_call(self) -> bool:
        """It is refused at once."""
        return True


class Refused(_Fault):
    """The call is refused with a code of Circle's."""

    kind: Literal["refuse"]
    code: Annotated[int, AfterValidator(_known_code)]

    @property
    def ends_call(self) -> bool:
        """It is refused at once."""
        return True

    @property
    def refusal_code(self) -> Code:
        """The code as a word."""
        return Code(self.code)


class Lag(_Fault):
    """Lists don't show what is younger than this; a single wallet is always found."""

    kind: Literal["lag"]
    for_ms: Milliseconds


Fault: TypeAlias = Latency | Status | Cut | RateLimited | Refused | Lag


class FaultPlan(BaseModel):
    """The body of `PUT /sandbox/faults`: all the faults that shall be from now on."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    faults: tuple[Annotated[Fault, Field(discriminator="kind")], ...]


class Faults:
    """The faults in force and how often each has hit. Belongs to one thread."""

    def __init__(self, chance: Random) -> None:
        """Start without any."""
        self._chance = chance
        self._faults: list[tuple[Fault, int]] = []

    def replace(self, plan: Sequence[Fault]) -> None:
        """Put these in force, with fresh counts, instead of all others."""
        self._faults = [(fault, 0) for fault in plan]

    @property
    def are_any(self) -> bool:
        """Whether any call can be hit."""
        return bool(self._faults)

    def draw(self, call: Call) -> tuple[Fault, ...]:
        """Return the faults that hit this call, and count them."""
        drawn: list[Fault] = []
        for number, (fault, hits) in enumerate(self._faults):
            if not fault.concerns(call) or (fault.times is not None and hits >= fault.times):
                continue
            if fault.share < 1 and self._chance.random() >= fault.share:
                continue
            self._faults[number] = (fault, hits + 1)
            drawn.append(fault)
            if fault.ends_call:
                break
        return tuple(drawn)

    def body(self) -> dict[str, object]:
        """Return the faults as JSON, each with its `hits`."""
        return {"faults": [{**fault.model_dump(mode="json"), "hits": hits} for fault, hits in self._faults]}


def longest_lag(drawn: Sequence[Fault]) -> timedelta:
    """Return how old a wallet must be to show in a list."""
    return timedelta(milliseconds=max((fault.for_ms for fault in drawn if isinstance(fault, Lag)), default=0))
