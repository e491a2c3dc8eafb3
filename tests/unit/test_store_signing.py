"""Ed25519 keys: who verifies needs no secret, and no secret is shown."""

import pytest

from wallet_provisioning.store.errors import AuditKeyError
from wallet_provisioning.store.signing import Signer, is_signed, new_secret_key, require_key

# https://datatracker.ietf.org/doc/html/rfc8032#section-7.1, the first test
SECRET = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"
PUBLIC = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
SIGNATURE = (
    "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46b"
    "d25bf5f0595bbe24655141438e7a100b"
)


def test_it_signs_as_the_standard_says() -> None:
    signer = Signer(SECRET)
    assert signer.public_key == PUBLIC
    assert signer.sign("") == SIGNATURE
    assert is_signed("", SIGNATURE, PUBLIC)


@pytest.mark.parametrize(
    ("text", "signature", "key"),
    [("x", SIGNATURE, PUBLIC), ("", "00" * 64, PUBLIC), ("", "zz", PUBLIC), ("", SIGNATURE, "zz")],
)
def test_what_is_not_signed_is_told(text: str, signature: str, key: str) -> None:
    assert not is_signed(text, signature, key)


def test_a_key_is_64_hexadecimal_characters_and_never_shown() -> None:
    assert require_key(PUBLIC.upper()) == PUBLIC
    for wrong in ("", "ab", "zz" * 32, "ab" * 33):
        with pytest.raises(AuditKeyError, match="64 hexadecimal characters"):
            Signer(wrong)
    assert SECRET not in repr(Signer(SECRET))
    assert len(new_secret_key()) == 64
