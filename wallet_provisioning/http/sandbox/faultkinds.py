"""The kinds of misbehaviour that can be ordered, as strict JSON. Pure.

Every fault has `kind`, and these fields for the calls that it hits: `chain` (a blockchain; none: all),
`operation` (none: all), `share` (0 to 1, which part of them) and `times` (how often in all). `when` is
`before` the call is carried out (and mostly instead of it) or `after` that, before the answer.

| kind | fields | what it does |
|---|---|---|
| `latency` | `for_ms`, `when` | the call takes so much longer |
| `uniform_latency` | `from_ms`, `to_ms`, `when` | longer by any time between the two |
| `lognormal_latency` | `median_ms`, `sigma`, `at_most_ms`, `when` | about the median, now and then far more |
| `pareto_latency` | `at_least_ms`, `shape`, `at_most_ms`, `when` | a heavy tail, more so with a small shape |
| `status` | `status` (500 to 599), `when` | a server error |
| `cut` | `when` | the connection ends without an answer |
| `hold` | `gate`, `when` | the call waits until its gate is opened: `DELETE /sandbox/gates/{gate}` |
| `slow_body` | `for_ms`, `pieces` | the answer's body trickles in |
| `truncate` | `keep` (0 to 1) | the connection ends when so much of the body was sent |
| `malformed` | `form` | the body is whole, but `torn` JSON, a `page` of HTML, `empty`, or a bare `list` |
| `rate_limit` | `retry_after_ms`, `retry_after` | 429; `retry_after`: `none`, `seconds` or `date` |
| `refuse` | `code` | Circle's: 156004 a reused ciphertext, 156020 a spent key, 4 a wrong API key |
| `expire_keys` | `older_than_ms` | an idempotency key that was used longer ago is refused with 156020 |
| `forget_keys` | `older_than_ms` | such a key is taken for a new one: it makes a second wallet |
| `lag` | `for_ms` | lists don't show what is younger |
"""

import math
from random import Random
from typing import Annotated, Literal, Self, TypeAlias

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from wallet_provisioning.http.sandbox.networks import NETWORKS
from wallet_provisioning.http.sandbox.operations import Call, Operation
from wallet_provisioning.http.sandbox.refusals import HTTP_STATUS, Code
from wallet_provisioning.http.sandbox.violations import broken
from wallet_provisioning.http.sandbox.waits import RetryAfter

_LONGEST_MS = 3_600_000


def _known_chain(name: str) -> str:
    if name not in NETWORKS:
        raise broken(rule="oneof", text="must be a blockchain of Circle's")
    return name


def _known_code(code: int) -> int:
    if code not in HTTP_STATUS:
        raise broken(rule="oneof", text="must be an error code that the sandbox knows")
    return code


Milliseconds = Annotated[int, Field(ge=0, le=_LONGEST_MS)]
Positive = Annotated[float, Field(gt=0, le=100)]
Gate = Annotated[str, Field(pattern=r"^[a-z0-9_-]{1,40}$")]
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

    @property
    def is_late(self) -> bool:
        """Whether it strikes once the call was carried out."""
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
        return not self.is_late

    @property
    def is_late(self) -> bool:
        """As was ordered."""
        return self.when == "after"


class _Pause(_TimedFault):
    """The call is carried out all the same, only not at once."""

    @property
    def ends_call(self) -> bool:
        """A slow call is carried out."""
        return False


class Latency(_Pause):
    """The call takes so much longer."""

    kind: Literal["latency"]
    for_ms: Milliseconds


class _ChanceLatency(_Pause):
    """Longer by a time that is drawn for each call."""

    def drawn(self, chance: Random) -> Latency:
        """Return the latency of one call."""
        return Latency(kind="latency", for_ms=min(round(self._ms(chance)), _LONGEST_MS), when=self.when)

    def _ms(self, chance: Random) -> float:
        raise NotImplementedError


class UniformLatency(_ChanceLatency):
    """Any time between the two."""

    kind: Literal["uniform_latency"]
    from_ms: Milliseconds = 0
    to_ms: Milliseconds

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.from_ms > self.to_ms:
            raise broken(rule="order", text="from_ms must not be above to_ms")
        return self

    def _ms(self, chance: Random) -> float:
        return chance.uniform(self.from_ms, self.to_ms)


class LognormalLatency(_ChanceLatency):
    """Half of the calls take up to the median; `sigma` says how far the others go."""

    kind: Literal["lognormal_latency"]
    median_ms: Annotated[int, Field(ge=1, le=_LONGEST_MS)]
    sigma: Positive = 1.0
    at_most_ms: Milliseconds = 60_000

    def _ms(self, chance: Random) -> float:
        return min(self.median_ms * math.exp(min(chance.gauss(0, self.sigma), 100)), self.at_most_ms)


class ParetoLatency(_ChanceLatency):
    """A heavy tail above the least."""

    kind: Literal["pareto_latency"]
    at_least_ms: Annotated[int, Field(ge=1, le=_LONGEST_MS)]
    shape: Positive = 1.5
    at_most_ms: Milliseconds = 60_000

    def _ms(self, chance: Random) -> float:
        exponent = min(-math.log(1 - chance.random()) / self.shape, 100)
        return min(self.at_least_ms * math.exp(exponent), self.at_most_ms)


class Hold(_Pause):
    """The call waits until its gate is opened."""

    kind: Literal["hold"]
    gate: Gate


class Status(_TimedFault):
    """The call is answered with a server error."""

    kind: Literal["status"]
    status: Annotated[int, Field(ge=500, le=599)] = 503


class Cut(_TimedFault):
    """The connection is cut without an answer."""

    kind: Literal["cut"]


class _Spoilt(_Fault):
    """The call is carried out; what arrives of its answer is not what it should be."""

    @property
    def is_late(self) -> bool:
        """The answer is there first."""
        return True


class SlowBody(_Spoilt):
    """The body comes in so many pieces over so long a time."""

    kind: Literal["slow_body"]
    for_ms: Milliseconds
    pieces: Annotated[int, Field(ge=2, le=1000)] = 8


class Truncate(_Spoilt):
    """The connection ends in the middle of the body."""

    kind: Literal["truncate"]
    keep: Annotated[float, Field(ge=0, lt=1)] = 0.5


class Malformed(_Spoilt):
    """The body is whole and wrong."""

    kind: Literal["malformed"]
    form: Literal["torn", "page", "empty", "list"] = "torn"


class _Refusing(_Fault):
    """The call is refused at once."""

    @property
    def ends_call(self) -> bool:
        """It is not carried out."""
        return True


class RateLimited(_Refusing):
    """The call is refused as one too many."""

    kind: Literal["rate_limit"]
    retry_after_ms: Milliseconds = 1000
    retry_after: Annotated[RetryAfter, Field(strict=False)] | None = None


class Refused(_Refusing):
    """The call is refused with a code of Circle's."""

    kind: Literal["refuse"]
    code: Annotated[int, AfterValidator(_known_code)]

    @property
    def refusal_code(self) -> Code:
        """The code as a word."""
        return Code(self.code)


class ExpireKeys(_Fault):
    """A key that was used longer ago can't be used any more."""

    kind: Literal["expire_keys"]
    older_than_ms: Milliseconds = 0


class ForgetKeys(_Fault):
    """A key that was used longer ago is not known any more."""

    kind: Literal["forget_keys"]
    older_than_ms: Milliseconds = 0


class Lag(_Fault):
    """Lists don't show what is younger than this; a single wallet is always found."""

    kind: Literal["lag"]
    for_ms: Milliseconds


ChanceLatency: TypeAlias = UniformLatency | LognormalLatency | ParetoLatency
Spoilt: TypeAlias = SlowBody | Truncate | Malformed
Plain: TypeAlias = (
    Latency | Hold | Status | Cut | Spoilt | RateLimited | Refused | ExpireKeys | ForgetKeys | Lag
)
Fault: TypeAlias = Plain | ChanceLatency
KINDS = tuple(kind.model_fields["kind"].annotation.__args__[0] for kind in Fault.__args__)
