"""Addresses as people read them. Circle writes those of EVM chains in lower case; people check the case."""

import re

from Crypto.Hash import keccak

_EVM = re.compile(r"0x[0-9a-fA-F]{40}")
_CAPITAL_FROM = "8"


def checksummed(address: str) -> str:
    """Return an EVM address with its checksum by the case of its letters (EIP-55), any other as it is.

    A digit of the hash of the lower-case address stands for each letter, and from 8 on makes it a capital.
    The form tells: no other chain of Circle's has `0x` and 40 hexadecimal digits.
    """
    if not _EVM.fullmatch(address):
        return address
    digits = address[2:].lower()
    digest = keccak.new(digest_bits=256, data=digits.encode()).hexdigest()
    pairs = zip(digits, digest, strict=False)
    return "0x" + "".join(digit.upper() if sign >= _CAPITAL_FROM else digit for digit, sign in pairs)
