"""Chain names: families, networks, aliases."""

import pytest

from wallet_provisioning.jobs.chains import (
    _TESTNETS,
    AccountType,
    Environment,
    Served,
    UnknownChainError,
    resolve,
)
from wallet_provisioning.jobs.kyc import KycStatus, KycStep, next_step


@pytest.mark.parametrize(
    ("name", "live", "test"),
    [
        ("ETH", "ETH", "ETH-SEPOLIA"),
        ("SOL", "SOL", "SOL-DEVNET"),
        ("APTOS", "APTOS", "APTOS-TESTNET"),
        ("MATIC", "MATIC", "MATIC-AMOY"),
        ("AVAX", "AVAX", "AVAX-FUJI"),
    ],
)
def test_a_family_means_the_network_of_the_key(name: str, live: str, test: str) -> None:
    assert resolve(name, Environment.LIVE).blockchain == live
    assert resolve(name, Environment.TEST).blockchain == test
    assert resolve(name, Environment.SANDBOX).blockchain == test


def test_all_names_of_circles_list_are_known() -> None:
    assert len({*_TESTNETS, *_TESTNETS.values()}) == 26


def test_accounts_are_smart_contracts_where_circle_has_them() -> None:
    eoa = {name for name in _TESTNETS if _account(name) is AccountType.EOA}
    assert eoa == {"SOL", "APTOS", "NEAR", "EVM"}


def _account(name: str) -> AccountType:
    return resolve(name, Environment.LIVE).account_type


def test_a_test_network_under_a_live_key_is_refused() -> None:
    with pytest.raises(UnknownChainError, match="LIVE key; use ETH"):
        Served(["ETH-SEPOLIA"], Environment.LIVE)


@pytest.mark.parametrize("name", ["DOGE", "eth", "", "ETH "])
def test_an_unknown_name_is_refused_with_the_known_ones(name: str) -> None:
    with pytest.raises(UnknownChainError, match="use one of ETH, AVAX"):
        Served([name], Environment.TEST)


def test_all_wrong_names_are_told_at_once() -> None:
    with pytest.raises(
        UnknownChainError, match=r"^'FOO' and 'BAR' are no chains of Circle's; use one of ETH"
    ):
        Served(["FOO", "ETH", "BAR"], Environment.TEST)
    with pytest.raises(UnknownChainError) as caught:
        Served(["SOL-DEVNET", "FOO", "ETH-SEPOLIA", "BASE", "BASE"], Environment.LIVE)
    told = str(caught.value)
    assert "'FOO' is no chain of Circle's" in told
    assert "SOL-DEVNET and ETH-SEPOLIA are test networks, but the key is a LIVE key; use SOL and ETH" in told
    assert "names a network twice" in told


def test_a_network_named_twice_is_refused() -> None:
    with pytest.raises(UnknownChainError, match="twice"):
        Served(["ETH", "ETH-SEPOLIA"], Environment.TEST)


def test_a_request_may_call_a_served_network_by_its_other_name() -> None:
    served = Served(["ETH", "SOL-DEVNET"], Environment.TEST)
    assert served.select(["ETH-SEPOLIA", "SOL"]) == ("ETH", "SOL")


def test_a_network_has_one_name_however_the_settings_call_it() -> None:
    by_family, by_network = (Served([name], Environment.TEST) for name in ("SOL", "SOL-DEVNET"))
    assert by_network.names == by_family.names == ("SOL",)
    assert [*by_network] == [*by_family]


def test_a_request_names_each_chain_once() -> None:
    served = Served(["ETH", "SOL"], Environment.TEST)
    assert served.select(["SOL", "ETH", "SOL", "SOL-DEVNET"]) == ("SOL", "ETH")


def test_a_request_without_chains_means_all_of_them() -> None:
    assert Served(["ETH", "SOL"], Environment.TEST).select(None) == ("ETH", "SOL")


def test_a_request_for_no_chain_is_refused() -> None:
    with pytest.raises(UnknownChainError, match="at least one"):
        Served(["ETH"], Environment.TEST).select([])


def test_a_chain_that_is_not_served_is_refused() -> None:
    with pytest.raises(UnknownChainError, match="BASE isn't provisioned here; use one of ETH"):
        Served(["ETH"], Environment.TEST).select(["BASE"])


@pytest.mark.parametrize("status", KycStatus)
def test_a_repeated_callback_changes_nothing(status: KycStatus) -> None:
    assert next_step(status, status) is KycStep.REPEAT


@pytest.mark.parametrize("late", [KycStatus.PENDING, KycStatus.PROCESSING])
def test_an_overtaken_callback_changes_nothing(late: KycStatus) -> None:
    assert next_step(KycStatus.APPROVED, late) is KycStep.REPEAT


@pytest.mark.parametrize("contrary", [KycStatus.REJECTED, KycStatus.EXPIRED])
def test_an_approval_is_not_taken_back_by_a_callback(contrary: KycStatus) -> None:
    assert next_step(KycStatus.APPROVED, contrary) is KycStep.CONFLICT


@pytest.mark.parametrize("earlier", [KycStatus.PENDING, KycStatus.PROCESSING, KycStatus.REJECTED])
def test_an_approval_may_follow(earlier: KycStatus) -> None:
    assert next_step(earlier, KycStatus.APPROVED) is KycStep.ADVANCE
