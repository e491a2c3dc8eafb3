"""What a refusal of Circle's means: by its own code first, then by the HTTP status."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from wallet_provisioning.http.circle.answers import CallFailed, Certainty
from wallet_provisioning.http.circle.protocol import Answer
from wallet_provisioning.jobs.errors import ErrorType

UNKNOWN_ERROR = -1
WALLET_NOT_FOUND = 156001
WALLET_SET_NOT_FOUND = 156005
CIPHERTEXT_REUSED = 156004
ENTITY_SECRET_INVALID = 156013
ENTITY_SECRET_ROTATED = 156019
KEY_USED = 156020

_RATE_LIMIT = 5
_REFUSALS = frozenset(
    {2, 3, 4, 401, 156001, 156005, 156006, 156012, 156014, 156015, 156016}
    | {CIPHERTEXT_REUSED, ENTITY_SECRET_INVALID, ENTITY_SECRET_ROTATED, KEY_USED}
    | {155502, 155503, 155507, 155511}
)
_CONFIGURATION = frozenset({3, 4, 401, 156006, 156016, ENTITY_SECRET_INVALID, ENTITY_SECRET_ROTATED})
_CLIENT_ERRORS = range(400, 500)
_SERVER_ERRORS = range(500, 600)
_CONFIGURATION_STATUSES = frozenset({401, 403})
# A gateway's time-out, and a conflict without a code: the request may be at work behind them.
_UNSETTLED_STATUSES = frozenset({408, 409})
_LONGEST_RETRY_AFTER = timedelta(days=1)
_LONGEST_MESSAGE = 300
_MOST_FIELDS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class _Body:
    code: int | None
    message: str


def read_error(answer: Answer, *, now: datetime, scrub: Callable[[str], str]) -> CallFailed:
    """Return what an answer outside 2xx means; `scrub` takes secrets out of Circle's own words."""
    body = _read_body(answer.body)
    error_type = _error_type(answer.status, body.code)
    said = scrub(body.message)[:_LONGEST_MESSAGE]
    head = f"HTTP {answer.status}" if body.code is None else f"HTTP {answer.status}, code {body.code}"
    return CallFailed(
        error_type=error_type,
        message=f"{head}: {said}" if said else head,
        certainty=_certainty(answer.status, body.code, error_type),
        is_configuration=_is_configuration(answer.status, body.code),
        retry_after=read_retry_after(answer.retry_after, now),
        http_status=answer.status,
        code=body.code,
        circle_request_id=answer.request_id,
    )


def read_retry_after(text: str | None, now: datetime) -> timedelta | None:
    """Return the delay of a `Retry-After`: seconds or an HTTP date; None where it is neither.

    A date in the past is no delay, and none is longer than a day.
    """
    if text is None:
        return None
    words = text.strip()
    if words.isascii() and words.isdigit():
        longest = int(_LONGEST_RETRY_AFTER.total_seconds())
        return timedelta(seconds=longest if len(words) > len(str(longest)) else min(int(words), longest))
    try:
        at = parsedate_to_datetime(words)
    except ValueError:
        return None
    delay = (at if at.tzinfo else at.replace(tzinfo=UTC)) - now
    return min(max(delay, timedelta()), _LONGEST_RETRY_AFTER)


def _read_body(content: bytes) -> _Body:
    """Read what can be read; a proxy in between answers in its own way."""
    try:
        parsed = json.loads(content)
    except (ValueError, RecursionError):
        return _Body(code=None, message="")
    if not isinstance(parsed, dict):
        return _Body(code=None, message="")
    code, message = parsed.get("code"), parsed.get("message")
    words = [message] if isinstance(message, str) else []
    return _Body(code=code if type(code) is int else None, message="; ".join(words + _fields(parsed)))


def _fields(parsed: dict[str, object]) -> list[str]:
    """Name the fields that were refused, without their values: one of them is the ciphertext."""
    errors = parsed.get("errors")
    listed = [error for error in errors if isinstance(error, dict)] if isinstance(errors, list) else []
    return [f"{error.get('location')} {error.get('error')}" for error in listed[:_MOST_FIELDS]]


def _error_type(status: int, code: int | None) -> ErrorType:
    if code == _RATE_LIMIT:
        return ErrorType.CIRCLE_RATE_LIMIT
    if code in _REFUSALS:
        return ErrorType.CIRCLE_4XX
    match status:
        case 429:
            return ErrorType.CIRCLE_RATE_LIMIT
        case _ if status in _SERVER_ERRORS:
            return ErrorType.CIRCLE_5XX
        case _ if status in _CLIENT_ERRORS:
            return ErrorType.CIRCLE_4XX
        case _:
            return ErrorType.NETWORK


def _certainty(status: int, code: int | None, error_type: ErrorType) -> Certainty:
    if error_type in {ErrorType.CIRCLE_5XX, ErrorType.NETWORK} or code == UNKNOWN_ERROR:
        return Certainty.AMBIGUOUS
    if status in _UNSETTLED_STATUSES and code not in _REFUSALS:
        return Certainty.AMBIGUOUS
    return Certainty.REFUSED


def _is_configuration(status: int, code: int | None) -> bool:
    if code in _REFUSALS:
        return code in _CONFIGURATION
    return status in _CONFIGURATION_STATUSES
