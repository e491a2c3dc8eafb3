"""The last defence of secrets: what smells of one never reaches a line.

Secrets are kept out where they live; this catches what slips through, such as a library's exception
that quotes a header.
"""

import re
from collections.abc import Mapping
from functools import lru_cache

GONE = "[redacted]"

_SECRET_KEY = re.compile(
    r"secret|passw|authori[sz]ation|api[_-]?key|token|cipher|credential|cookie|private[_-]?key", re.IGNORECASE
)
_SECRET_VALUE = re.compile(
    r"(?P<scheme>\b(?:Bearer|Basic)\s+)[^\s\"',;]+"
    r"|(?P<environment>\b(?:TEST|LIVE|SAND)_API_KEY:)[^\s\"',;]+"
    r"|(?P<user>://[^\s/:@\"']*:)[^\s/@\"']+(?=@)",
    re.IGNORECASE,
)
# What every such value has in it. Looking for these is far cheaper than the pattern, and few values have one.
_TRACES = ("bearer", "basic", "_api_key:", "://")


def redact_entry(entry: dict[str, object]) -> dict[str, object]:
    """Return a log entry without what smells of a secret. Nearly all entries pass by one quick look."""
    if _is_clean(entry):
        return entry
    return {name: redact(value, name) for name, value in entry.items()}


def redact(value: object, key: str = "") -> object:
    """Return the value without what smells of a secret, by its key's name or by its own look.

    Mappings, lists and tuples are searched whole; other values are returned as they are.
    """
    if value is not None and _smells(key):
        return GONE
    match value:
        case str():
            return _SECRET_VALUE.sub(_keep_kind, value)
        case Mapping():
            return {name: redact(inner, str(name)) for name, inner in value.items()}
        case list() | tuple():
            return [redact(inner) for inner in value]
        case _:
            return value


@lru_cache(maxsize=1_000)
def _smells(key: str) -> bool:
    return _SECRET_KEY.search(key) is not None


@lru_cache(maxsize=1_000)
def _any_smells(keys: tuple[str, ...]) -> bool:
    return any(_smells(key) for key in keys)


def _is_clean(entry: Mapping[str, object]) -> bool:
    """Return True only where there surely is nothing to hide."""
    if _any_smells(tuple(entry)):
        return False
    texts = []
    for value in entry.values():
        if isinstance(value, str):
            texts.append(value)
        elif not isinstance(value, int | float):
            return False
    joined = " ".join(texts).lower()
    return not any(trace in joined for trace in _TRACES)


def _keep_kind(found: re.Match[str]) -> str:
    """Leave what kind of secret it was, for whoever has to find the leak."""
    return f"{found[found.lastgroup or 0]}{GONE}"
