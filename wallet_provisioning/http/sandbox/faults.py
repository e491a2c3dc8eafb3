"""The faults in force: which of them hit a call, how often each has hit. Pure but for its counts.

Several faults may hit one call. They are drawn in the order given, up to the first that ends the call
before it is carried out. Each fault has a chance of its own, so that with a seed the n-th call in its
scope always meets the same fate, whatever the other faults do.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from random import Random
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from wallet_provisioning.http.sandbox.faultkinds import (
    ExpireKeys,
    Fault,
    ForgetKeys,
    Lag,
    LognormalLatency,
    ParetoLatency,
    Plain,
    UniformLatency,
)
from wallet_provisioning.http.sandbox.operations import Call

_SEED_BITS = 64


class FaultPlan(BaseModel):
    """The body of `PUT /sandbox/faults`: all the faults that shall be from now on, and by which seed."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    faults: tuple[Annotated[Fault, Field(discriminator="kind")], ...]
    seed: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyLimits:
    """From which age on idempotency keys are refused, or unknown; None: never."""

    refused_from: timedelta | None = None
    unknown_from: timedelta | None = None


@dataclass(slots=True)
class _InForce:
    fault: Fault
    chance: Random
    hits: int = 0

    def strikes(self, call: Call) -> bool:
        fault = self.fault
        if not fault.concerns(call) or (fault.times is not None and self.hits >= fault.times):
            return False
        return fault.share >= 1 or self.chance.random() < fault.share

    def draw(self) -> Plain:
        self.hits += 1
        match self.fault:
            case UniformLatency() | LognormalLatency() | ParetoLatency() as latency:
                return latency.drawn(self.chance)
            case plain:
                return plain


class Faults:
    """All faults in force. Belongs to one thread."""

    def __init__(self, chance: Random) -> None:
        """Start without any; `chance` decides for plans that have no seed."""
        self._chance = chance
        self._in_force: list[_InForce] = []
        self._seed: int | None = None

    def replace(self, plan: Sequence[Fault], seed: int | None = None) -> None:
        """Put these in force, with fresh counts and their own chances, instead of all others."""
        self._seed = seed
        root = self._chance.getrandbits(_SEED_BITS) if seed is None else seed
        self._in_force = [
            _InForce(fault, Random(f"{root}/{place}"))  # noqa: S311 - it plays misfortune, it keeps no secret
            for place, fault in enumerate(plan)
        ]

    @property
    def are_any(self) -> bool:
        """Whether any call can be hit."""
        return bool(self._in_force)

    def draw(self, call: Call) -> tuple[Plain, ...]:
        """Return what hits this call, and count it; a latency by chance becomes the one that was drawn."""
        drawn: list[Plain] = []
        for each in self._in_force:
            if each.strikes(call):
                drawn.append(each.draw())
                if each.fault.ends_call:
                    break
        return tuple(drawn)

    def body(self) -> dict[str, object]:
        """Return the faults as JSON, each with its `hits`, and the seed where one was given."""
        shown = [{**each.fault.model_dump(mode="json"), "hits": each.hits} for each in self._in_force]
        body: dict[str, object] = {"faults": shown}
        if self._seed is not None:
            body["seed"] = self._seed
        return body


def longest_lag(drawn: Iterable[Fault]) -> timedelta:
    """Return how old a wallet must be to show in a list."""
    return timedelta(milliseconds=max((fault.for_ms for fault in drawn if isinstance(fault, Lag)), default=0))


def key_limits(drawn: Sequence[Fault]) -> KeyLimits:
    """Return what becomes of idempotency keys in one call."""
    expired = [fault.older_than_ms for fault in drawn if isinstance(fault, ExpireKeys)]
    forgotten = [fault.older_than_ms for fault in drawn if isinstance(fault, ForgetKeys)]
    return KeyLimits(refused_from=_least(expired), unknown_from=_least(forgotten))


def _least(milliseconds: Sequence[int]) -> timedelta | None:
    return timedelta(milliseconds=min(milliseconds)) if milliseconds else None
