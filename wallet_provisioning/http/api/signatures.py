"""The KYC callback's signature: HMAC-SHA256 over `provider_ref`, a dot and the raw body.

The reference is part of what is signed, so that one customer's approval can't be sent again for
another. Sending the same callback twice is harmless: it is a repeat.
"""

import hashlib
import hmac

from aiohttp import web

from wallet_provisioning.http.api.access import require_local
from wallet_provisioning.http.api.parts import PARTS
from wallet_provisioning.http.api.problems import Code, ProblemError

HEADER = "X-KYC-Signature"
_PREFIX = "sha256="


def sign(secret: str, provider_ref: str, body: bytes) -> str:
    """Return the header's value for a callback."""
    signed = provider_ref.encode() + b"." + body
    return _PREFIX + hmac.new(secret.encode("utf-8", "surrogateescape"), signed, hashlib.sha256).hexdigest()


def check_signature(request: web.Request, provider_ref: str, body: bytes) -> None:
    """Refuse a callback that isn't the provider's: 401, or 403 from afar where no secret is set."""
    secret = request.app[PARTS].options.kyc_webhook_secret
    if secret is None:
        require_local(request, lacking="KYC_WEBHOOK_SECRET")
        return
    told = request.headers.getall(HEADER, [])
    expected = sign(secret, provider_ref, body)
    if len(told) != 1 or not _is_same(told[0], expected):
        raise ProblemError(
            Code.UNAUTHORIZED,
            f"{HEADER} must be sha256= and the HMAC of the reference, a dot and the body",
            headers={"WWW-Authenticate": f'HMAC-SHA256 header="{HEADER}"'},
            refused="bad_signature",
        )


def _is_same(told: str, expected: str) -> bool:
    return hmac.compare_digest(told.strip().lower().encode("utf-8", "replace"), expected.encode())
