import re

import pytest

from tests.sandbox_support import repeatable
from wallet_provisioning.http.sandbox.addresses import CallAddresses, base58, draw
from wallet_provisioning.http.sandbox.networks import NETWORKS, AddressForm

FORMS = {
    AddressForm.EVM: r"0x[0-9a-f]{40}",
    AddressForm.SOLANA: r"[1-9A-HJ-NP-Za-km-z]{32,44}",
    AddressForm.APTOS: r"0x[0-9a-f]{64}",
    AddressForm.NEAR: r"[0-9a-f]{64}",
}


@pytest.mark.parametrize("blockchain", sorted(NETWORKS))
def test_an_address_has_the_form_of_its_chain(blockchain: str) -> None:
    form = NETWORKS[blockchain].form
    chance = repeatable(blockchain)
    for _ in range(50):
        assert re.fullmatch(FORMS[form], draw(form, chance))


@pytest.mark.parametrize(
    ("data", "written"),
    [
        (b"", ""),
        (b"\0", "1"),
        (b"Hello World!", "2NEpo7TZRRrLZSi2U"),
        (bytes.fromhex("0000287fb4cd"), "11233QC4"),
        (b"\0" * 32, "1" * 32),
    ],
)
def test_base58_agrees_with_published_vectors(data: bytes, written: str) -> None:
    assert base58(data) == written


def test_evm_wallets_share_an_address_across_chains_by_refid() -> None:
    call = CallAddresses(repeatable(1))
    assert call.next("ETH", "a") == call.next("BASE", "a")
    assert call.next("ETH", "b") != call.next("BASE", "a2")


def test_nothing_is_shared_between_two_calls() -> None:
    chance = repeatable(1)
    assert CallAddresses(chance).next("ETH", "a") != CallAddresses(chance).next("BASE", "a")


@pytest.mark.parametrize("ref_id", [None, ""])
def test_nothing_is_shared_without_a_refid(ref_id: str | None) -> None:
    call = CallAddresses(repeatable(1))
    assert call.next("ETH", ref_id) != call.next("BASE", ref_id)


def test_a_refid_twice_in_a_call_means_two_addresses_on_each_chain() -> None:
    call = CallAddresses(repeatable(1))
    first, second = call.next("ETH", "a"), call.next("ETH", "a")
    assert first != second
    assert [call.next("BASE", "a"), call.next("BASE", "a")] == [first, second]


def test_other_chains_share_nothing() -> None:
    call = CallAddresses(repeatable(1))
    assert call.next("SOL", "a") != call.next("SOL-DEVNET", "a")
