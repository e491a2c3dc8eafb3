"""Strict reading of request bodies: whatever Circle does not name is refused. Pure.

Field names: Circle's OpenAPI source 9.6.0, CreateWalletRequest, CreateWalletSetRequest, UpdateWallet.
"""

import re
from typing import Annotated, Literal, TypeVar
from uuid import UUID

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from wallet_provisioning.http.sandbox.violations import broken, refusal_of

MOST_WALLETS = 200
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_NO_PARENTHESES = re.compile(r"[^()]*")
_RANDOM_VERSION = 4


def as_uuid(value: object) -> UUID:
    """Return a UUID written with hyphens; raises pydantic's error for anything else."""
    if not isinstance(value, str) or not _UUID.fullmatch(value):
        raise broken(rule="uuid", text="must be a UUID")
    return UUID(value)


def _as_key(value: object) -> UUID:
    key = as_uuid(value)
    if key.version != _RANDOM_VERSION:
        raise broken(rule="uuid4", text="must be a UUID of version 4")
    return key


def _plain_name(value: str) -> str:
    if not _NO_PARENTHESES.fullmatch(value):
        raise broken(rule="parentheses", text="must not hold parentheses")
    return value


def _each_once(values: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(values)) != len(values):
        raise broken(rule="unique", text="must name each blockchain once")
    return values


Id = Annotated[UUID, BeforeValidator(as_uuid)]
Key = Annotated[UUID, BeforeValidator(_as_key)]
Name = Annotated[str, Field(max_length=50), AfterValidator(_plain_name)]
Reference = Annotated[str, Field(max_length=100)]
Blockchains = Annotated[tuple[str, ...], Field(min_length=1), AfterValidator(_each_once)]


class _Body(BaseModel):
    """A JSON object with exactly these fields, of exactly these types."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, alias_generator=to_camel)


class _SignedBody(_Body):
    """What every creating request carries."""

    idempotency_key: Key
    entity_secret_ciphertext: Annotated[str, Field(min_length=1)]

    def substance(self) -> str:
        """Return what the request asks for: all but its key and its ciphertext."""
        return self.model_dump_json(exclude={"idempotency_key", "entity_secret_ciphertext"})


class WalletSetOrder(_SignedBody):
    """`POST /v1/w3s/developer/walletSets`."""

    name: Name | None = None


class Metadata(_Body):
    """How one wallet of a call is named."""

    name: Name | None = None
    ref_id: Reference | None = None


class WalletOrder(_SignedBody):
    """`POST /v1/w3s/developer/wallets`. Whether count and metadata agree is checked later (155503)."""

    wallet_set_id: Id
    blockchains: Blockchains
    account_type: Literal["EOA", "SCA"] = "EOA"
    count: Annotated[int, Field(ge=1, le=MOST_WALLETS)] = 1
    metadata: tuple[Metadata, ...] | None = None


class WalletChange(_Body):
    """`PUT /v1/w3s/wallets/{id}`."""

    name: Name | None = None
    ref_id: Reference | None = None


BodyT = TypeVar("BodyT", bound=BaseModel)


def read(kind: type[BodyT], body: bytes) -> BodyT:
    """Return the body as the given kind; raises `Refusal` 2 that names every field to blame."""
    try:
        return kind.model_validate_json(body)
    except ValidationError as error:
        raise refusal_of(error) from None
