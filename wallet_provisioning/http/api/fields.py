"""The kinds of values that requests carry, each with one strict way to write it."""

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, BeforeValidator, PlainValidator, StringConstraints, WithJsonSchema
from pydantic_core import PydanticCustomError

from wallet_provisioning.durations import InvalidDurationError, parse_duration
from wallet_provisioning.jobs.chains import family_of

_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,6})?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
_LIMIT = re.compile(r"[0-9]{1,3}")
MAX_LIMIT = 200
MAX_DURATION = timedelta(days=366)
MAX_REASON = 500


def read_uuid(value: object) -> UUID:
    """Return a UUID written with hyphens; anything else is a `PydanticCustomError`."""
    if isinstance(value, str) and _UUID.fullmatch(value):
        return UUID(value)
    kind = "uuid"
    raise PydanticCustomError(kind, "must be a UUID of 36 characters")


def read_time(value: object) -> datetime:
    """Return a time written as RFC 3339, in UTC; anything else is a `PydanticCustomError`."""
    kind = "time"
    if not isinstance(value, str) or not _TIME.fullmatch(value):
        hint = "must be a time as in 2026-01-31T12:00:00Z (write a + in a URL as %2B)"
        raise PydanticCustomError(kind, hint)
    try:
        return datetime.fromisoformat(value.upper()).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise PydanticCustomError(kind, "must be a time that exists") from error


def read_duration(value: object) -> timedelta:
    """Return a length of time as the settings write it; anything else is a `PydanticCustomError`."""
    kind = "duration"
    try:
        length = parse_duration(value) if isinstance(value, str) else timedelta()
    except InvalidDurationError as error:
        raise PydanticCustomError(kind, "must be a duration such as 30m or 2h") from error
    if not timedelta() < length <= MAX_DURATION:
        raise PydanticCustomError(kind, "must be a duration such as 30m or 2h, of at most a year")
    return length


def read_reason(value: str) -> str:
    """Return an operator's reason as it is written; one that is all blank is a `PydanticCustomError`."""
    if value.strip():
        return value
    kind = "reason"
    raise PydanticCustomError(kind, "must say why: it may not be blank")


def read_limit(value: object) -> int:
    """Return how many rows a page may have, from 1 to 200."""
    if isinstance(value, int):
        return value
    if isinstance(value, str) and _LIMIT.fullmatch(value) and 1 <= int(value) <= MAX_LIMIT:
        return int(value)
    kind = "limit"
    raise PydanticCustomError(kind, "must be a whole number from 1 to 200")


UuidText = Annotated[UUID, PlainValidator(read_uuid), WithJsonSchema({"type": "string", "format": "uuid"})]
TimeText = Annotated[
    datetime, PlainValidator(read_time), WithJsonSchema({"type": "string", "format": "date-time"})
]
DurationText = Annotated[
    timedelta,
    PlainValidator(read_duration),
    WithJsonSchema({"type": "string", "examples": ["30m", "2h"]}),
]
Limit = Annotated[
    int,
    BeforeValidator(read_limit),
    WithJsonSchema({"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": 50}),
]
ChainName = Annotated[str, StringConstraints(strict=True, min_length=1, max_length=50)]
Prefix = Annotated[str, StringConstraints(strict=True, min_length=1, max_length=50)]
ChainWanted = Annotated[ChainName, AfterValidator(family_of)]
Reason = Annotated[str, StringConstraints(strict=True, min_length=1, max_length=MAX_REASON)]
Why = Annotated[Reason, AfterValidator(read_reason)]
