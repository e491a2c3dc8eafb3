"""What an address looks like on each family of chains. A form, not a proof: no network is asked."""

import re

_EVM = re.compile(r"0x[0-9a-fA-F]{40}")
# Some tools drop an address's leading zeros; the lower bound still tells it from an EVM address.
_APTOS = re.compile(r"0x[0-9a-fA-F]{50,64}")
_NEAR = re.compile(r"[a-z0-9]+(?:[-_.][a-z0-9]+)*")
_NEAR_LENGTHS = range(2, 65)
_BASE58_LETTERS = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_BASE58 = {letter: value for value, letter in enumerate(_BASE58_LETTERS)}
_SOLANA_LENGTHS = range(32, 45)
_SOLANA_BYTES = 32


def is_address(text: str, blockchain: str) -> bool:
    """Return whether a text has the form of an address on that blockchain."""
    match blockchain.partition("-")[0]:
        case "SOL":
            return _is_solana(text)
        case "APTOS":
            return _APTOS.fullmatch(text) is not None
        case "NEAR":
            return len(text) in _NEAR_LENGTHS and _NEAR.fullmatch(text) is not None
        case _:
            return _EVM.fullmatch(text) is not None


def _is_solana(text: str) -> bool:
    """Return whether the text is 32 bytes in base58, where each leading 1 is a zero byte."""
    if len(text) not in _SOLANA_LENGTHS or not _BASE58.keys() >= set(text):
        return False
    number = 0
    for letter in text:
        number = number * 58 + _BASE58[letter]
    zeros = len(text) - len(text.lstrip("1"))
    return zeros + (number.bit_length() + 7) // 8 == _SOLANA_BYTES
