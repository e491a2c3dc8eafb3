"""Keys of the audit: Ed25519, so that who verifies needs no secret.

https://datatracker.ietf.org/doc/html/rfc8032. A key is written as 64 hexadecimal characters.
"""

import re
import secrets

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from wallet_provisioning.store.errors import AuditKeyError

_KEY_BYTES = 32
_SIGNATURE = re.compile("[0-9a-f]{128}")


class Signer:
    """Signs with a secret key that it never shows. Safe on any thread."""

    def __init__(self, secret_key: str) -> None:
        """Take the secret key; raises `AuditKeyError`, which never repeats it."""
        self._key = Ed25519PrivateKey.from_private_bytes(_key_bytes(secret_key))
        self.public_key = self._key.public_key().public_bytes_raw().hex()

    def __repr__(self) -> str:
        """Show the public half alone."""
        return f"Signer({self.public_key})"

    def sign(self, text: str) -> str:
        """Return the signature of a text in hexadecimal characters."""
        return self._key.sign(text.encode()).hex()


def is_signed(text: str, signature: str, public_key: str) -> bool:
    """Return whether the key's owner signed the text, and the signature is written as `Signer` does."""
    if _SIGNATURE.fullmatch(signature) is None:
        return False
    try:
        Ed25519PublicKey.from_public_bytes(_key_bytes(public_key)).verify(
            bytes.fromhex(signature), text.encode()
        )
    except (AuditKeyError, InvalidSignature, ValueError):
        return False
    return True


def new_secret_key() -> str:
    """Return a fresh secret key."""
    return secrets.token_hex(_KEY_BYTES)


def require_key(text: str) -> str:
    """Return a key in lower case; raises `AuditKeyError`."""
    return _key_bytes(text).hex()


def _key_bytes(text: str) -> bytes:
    try:
        key = bytes.fromhex(text)
    except ValueError:
        key = b""
    if len(key) != _KEY_BYTES:
        raise AuditKeyError(AuditKeyError.__doc__)
    return key
