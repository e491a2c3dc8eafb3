import pytest

from wallet_provisioning.http.sandbox.options import SandboxOptions
from wallet_provisioning.http.sandbox.refusals import Code, Refusal
from wallet_provisioning.http.sandbox.rules import check_wallet_set


def test_an_account_has_a_thousand_wallet_sets() -> None:
    check_wallet_set(999)
    with pytest.raises(Refusal) as caught:
        check_wallet_set(1000)
    assert caught.value.code is Code.INVALID
    assert [error.location for error in caught.value.errors] == ["walletSets"]


def test_a_wallet_set_has_ten_million_wallets() -> None:
    assert SandboxOptions().wallets_per_set == 10_000_000
