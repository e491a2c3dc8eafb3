"""Texts that a database can hold: PostgreSQL refuses NUL, UTF-8 has no half of a surrogate pair."""

import json
from collections.abc import Mapping
from datetime import datetime

import orjson

from wallet_provisioning.store.errors import UnstorableTextError

LONGEST_KEY = 500
_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


def clean(text: str) -> str:
    """Return the text with what can't be stored replaced: for messages that come from outside."""
    if text.isascii():
        return text.replace("\0", _REPLACEMENT)
    whole = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return whole.replace("\0", _REPLACEMENT)


def require_storable(name: str, text: str) -> None:
    """Raise `UnstorableTextError` for a name or key that would have to be changed to be stored."""
    if not 1 <= len(text) <= LONGEST_KEY or clean(text) != text:
        msg = f"{name} must have 1 to {LONGEST_KEY} characters without NUL or lone surrogates"
        raise UnstorableTextError(msg)


def dump_document(document: object) -> str:
    """Return a document as JSON that both databases take, ids and times as their text."""
    try:
        text = orjson.dumps(document, default=str)
    except TypeError:
        return dump_anew(document)  # a lone surrogate, or an integer of many digits
    # Only a document with something unusual in it pays for being looked through.
    return dump_anew(document) if b"\\u0000" in text else text.decode()


def dump_anew(document: object) -> str:
    """Return a document as JSON in ASCII, with what can't be stored replaced."""
    return _ENCODER.encode(_clean_tree(document))


def _as_text(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def _clean_tree(value: object) -> object:
    match value:
        case str():
            return clean(value)
        case Mapping():
            return {clean(str(key)): _clean_tree(item) for key, item in value.items()}
        case list() | tuple():
            return [_clean_tree(item) for item in value]
        case _:
            return value


_ENCODER = json.JSONEncoder(default=_as_text, separators=(",", ":"))
