"""Plausible addresses, drawn by chance: right in form, without a private key behind them."""

from random import Random
from typing import assert_never

from wallet_provisioning.http.sandbox.networks import NETWORKS, AddressForm

_ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_EVM_BYTES = 20
_KEY_BYTES = 32


def base58(data: bytes) -> str:
    """Return bytes in base58 with Bitcoin's alphabet, as Solana writes its keys."""
    number = int.from_bytes(data)
    digits = ""
    while number:
        number, rest = divmod(number, len(_ALPHABET))
        digits = _ALPHABET[rest] + digits
    zeros = len(data) - len(data.lstrip(b"\0"))
    return _ALPHABET[0] * zeros + digits


def draw(form: AddressForm, chance: Random) -> str:
    """Return a new address of a form; NEAR's is an implicit account, 64 hex characters."""
    match form:
        case AddressForm.EVM:
            return "0x" + chance.randbytes(_EVM_BYTES).hex()
        case AddressForm.SOLANA:
            return base58(chance.randbytes(_KEY_BYTES))
        case AddressForm.APTOS:
            return "0x" + chance.randbytes(_KEY_BYTES).hex()
        case AddressForm.NEAR:
            return chance.randbytes(_KEY_BYTES).hex()
        case _:
            assert_never(form)


class CallAddresses:
    """The addresses of one call: its EVM wallets share one where they share a refId, on other chains.

    A refId that stands twice in a call means two wallets on each chain, hence two addresses.
    """

    def __init__(self, chance: Random) -> None:
        """Start a call."""
        self._chance = chance
        self._shared: dict[tuple[str, int], str] = {}
        self._seen: dict[tuple[str, str], int] = {}

    def next(self, blockchain: str, ref_id: str | None) -> str:
        """Return the address of the call's next wallet."""
        form = NETWORKS[blockchain].form
        if form is not AddressForm.EVM or not ref_id:
            return draw(form, self._chance)
        turn = self._seen.get((blockchain, ref_id), 0)
        self._seen[blockchain, ref_id] = turn + 1
        if (ref_id, turn) not in self._shared:
            self._shared[ref_id, turn] = draw(form, self._chance)
        return self._shared[ref_id, turn]
