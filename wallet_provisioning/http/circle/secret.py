"""The entity secret on its way to Circle: a fresh ciphertext for every try, and nothing of it in any text.

Circle takes each ciphertext once, so none is kept. The public key is fetched once and parsed once;
when Circle refuses the secret, it may be because the key was changed, so it is fetched again.
"""

import asyncio
import base64
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric.padding import MGF1, OAEP
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from wallet_provisioning.http.circle.account import Account
from wallet_provisioning.http.circle.answers import CallFailed
from wallet_provisioning.http.circle.wire import BrokenAnswerError
from wallet_provisioning.jobs.errors import ErrorType

_REMOVED = "[removed]"
# A made-up key may end in `:a`, which can't be taken out of a sentence.
_SHORTEST = 6
_CIPHERTEXT = re.compile(r"[A-Za-z0-9+/_-]{120,}={0,2}")

FetchKey = Callable[[str], Awaitable["RSAPublicKey | CallFailed"]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealed:
    """The entity secret, encrypted for one use, and the key it was encrypted with."""

    ciphertext: str = field(repr=False)
    key: RSAPublicKey = field(repr=False)


class EntitySecret:
    """Encrypts the entity secret. Used on one asyncio loop; made on any thread."""

    def __init__(self, entity_secret: str, fetch: FetchKey) -> None:
        """Keep the 32 bytes; `fetch` asks Circle for the public key, over the given chain's connections."""
        self._secret = bytes.fromhex(entity_secret)
        self._fetch = fetch
        self._key: RSAPublicKey | None = None
        self._fetching = asyncio.Lock()

    async def seal(self, chain: str) -> Sealed | CallFailed:
        """Return a fresh ciphertext, or why the public key can't be had."""
        async with self._fetching:
            key = self._key or await self._fetch(chain)
            if isinstance(key, CallFailed):
                return key
            self._key = key
        return Sealed(ciphertext=encrypt(self._secret, key), key=key)

    async def renew(self, refused: RSAPublicKey, chain: str) -> bool:
        """Fetch the key again after Circle refused what was encrypted with `refused`.

        Returns whether there is another key to try. Of many that were refused at once, one fetches.
        """
        async with self._fetching:
            if self._key is refused:
                key = await self._fetch(chain)
                if isinstance(key, CallFailed) or key == refused:
                    return False
                self._key = key
            return True


class Scrubber:
    """Takes the account's secrets out of texts that come from outside. Safe on any thread."""

    def __init__(self, account: Account) -> None:
        """Remember what to look for: the key, its secret part, and the entity secret."""
        part = account.api_key.rpartition(":")[2]
        words = {account.api_key, account.entity_secret} | ({part} if len(part) >= _SHORTEST else set())
        longest_first = sorted(words, key=len, reverse=True)
        self._secrets = re.compile("|".join(re.escape(word) for word in longest_first), re.IGNORECASE)

    def scrub(self, text: str) -> str:
        """Return the text without secrets and without anything that may be a ciphertext."""
        return _CIPHERTEXT.sub(_REMOVED, self._secrets.sub(_REMOVED, text))


def parse_public_key(pem: str) -> RSAPublicKey:
    """Return the key in a PEM text. Raises `BrokenAnswerError` where it holds no RSA key."""
    try:
        key = load_pem_public_key(pem.encode())
    except ValueError:
        key = None
    if not isinstance(key, RSAPublicKey):
        raise BrokenAnswerError(ErrorType.VALIDATION, "data.publicKey: not an RSA key in PEM")
    return key


def encrypt(secret: bytes, key: RSAPublicKey) -> str:
    """Return RSA-OAEP (SHA-256 for both, no label) of the secret in base64, another one each time."""
    padding = OAEP(mgf=MGF1(algorithm=SHA256()), algorithm=SHA256(), label=None)
    return base64.b64encode(key.encrypt(secret, padding)).decode()
