"""The account's RSA key pair, and the entity secret that clients encrypt with it."""

import base64
import binascii
import hashlib

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from wallet_provisioning.http.sandbox.refusals import Code, Refusal

KEY_BITS = 4096
SECRET_BYTES = 32
_PUBLIC_EXPONENT = 65537
_OAEP = padding.OAEP(mgf=padding.MGF1(hashes.SHA256()), algorithm=hashes.SHA256(), label=None)


def make_private_pem() -> str:
    """Return a new private key. It takes about a second of one core."""
    key = rsa.generate_private_key(public_exponent=_PUBLIC_EXPONENT, key_size=KEY_BITS)
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


class KeyPair:
    """A loaded key pair. Decrypting takes about 2 ms."""

    def __init__(self, private_pem: str) -> None:
        """Load a key; raises `ValueError` or `TypeError` where the text is none."""
        # The key was made here; checking it again would cost 250 ms at every start.
        key = serialization.load_pem_private_key(
            private_pem.encode(), password=None, unsafe_skip_rsa_key_validation=True
        )
        if not isinstance(key, rsa.RSAPrivateKey):
            msg = "the key pair is no RSA key"
            raise TypeError(msg)
        self._key = key
        self.public_pem = (
            key.public_key()
            .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
            .decode()
        )

    def open(self, ciphertext: str) -> "OpenedSecret":
        """Return what the ciphertext holds; raises `Refusal` 156013 unless that is 32 bytes."""
        try:
            sealed = base64.b64decode(ciphertext, validate=True)
            secret = self._key.decrypt(sealed, _OAEP)
        except (binascii.Error, ValueError):
            raise Refusal(Code.SECRET_INVALID) from None
        if len(secret) != SECRET_BYTES:
            raise Refusal(Code.SECRET_INVALID)
        return OpenedSecret(secret=secret, sealed=sealed)


class OpenedSecret:
    """A decrypted entity secret, known by digests only: of itself and of its ciphertext."""

    def __init__(self, *, secret: bytes, sealed: bytes) -> None:
        """Keep the digests, drop the secret."""
        self.digest = digest_of(secret)
        self.ciphertext_digest = hashlib.sha256(sealed).hexdigest()


def digest_of(secret: bytes) -> str:
    """Return what the state keeps of an entity secret."""
    return hashlib.sha256(secret).hexdigest()
