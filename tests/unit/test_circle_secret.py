import asyncio
import base64
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.support_circle import API_KEY, ENTITY_SECRET, make_key, public_pem
from wallet_provisioning.http.circle.account import Account
from wallet_provisioning.http.circle.answers import CallFailed, Certainty
from wallet_provisioning.http.circle.secret import EntitySecret, Scrubber, Sealed, encrypt, parse_public_key
from wallet_provisioning.http.circle.wire import BrokenAnswerError
from wallet_provisioning.jobs.errors import ErrorType

if TYPE_CHECKING:
    from collections.abc import Iterator

OLD, NEW = make_key(0).public_key(), make_key(1).public_key()
FAILURE = CallFailed(error_type=ErrorType.TIMEOUT, message="ReadTimeout", certainty=Certainty.AMBIGUOUS)


class KeyServer:
    """Answers one key after the other, and counts how often it was asked."""

    def __init__(self, *answers: RSAPublicKey | CallFailed) -> None:
        self._answers: Iterator[RSAPublicKey | CallFailed] = iter(answers)
        self.asked: list[str] = []

    async def fetch(self, chain: str) -> RSAPublicKey | CallFailed:
        self.asked.append(chain)
        await asyncio.sleep(0)
        return next(self._answers)


def opened(ciphertext: str, number: int = 0) -> bytes:
    oaep = padding.OAEP(mgf=padding.MGF1(hashes.SHA256()), algorithm=hashes.SHA256(), label=None)
    return make_key(number).decrypt(base64.b64decode(ciphertext, validate=True), oaep)


async def sealed(secret: EntitySecret) -> Sealed:
    result = await secret.seal("ETH")
    assert isinstance(result, Sealed)
    return result


async def test_the_ciphertext_holds_the_32_raw_bytes() -> None:
    one = await sealed(EntitySecret(ENTITY_SECRET, KeyServer(OLD).fetch))
    assert opened(one.ciphertext) == bytes.fromhex(ENTITY_SECRET)


async def test_every_ciphertext_is_another() -> None:
    secret = EntitySecret(ENTITY_SECRET, KeyServer(OLD).fetch)
    assert len({(await sealed(secret)).ciphertext for _ in range(20)}) == 20


def test_a_ciphertext_under_a_4096_bit_key_has_684_characters() -> None:
    assert len(base64.b64encode(bytes(4096 // 8))) == 684
    assert len(encrypt(bytes(32), OLD)) == len(base64.b64encode(bytes(2048 // 8)))


async def test_many_at_once_fetch_the_public_key_once() -> None:
    server = KeyServer(OLD)
    secret = EntitySecret(ENTITY_SECRET, server.fetch)
    await asyncio.gather(*(secret.seal(chain) for chain in ["ETH", "SOL", "APTOS"] * 5))
    assert server.asked == ["ETH"]


async def test_a_key_that_can_not_be_had_is_asked_for_again_next_time() -> None:
    secret = EntitySecret(ENTITY_SECRET, KeyServer(FAILURE, OLD).fetch)
    assert await secret.seal("ETH") is FAILURE
    await sealed(secret)


async def test_a_rotated_key_is_fetched_once_for_all_that_were_refused() -> None:
    server = KeyServer(OLD, NEW)
    secret = EntitySecret(ENTITY_SECRET, server.fetch)
    refused = [await sealed(secret) for _ in range(4)]
    assert await asyncio.gather(*(secret.renew(one.key, "ETH") for one in refused)) == [True] * 4
    assert len(server.asked) == 2
    assert opened((await sealed(secret)).ciphertext, 1) == bytes.fromhex(ENTITY_SECRET)


@pytest.mark.parametrize("answer", [OLD, FAILURE])
async def test_without_another_key_nothing_is_tried_again(answer: RSAPublicKey | CallFailed) -> None:
    secret = EntitySecret(ENTITY_SECRET, KeyServer(OLD, answer).fetch)
    one = await sealed(secret)
    assert not await secret.renew(one.key, "ETH")


async def test_a_sealed_secret_does_not_show_itself() -> None:
    secret = EntitySecret(ENTITY_SECRET, KeyServer(OLD).fetch)
    one = await sealed(secret)
    for text in [repr(one), repr(secret), str(one)]:
        assert one.ciphertext not in text
        assert ENTITY_SECRET not in text


def test_the_public_key_is_read_from_pem() -> None:
    assert parse_public_key(public_pem(make_key(0))) == OLD


def _elliptic() -> str:
    key = ec.generate_private_key(ec.SECP256R1()).public_key()
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


@pytest.mark.parametrize("pem", ["", "no key", public_pem(make_key(0))[:200], _elliptic()])
def test_what_is_no_rsa_key_breaks_the_contract(pem: str) -> None:
    with pytest.raises(BrokenAnswerError, match="publicKey"):
        parse_public_key(pem)


def test_secrets_are_taken_out_of_circles_words() -> None:
    scrubber = Scrubber(Account(base_url="https://c", api_key=API_KEY, entity_secret=ENTITY_SECRET))
    ciphertext = encrypt(bytes(32), OLD)
    part = API_KEY.rpartition(":")[2]
    said = f"key {API_KEY}, part {part}, secret {ENTITY_SECRET.upper()}, sealed {ciphertext}; "
    said += f"refId wp-{'a' * 40}"
    assert scrubber.scrub(said) == (
        f"key [removed], part [removed], secret [removed], sealed [removed]; refId wp-{'a' * 40}"
    )


def test_a_made_up_key_does_not_tear_sentences_apart() -> None:
    scrubber = Scrubber(
        Account(base_url="https://c", api_key="TEST_API_KEY:a:b", entity_secret=ENTITY_SECRET)
    )
    assert scrubber.scrub("a bad body for TEST_API_KEY:a:b") == "a bad body for [removed]"
