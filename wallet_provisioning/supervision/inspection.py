"""An actor's state as plain values, copied on its own thread so that anybody may read them."""

import math
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import TypeAlias
from uuid import UUID

Plain: TypeAlias = "bool | int | float | str | list[Plain] | dict[str, Plain] | None"

_DEEPEST = 4
_LONGEST = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """What an incarnation says of itself. `error` says why it could not; then `values` is empty."""

    path: str
    incarnation: int
    is_stopping: bool
    values: Mapping[str, Plain]
    error: str | None = None


def plain(value: object, depth: int = 0) -> Plain:
    """Return a value as JSON knows it: times as ISO 8601, durations in seconds, others by their type's name.

    Collections are cut at a hundred items and four levels.
    """
    match value:
        case Enum():
            return plain(value.value, depth)
        case None | bool() | int() | str():
            return value
        case float():
            return value if math.isfinite(value) else str(value)
        case UUID() | datetime() | timedelta():
            return _plain_scalar(value)
        case _:
            return _plain_collection(value, depth)


def _plain_scalar(value: UUID | datetime | timedelta) -> Plain:
    match value:
        case UUID():
            return str(value)
        case datetime():
            return value.isoformat()
        case timedelta():
            return value.total_seconds()


def _plain_collection(value: object, depth: int) -> Plain:
    if depth >= _DEEPEST:
        return type(value).__name__
    match value:
        case Mapping():
            return {str(plain(key)): plain(item, depth + 1) for key, item in list(value.items())[:_LONGEST]}
        case bytes() | bytearray() | memoryview():
            return type(value).__name__
        case Sequence() | AbstractSet():
            return [plain(item, depth + 1) for item in list(value)[:_LONGEST]]
        case _:
            return type(value).__name__
