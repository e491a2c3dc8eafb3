from wallet_provisioning.http.sandbox.networks import NETWORKS, World

CIRCLES = """ETH, ETH-SEPOLIA, AVAX, AVAX-FUJI, MATIC, MATIC-AMOY, SOL, SOL-DEVNET, ARB, ARB-SEPOLIA, NEAR,
NEAR-TESTNET, EVM, EVM-TESTNET, UNI, UNI-SEPOLIA, BASE, BASE-SEPOLIA, OP, OP-SEPOLIA, APTOS, APTOS-TESTNET,
ARC, ARC-TESTNET, MONAD, MONAD-TESTNET"""


def test_every_blockchain_of_circles_is_known_and_no_other() -> None:
    assert set(NETWORKS) == set(CIRCLES.replace("\n", " ").replace(",", " ").split())


def test_a_name_with_a_hyphen_is_a_test_network() -> None:
    for name, network in NETWORKS.items():
        assert network.name == name
        assert (network.world is World.TEST) == ("-" in name)


def test_some_chains_have_no_contract_accounts() -> None:
    without = {name for name, network in NETWORKS.items() if not network.has_sca}
    families = {"SOL", "APTOS", "NEAR", "EVM"}
    assert {name.split("-")[0] for name in without} == families
    assert len(without) == 8
