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
    """A chain, named by its family however it was asked for, and the network that this means here.

    A wallet's key and refId are derived from the name: had a network two, a user could get two wallets on it.
    """

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


def family_of(name: str) -> str:
    """Return the name that a chain goes by here, for the name of its network; any other text as it is."""
    return _FAMILIES.get(name, name)


def resolve(name: str, environment: Environment) -> Chain:
    """Return what a chain's name means in an environment.

    A family name means the network of the environment; a full name must be of the environment.
    Raises `UnknownChainError` otherwise.
    """
    wrong = [*_what_is_wrong([name], environment)]
    if wrong:
        raise UnknownChainError("; ".join(wrong))
    family = family_of(name)
    blockchain = family if environment.is_live else _TESTNETS[family]
    account_type = AccountType.EOA if family in _EOA_ONLY else AccountType.SCA
    return Chain(name=family, blockchain=blockchain, account_type=account_type)


def _what_is_wrong(names: Sequence[str], environment: Environment) -> Iterator[str]:
    """Yield what is wrong with names, each kind of mistake once with all names that share it."""
    unknown = [name for name in dict.fromkeys(names) if name not in _TESTNETS and name not in _FAMILIES]
    if unknown:
        are = "is no chain" if len(unknown) == 1 else "are no chains"
        yield f"{' and '.join(map(repr, unknown))} {are} of Circle's; use one of {', '.join(_TESTNETS)}"
    tests = [name for name in dict.fromkeys(names) if environment.is_live and name in _FAMILIES]
    if tests:
        are = "is a test network" if len(tests) == 1 else "are test networks"
        families = dict.fromkeys(_FAMILIES[name] for name in tests)
        yield f"{' and '.join(tests)} {are}, but the key is a LIVE key; use {' and '.join(families)}"


def _doubled(names: Sequence[str]) -> Iterator[str]:
    if len({family_of(name) for name in names}) != len(names):
        yield f"{','.join(names)} names a network twice; leave one of the names out"


class Served:
    """The chains that this house provisions, in their order. Safe on any thread: it never changes."""

    def __init__(self, names: Sequence[str], environment: Environment) -> None:
        """Resolve the names; raises one `UnknownChainError` for all unknown, wrong and doubled ones."""
        wrong = [*_what_is_wrong(names, environment), *_doubled(names)]
        if wrong:
            raise UnknownChainError("; ".join(wrong))
        chains = [resolve(name, environment) for name in names]
        self._chains = {chain.name: chain for chain in chains}
        self._environment = environment

    def __iter__(self) -> Iterator[Chain]:
        """Iterate over the chains."""
        return iter(self._chains.values())

    @property
    def names(self) -> tuple[str, ...]:
        """The names that requests without chains of their own mean."""
        return tuple(self._chains)

    def find(self, name: str) -> Chain:
        """Return the served chain that a name means, be it the family's or the network's.

        Raises `UnknownChainError` where no served chain is meant.
        """
        chain = self._chains.get(resolve(name, self._environment).name)
        if chain is None:
            msg = f"{name} isn't provisioned here; use one of {', '.join(self._chains)}"
            raise UnknownChainError(msg)
        return chain

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
