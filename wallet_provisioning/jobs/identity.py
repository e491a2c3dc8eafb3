"""Derived names: the same user and chain give the same idempotency key and refId, for ever.

Nothing here is drawn by chance. A daemon that lost its memory, or another one, asks Circle for the
same wallet under the same name. The namespace is the wallet set, within which a refId is looked up.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

_WALLET = "wallet-provisioning/wallet/1"
_WALLET_SET = "wallet-provisioning/wallet-set/1"
_REFERENCE = "wallet-provisioning/reference/1"
_REFERENCE_LENGTH = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One wallet of a request: whose it is, and how often Circle refused a key for it."""

    user_id: UUID
    chain: str
    generation: int = 0


def wallet_key(wallet_set_id: str, members: Iterable[Member]) -> UUID:
    """Return the idempotency key of a request for these wallets, in this order."""
    return _key(wallet_set_id, [f"{m.user_id}/{m.chain}/{m.generation}" for m in members])


def first_wallet_key(wallet_set_id: str, user_ids: Iterable[str], chain: str) -> UUID:
    """Return the key of a request for these users' wallets on a chain, none of which was ever refused one."""
    return _key(wallet_set_id, [f"{user_id}/{chain}/0" for user_id in user_ids])


def wallet_set_key(environment: str, name: str, generation: int = 0) -> UUID:
    """Return the idempotency key under which every daemon asks for the one wallet set."""
    return _as_uuid4(_digest(_WALLET_SET, environment, name, str(generation)))


def reference(wallet_set_id: str, user_id: UUID | str, chain: str) -> str:
    """Return the refId of a user's wallet on a chain: 43 characters, of the 100 that Circle allows."""
    return "wp-" + _digest(_REFERENCE, wallet_set_id, str(user_id), chain).hex()[:_REFERENCE_LENGTH]


def references(wallet_set_id: str, user_ids: Iterable[str], chain: str) -> list[str]:
    """Return the refIds of these users' wallets on a chain: the same as one by one, at half the cost."""
    before, after = f"{_REFERENCE}\0{wallet_set_id}\0", f"\0{chain}"
    digests = [hashlib.sha256(f"{before}{user_id}{after}".encode()).hexdigest() for user_id in user_ids]
    return ["wp-" + digest[:_REFERENCE_LENGTH] for digest in digests]


def _key(wallet_set_id: str, members: Iterable[str]) -> UUID:
    return _as_uuid4(_digest(_WALLET, wallet_set_id, *members))


def _digest(*parts: str) -> bytes:
    return hashlib.sha256("\0".join(parts).encode()).digest()


def _as_uuid4(digest: bytes) -> UUID:
    """Shape a digest as the version 4 UUID that Circle asks for."""
    return UUID(bytes=digest[:16], version=4)
