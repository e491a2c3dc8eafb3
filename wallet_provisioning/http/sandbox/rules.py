"""What Circle demands of a well-formed order before it makes anything. Pure."""

from wallet_provisioning.http.sandbox.books import Books
from wallet_provisioning.http.sandbox.contract import WalletOrder
from wallet_provisioning.http.sandbox.networks import NETWORKS, Network, World
from wallet_provisioning.http.sandbox.refusals import Code, Refusal, invalid

MOST_WALLET_SETS = 1_000


def find_network(blockchain: str, world: World) -> Network:
    """Return a blockchain of this world; raises `Refusal` 155511 or 156006."""
    network = NETWORKS.get(blockchain)
    if network is None:
        raise Refusal(Code.UNKNOWN_CHAIN)
    if network.world is not world:
        raise Refusal(Code.WRONG_NETWORK)
    return network


def check_order(order: WalletOrder, world: World, books: Books, wallets_per_set: int) -> None:
    """Raise `Refusal` where an order can't be carried out."""
    networks = [find_network(blockchain, world) for blockchain in order.blockchains]
    if order.account_type == "SCA" and not all(network.has_sca for network in networks):
        raise Refusal(Code.NO_SCA)
    if order.metadata is not None and len(order.metadata) != order.count:
        raise Refusal(Code.METADATA_COUNT)
    if books.wallet_sets.get(order.wallet_set_id) is None:
        raise Refusal(Code.SET_NOT_FOUND)
    wanted = order.count * len(networks)
    if books.wallets_in_set[order.wallet_set_id] + wanted > wallets_per_set:
        raise Refusal(Code.SET_FULL)


def check_wallet_set(already: int) -> None:
    """Raise `Refusal` where there are as many wallet sets as there may be."""
    if already >= MOST_WALLET_SETS:
        message = f"an account has at most {MOST_WALLET_SETS} wallet sets"
        raise invalid(location="walletSets", error="max", message=message)
