import base64

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from tests.sandbox_support import OAEP, SECRET, key_pair
from wallet_provisioning.http.sandbox.refusals import Code, Refusal
from wallet_provisioning.http.sandbox.secret import KeyPair, digest_of


def public_key(pair: KeyPair) -> rsa.RSAPublicKey:
    key = serialization.load_pem_public_key(pair.public_pem.encode())
    assert isinstance(key, rsa.RSAPublicKey)
    return key


def sealed(pair: KeyPair, plain: bytes, how: padding.AsymmetricPadding = OAEP) -> str:
    return base64.b64encode(public_key(pair).encrypt(plain, how)).decode()


def test_the_public_key_is_rsa_4096_in_spki() -> None:
    pair = KeyPair(key_pair().private_pem)
    assert pair.public_pem.startswith("-----BEGIN PUBLIC KEY-----")
    assert public_key(pair).key_size == 4096


def test_what_a_client_encrypts_is_opened() -> None:
    pair = KeyPair(key_pair().private_pem)
    ciphertext = sealed(pair, bytes.fromhex(SECRET))
    assert len(ciphertext) == 684
    assert pair.open(ciphertext).digest == digest_of(bytes.fromhex(SECRET))


def test_the_same_secret_has_another_ciphertext_each_time() -> None:
    pair = KeyPair(key_pair().private_pem)
    one, two = (pair.open(sealed(pair, bytes.fromhex(SECRET))) for _ in range(2))
    assert one.digest == two.digest
    assert one.ciphertext_digest != two.ciphertext_digest


@pytest.mark.parametrize("length", [0, 31, 33, 64])
def test_a_secret_of_another_length_is_refused(length: int) -> None:
    pair = KeyPair(key_pair().private_pem)
    with pytest.raises(Refusal) as caught:
        pair.open(sealed(pair, b"x" * length))
    assert caught.value.code is Code.SECRET_INVALID


@pytest.mark.parametrize(
    "ciphertext", ["", "not base64!", "QUJD", base64.b64encode(b"x" * 512).decode(), "é"]
)
def test_nonsense_is_refused(ciphertext: str) -> None:
    with pytest.raises(Refusal) as caught:
        KeyPair(key_pair().private_pem).open(ciphertext)
    assert caught.value.code is Code.SECRET_INVALID


def test_other_paddings_are_refused() -> None:
    pair = KeyPair(key_pair().private_pem)
    sha1 = padding.OAEP(
        mgf=padding.MGF1(hashes.SHA1()),  # noqa: S303 - the padding that must not be accepted
        algorithm=hashes.SHA1(),  # noqa: S303 - the padding that must not be accepted
        label=None,
    )
    for how in (sha1, padding.PKCS1v15()):
        with pytest.raises(Refusal):
            pair.open(sealed(pair, bytes.fromhex(SECRET), how))
