"""The callback's signature, as a provider computes it."""

import hashlib
import hmac

from wallet_provisioning.http.api.signatures import sign


def test_reference_and_body_are_signed_together() -> None:
    body = b'{"status":"approved"}'
    expected = hmac.new(b"secret", b"ref-1." + body, hashlib.sha256).hexdigest()
    assert sign("secret", "ref-1", body) == f"sha256={expected}"


def test_the_same_body_under_another_reference_has_another_signature() -> None:
    body = b'{"status":"approved"}'
    assert sign("secret", "ref-1", body) != sign("secret", "ref-2", body)
