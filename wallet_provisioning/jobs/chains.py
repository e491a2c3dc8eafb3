"""Circle's blockchains: which names there are, what a family name means, which account a chain has.

Names and account types: Circle's OpenAPI source 9.6.0, `Blockchain` and `AccountType`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum


class Environment(StrEnum):
    """Which world the keys open. The built-in sandbox speaks for the test world."""

    SANDBOX = "sandbox"
    TEST = "test"
    LIVE = "live"

    @property
    def is_live(self) -> bool:
        """Whether real customers' wallets are made here."""
        return self is Environment.LIVE


class AccountType(StrEnum):
    """Smart contract account where Circle has it, externally owned account elsewhere."""

    SCA = "SCA"
    EOA = "EOA"


class UnknownChainError(ValueError):
    """The chain isn't one that can be used here; the message says which names can."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """A chain as the house names it, and the network that stands behind the name here."""

    name: str
    blockchain: str
    account_type: AccountType


_TESTNETS = {
    "ETH": "ETH-SEPOLIA",
    "AVAX": "AVAX-FUJI",
    "MATIC": "MATIC-AMOY",
    "SOL": "SOL-DEVNET",
    "ARB": "ARB-SEPOLIA",
    "NEAR": "NEAR-TESTNET",
    "EVM": "EVM-TESTNET",
    "UNI": "UNI-SEPOLIA",
    "BASE": "BASE-SEPOLIA",
    "OP": "OP-SEPOLIA",
    "APTOS": "APTOS-TESTNET",
    "ARC": "ARC-TESTNET",
    "MONAD": "MONAD-TESTNET",
}
_FAMILIES = {testnet: family for family, testnet in _TESTNETS.items()}
_EOA_ONLY = frozenset({"SOL", "APTOS", "NEAR", "EVM"})


def resolve(name: str, environment: Environment) -> Chain:
    """Return what a chain's name means in an environment.

    A family name means the network of the environment; a full name must be of the environment.
    Raises `UnknownChainError` otherwise.
    """
    if name not in _TESTNETS and name not in _FAMILIES:
        msg = f"{name!r} is no chain of Circle's; use one of {', '.join(_TESTNETS)}"
        raise UnknownChainError(msg)
    family = _FAMILIES.get(name, name)
    if environment.is_live and name in _FAMILIES:
        msg = f"{name} is a test network, but the key is a LIVE key; use {family}"
        raise UnknownChainError(msg)
    blockchain = family if environment.is_live else _TESTNETS[family]
    account_type = AccountType.EOA if family in _EOA_ONLY else AccountType.SCA
    return Chain(name=name, blockchain=blockchain, account_type=account_type)


class Served:
    """The chains that this house provisions, in their order. Safe on any thread: it never changes."""

    def __init__(self, names: Sequence[str], environment: Environment) -> None:
        """Resolve the names; raises `UnknownChainError` for an unknown, wrong or doubled one."""
        self._chains = {name: resolve(name, environment) for name in names}
        self._environment = environment
        if len({chain.blockchain for chain in self._chains.values()}) != len(names):
            msg = f"{','.join(names)} names a network twice; leave one of the names out"
            raise UnknownChainError(msg)

    def __iter__(self) -> Iterator[Chain]:
        """Iterate over the chains."""
        return iter(self._chains.values())

    @property
    def names(self) -> tuple[str, ...]:
        """The names that requests without chains of their own mean."""
        return tuple(self._chains)

    def find(self, name: str) -> Chain:
        """Return the served chain that a name means; another name of the same network counts.

        Raises `UnknownChainError` where no served chain is meant.
        """
        if name in self._chains:
            return self._chains[name]
        meant = resolve(name, self._environment).blockchain
        for chain in self._chains.values():
            if chain.blockchain == meant:
                return chain
        msg = f"{name} isn't provisioned here; use one of {', '.join(self._chains)}"
        raise UnknownChainError(msg)

    def select(self, names: Sequence[str] | None) -> tuple[str, ...]:
        """Return the served names for a request, each once, all of them for None.

        Raises `UnknownChainError` for a name that isn't served, and for an empty list.
        """
        if names is None:
            return self.names
        if not names:
            msg = "name at least one chain, or leave chains out to mean all of them"
            raise UnknownChainError(msg)
        return tuple(dict.fromkeys(self.find(name).name for name in names))
