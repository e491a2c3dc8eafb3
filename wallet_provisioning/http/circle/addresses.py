"""What an address looks like on each family of chains. A form, not a proof: no network is asked."""

import re
from collections.abc import Callable

_EVM = re.compile(r"0x[0-9a-fA-F]{40}")
# Some tools drop an address's leading zeros; the lower bound still tells it from an EVM address.
_APTOS = re.compile(r"0x[0-9a-fA-F]{50,64}")
_NEAR = re.compile(r"[a-z0-9]+(?:[-_.][a-z0-9]+)*")
_NEAR_LENGTHS = range(2, 65)
_BASE58_LETTERS = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_SOLANA = re.compile(f"1*([{_BASE58_LETTERS[1:]}][{_BASE58_LETTERS}]*)?")
_SOLANA_BYTES = 32


def form_of(blockchain: str) -> Callable[[str], bool]:
    """Return what tells whether a text has the form of an address on that blockchain."""
    match blockchain.partition("-")[0]:
        case "SOL":
            return _is_solana
        case "APTOS":
            return _is_aptos
        case "NEAR":
            return _is_near
        case _:
            return _is_evm


def is_address(text: str, blockchain: str) -> bool:
    """Return whether a text has the form of an address on that blockchain."""
    return form_of(blockchain)(text)


def _is_evm(text: str) -> bool:
    return _EVM.fullmatch(text) is not None


def _is_aptos(text: str) -> bool:
    return _APTOS.fullmatch(text) is not None


def _is_near(text: str) -> bool:
    return len(text) in _NEAR_LENGTHS and _NEAR.fullmatch(text) is not None


def _is_solana(text: str) -> bool:
    """Return whether the text is 32 bytes in base58, where each leading 1 is a zero byte.

    Base58's letters are in the order of ASCII, so of two numbers without leading zeros the longer text, or of
    two as long the later one, is the greater: the text is compared with its bounds, and never decoded.
    """
    found = _SOLANA.fullmatch(text)
    if found is None:
        return False
    number = found[1] or ""
    zeros = len(text) - len(number)
    if zeros > _SOLANA_BYTES:
        return False
    least, greatest = _BOUNDS[_SOLANA_BYTES - zeros]
    return (len(least), least) <= (len(number), number) <= (len(greatest), greatest)


def _in_base58(number: int) -> str:
    letters = ""
    while number:
        number, value = divmod(number, 58)
        letters = _BASE58_LETTERS[value] + letters
    return letters


# The least and the greatest number of so many bytes, the first of which isn't zero.
_BOUNDS = [
    (_in_base58(256 ** (length - 1)) if length else "", _in_base58(256**length - 1))
    for length in range(_SOLANA_BYTES + 1)
]
