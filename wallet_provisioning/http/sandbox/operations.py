"""The calls of the API by name, as faults and limits see them. Pure."""

from dataclasses import dataclass
from enum import StrEnum


class Operation(StrEnum):
    """The calls that can be disturbed."""

    PUBLIC_KEY = "public_key"
    CREATE_WALLET_SET = "create_wallet_set"
    GET_WALLET_SET = "get_wallet_set"
    LIST_WALLET_SETS = "list_wallet_sets"
    CREATE_WALLETS = "create_wallets"
    LIST_WALLETS = "list_wallets"
    GET_WALLET = "get_wallet"
    CHANGE_WALLET = "change_wallet"


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A call as the faults see it; `blockchains` are those that it names."""

    operation: Operation
    blockchains: frozenset[str] = frozenset()
