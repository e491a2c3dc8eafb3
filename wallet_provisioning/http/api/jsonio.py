"""JSON over the wire: read strictly, written compactly, both in UTF-8.

Reading refuses what different parsers understand differently: keys that occur twice, NaN and
infinity, numbers out of range, NUL and lone surrogates (which no database stores).
"""

import json
import math
from collections.abc import Iterable
from typing import TypeAlias

from aiohttp import web

Json: TypeAlias = bool | int | float | str | list["Json"] | dict[str, "Json"] | None

_MAX_DEPTH = 32


class InvalidJsonError(ValueError):
    """The text is no JSON that this API takes; the message says why."""


def read_json(body: bytes) -> Json:
    """Return what the bytes say; raises `InvalidJsonError`."""
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        msg = f"the body isn't UTF-8: byte {error.start} can't be read"
        raise InvalidJsonError(msg) from error
    try:
        value: Json = json.loads(
            text, object_pairs_hook=_without_repeats, parse_constant=_no_constant, parse_float=_finite
        )
    except InvalidJsonError:
        raise
    except RecursionError as error:
        raise InvalidJsonError(_TOO_DEEP) from error
    except json.JSONDecodeError as error:
        msg = f"the body isn't JSON: {error.msg} at line {error.lineno}, column {error.colno}"
        raise InvalidJsonError(msg) from error
    except ValueError as error:  # an integer of more digits than Python reads
        msg = "the body holds a number that is too long"
        raise InvalidJsonError(msg) from error
    _check(value, 0)
    return value


def write_json(value: object) -> bytes:
    """Return a value as JSON in UTF-8; NaN raises `ValueError`."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


def json_response(
    value: object, *, status: int = 200, headers: dict[str, str] | None = None, kind: str = "application/json"
) -> web.Response:
    """Return an answer with a value as its JSON body."""
    return web.Response(body=write_json(value), status=status, headers=headers, content_type=kind)


_TOO_DEEP = f"the body is nested deeper than {_MAX_DEPTH} levels"


def _without_repeats(pairs: Iterable[tuple[str, Json]]) -> dict[str, Json]:
    known: dict[str, Json] = {}
    for key, value in pairs:
        if key in known:
            msg = f"the key {key!r} occurs twice in one object"
            raise InvalidJsonError(msg)
        known[key] = value
    return known


def _no_constant(name: str) -> float:
    msg = f"{name} is no JSON number"
    raise InvalidJsonError(msg)


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        msg = f"the number {text[:40]} is out of range"
        raise InvalidJsonError(msg)
    return number


def _check(value: Json, depth: int) -> None:
    if depth >= _MAX_DEPTH and isinstance(value, list | dict):
        raise InvalidJsonError(_TOO_DEEP)
    match value:
        case str():
            _check_text(value)
        case list():
            for item in value:
                _check(item, depth + 1)
        case dict():
            for key, item in value.items():
                _check_text(key)
                _check(item, depth + 1)
        case _:
            pass


def _check_text(text: str) -> None:
    if "\0" in text:
        msg = "a text holds a NUL character"
        raise InvalidJsonError(msg)
    if any("\ud800" <= character <= "\udfff" for character in text):
        msg = "a text holds half of a surrogate pair"
        raise InvalidJsonError(msg)
