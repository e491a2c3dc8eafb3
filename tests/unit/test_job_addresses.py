"""Checksummed addresses. The vectors are those that EIP-55 itself publishes."""

import pytest

from tests.eip55 import EIP_55
from wallet_provisioning.jobs.addresses import checksummed


@pytest.mark.parametrize("address", EIP_55)
def test_an_evm_address_is_shown_as_eip_55_says_however_it_is_written(address: str) -> None:
    assert checksummed(address.lower()) == address
    assert checksummed(address) == address
    assert checksummed("0x" + address[2:].upper()) == address


@pytest.mark.parametrize(
    "address",
    [
        "",
        "9S2wUnWP6RKenbM8XKa2cKZeAEShBFGWKw9pEAA1g96Y",
        "0xd942f2c893a9ac883b2159dcfa11c08e18c76770a1e1d612b3f03e93251a739a",
        "d942f2c893a9ac883b2159dcfa11c08e18c76770a1e1d612b3f03e93251a739a",
        "0x5aaeb6053f3e94c9b9a09f33669435e7ef1beae",
        "0X5aaeb6053f3e94c9b9a09f33669435e7ef1beaed",
    ],
)
def test_an_address_of_another_form_is_left_alone(address: str) -> None:
    assert checksummed(address) == address
