"""The blockchains that the sandbox knows, with what Circle offers on each.

Written down here again on purpose: the sandbox must not share the client's reading of Circle.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType


class World(StrEnum):
    """The two environments of an account; they know nothing of one another."""

    TEST = "test"
    LIVE = "live"


class AddressForm(StrEnum):
    """How the addresses of a chain are written."""

    EVM = "evm"
    SOLANA = "solana"
    APTOS = "aptos"
    NEAR = "near"


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """One blockchain: in which world it is, how it writes addresses, whether it has SCA wallets."""

    name: str
    world: World
    form: AddressForm
    has_sca: bool


_PAIRS = (
    ("ETH", "ETH-SEPOLIA", AddressForm.EVM, True),
    ("AVAX", "AVAX-FUJI", AddressForm.EVM, True),
    ("MATIC", "MATIC-AMOY", AddressForm.EVM, True),
    ("ARB", "ARB-SEPOLIA", AddressForm.EVM, True),
    ("UNI", "UNI-SEPOLIA", AddressForm.EVM, True),
    ("BASE", "BASE-SEPOLIA", AddressForm.EVM, True),
    ("OP", "OP-SEPOLIA", AddressForm.EVM, True),
    ("ARC", "ARC-TESTNET", AddressForm.EVM, True),
    ("MONAD", "MONAD-TESTNET", AddressForm.EVM, True),
    ("EVM", "EVM-TESTNET", AddressForm.EVM, False),
    ("SOL", "SOL-DEVNET", AddressForm.SOLANA, False),
    ("APTOS", "APTOS-TESTNET", AddressForm.APTOS, False),
    ("NEAR", "NEAR-TESTNET", AddressForm.NEAR, False),
)


def _table() -> dict[str, Network]:
    table = {}
    for live, test, form, has_sca in _PAIRS:
        table[live] = Network(name=live, world=World.LIVE, form=form, has_sca=has_sca)
        table[test] = Network(name=test, world=World.TEST, form=form, has_sca=has_sca)
    return table


NETWORKS: Mapping[str, Network] = MappingProxyType(_table())
