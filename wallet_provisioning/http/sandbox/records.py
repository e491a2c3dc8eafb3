"""What the state file says, one JSON object a line. The sandbox's state is the sum of its records."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Literal, TypeAlias
from uuid import UUID

from pydantic import Field, TypeAdapter

from wallet_provisioning.http.sandbox.entities import Wallet, WalletSet
from wallet_provisioning.http.sandbox.networks import World


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyPairMade:
    """The key pair with which clients encrypt their entity secret, as PEM (PKCS #8)."""

    kind: Literal["key_pair"] = "key_pair"
    private_pem: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class CredentialsMade:
    """The API key and entity secret of an embedded sandbox."""

    kind: Literal["credentials"] = "credentials"
    api_key: str = field(repr=False)
    entity_secret: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretRegistered:
    """The first entity secret that was seen in a world, as the hex of its SHA-256."""

    kind: Literal["secret"] = "secret"
    world: World
    digest: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class CiphertextUsed:
    """A ciphertext that is good no longer, as the hex of its SHA-256."""

    kind: Literal["ciphertext"] = "ciphertext"
    world: World
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WalletSetMade:
    """A wallet set, made under a key by a request with that fingerprint."""

    kind: Literal["wallet_set"] = "wallet_set"
    world: World
    key: UUID
    fingerprint: str
    at: datetime
    wallet_set: WalletSet


@dataclass(frozen=True, slots=True, kw_only=True)
class WalletsMade:
    """All wallets of one call: one line, so that none is ever without the others."""

    kind: Literal["wallets"] = "wallets"
    world: World
    key: UUID
    fingerprint: str
    at: datetime
    wallets: tuple[Wallet, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class KeySpent:
    """A refused request whose key was used up by that."""

    kind: Literal["key_spent"] = "key_spent"
    world: World
    key: UUID
    fingerprint: str
    at: datetime
    code: int
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WalletChanged:
    """A wallet under its new name or refId."""

    kind: Literal["wallet_changed"] = "wallet_changed"
    world: World
    wallet: Wallet


Made: TypeAlias = WalletSetMade | WalletsMade | KeySpent
WorldRecord: TypeAlias = SecretRegistered | CiphertextUsed | Made | WalletChanged
Record: TypeAlias = KeyPairMade | CredentialsMade | WorldRecord

_ADAPTER: TypeAdapter[Record] = TypeAdapter(Annotated[Record, Field(discriminator="kind")])


def encode(record: Record) -> bytes:
    """Return the record's line, without its end."""
    return _ADAPTER.dump_json(record)


def decode(line: bytes) -> Record:
    """Return the record that a line holds; raises `ValueError` for a line that holds none."""
    return _ADAPTER.validate_json(line)
