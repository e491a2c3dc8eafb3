import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support_circle import base58
from wallet_provisioning.http.circle.addresses import is_address
from wallet_provisioning.jobs.chains import _TESTNETS

EVM = "0x" + "a1" * 20
APTOS = "0x" + "a1" * 32
NEAR = "a1" * 32
SOL = "11111111111111111111111111111111"


@given(st.binary(min_size=32, max_size=32), st.sampled_from(["SOL", "SOL-DEVNET"]))
def test_every_solana_key_has_an_address(raw: bytes, blockchain: str) -> None:
    assert is_address(base58(raw), blockchain)


@given(st.binary(max_size=40).filter(lambda raw: len(raw) != 32))
def test_no_other_number_of_bytes_is_a_solana_address(raw: bytes) -> None:
    assert not is_address(base58(raw), "SOL")


@pytest.mark.parametrize("zeros", range(32))
def test_the_least_and_the_greatest_key_have_addresses_and_their_neighbours_none(zeros: int) -> None:
    start, rest = bytes(zeros), 32 - zeros
    for raw in (start + b"\1" + bytes(rest - 1), start + b"\xff" * rest):
        assert is_address(base58(raw), "SOL")
    for raw in (start + b"\xff" * (rest - 1), start + b"\1" + bytes(rest)):
        assert not is_address(base58(raw), "SOL")


@given(st.text(max_size=70), st.sampled_from([*_TESTNETS, *_TESTNETS.values()]))
def test_any_text_gets_an_answer(text: str, blockchain: str) -> None:
    assert is_address(text, blockchain) in {True, False}


@pytest.mark.parametrize(
    "blockchain", ["ETH", "ETH-SEPOLIA", "MATIC-AMOY", "EVM", "EVM-TESTNET", "ARC-TESTNET"]
)
def test_an_evm_address_is_20_bytes_in_either_case(blockchain: str) -> None:
    assert is_address(EVM, blockchain)
    assert is_address("0x" + "A1" * 20, blockchain)
    for wrong in ["", EVM[2:], EVM[:-1], EVM + "0", "0x" + "g1" * 20, " " + EVM, EVM + "\n", SOL, APTOS]:
        assert not is_address(wrong, blockchain)


def test_an_aptos_address_may_lack_leading_zeros_and_is_no_evm_address() -> None:
    assert is_address(APTOS, "APTOS-TESTNET")
    assert is_address(APTOS[:-1], "APTOS")
    assert not is_address(EVM, "APTOS")
    assert not is_address(APTOS + "0", "APTOS")


def test_a_near_address_is_implicit_or_named() -> None:
    assert is_address(NEAR, "NEAR-TESTNET")
    assert is_address("alice.near", "NEAR")
    for wrong in ["a", "A.near", ".near", "a..b", "a" * 65]:
        assert not is_address(wrong, "NEAR")


@pytest.mark.parametrize("wrong", [EVM, APTOS, "0" * 40, "l" * 40, "z" * 44, "1" * 31])
def test_what_is_no_solana_address_is_told(wrong: str) -> None:
    assert not is_address(wrong, "SOL-DEVNET")
