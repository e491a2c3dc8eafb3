"""How arguments are read: durations, times, reasons and lists of chains."""

import re
from datetime import UTC, datetime, timedelta
from math import isnan

import click

from wallet_provisioning.durations import InvalidDurationError, parse_duration
from wallet_provisioning.http.api.fields import MAX_DURATION, MAX_REASON

_TIME = re.compile(
    r"\d{4}-\d\d-\d\d([Tt ]\d\d:\d\d(:\d\d(\.\d{1,9})?)?([Zz]|[+-]\d\d:\d\d)?)?",
    re.ASCII,
)

_LONGEST_NAME = 50


class DurationType(click.ParamType[timedelta]):
    """A duration such as `500ms` or `60s`."""

    name = "duration"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        """Return the duration; a text of another form is a usage error."""
        if isinstance(value, timedelta):
            return value
        try:
            return parse_duration(str(value))
        except InvalidDurationError as error:
            self.fail(str(error), param, ctx)


class OrderLengthType(DurationType):
    """How long an order stands: more than nothing, and at most as long as the API takes."""

    name = "duration"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        """Return the duration; one that would end at once, or beyond a year, is a usage error."""
        length = super().convert(value, param, ctx)
        if not timedelta() < length <= MAX_DURATION:
            self.fail(f"{value} must be longer than nothing and at most a year, as in 30m or 2h", param, ctx)
        return length


class ReasonType(click.ParamType[str]):
    """Why somebody gives an order: a text that says something."""

    name = "reason"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the text as it is written; a blank or overlong one is a usage error."""
        reason = str(value)
        if not reason.strip() or len(reason) > MAX_REASON:
            self.fail(f"say why, in 1 to {MAX_REASON} characters that aren't all blank", param, ctx)
        return reason


class NameType(click.ParamType[str]):
    """A wallet set's name, as Circle takes it."""

    name = "name"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the text as it is written; one that Circle would refuse is a usage error."""
        text = str(value)
        if not text.strip() or len(text) > _LONGEST_NAME or "(" in text or ")" in text:
            self.fail(f"a name has 1 to {_LONGEST_NAME} characters and no parentheses", param, ctx)
        return text


class HeadType(click.ParamType[str]):
    """The head of a chain of seals."""

    name = "head"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return it in small letters; a text that can't be one is a usage error, and no breach."""
        head = str(value).strip().lower()
        if not re.fullmatch(r"[0-9a-f]{64}", head):
            self.fail(f"{value!r} is no head, which has 64 hexadecimal characters", param, ctx)
        return head


class NumberType(click.FloatRange):
    """A number within bounds, and a number indeed."""

    def convert(self, value: float, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return the number; anything else is a usage error."""
        number = super().convert(value, param, ctx)
        if isnan(number):
            self.fail(f"{value!r} is no number", param, ctx)
        return number


class TimeType(click.ParamType[datetime]):
    """A moment as the program writes it (RFC 3339); without an offset it is in UTC."""

    name = "time"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Return the moment in UTC; a text of another form, or no moment that exists, is a usage error."""
        if isinstance(value, datetime):
            return value
        try:
            return _moment(str(value).strip())
        except (ValueError, OverflowError):
            self.fail(f"{value!r} is no time; write it as in 2026-01-31T12:00:00Z", param, ctx)


class ChainsType(click.ParamType[tuple[str, ...]]):
    """Names of chains, separated by commas."""

    name = "chains"

    def convert(
        self,
        value: object,
        param: click.Parameter | None,  # noqa: ARG002 - a base's names are its callers' keywords
        ctx: click.Context | None,  # noqa: ARG002
    ) -> tuple[str, ...]:
        """Return the names as they are written; which of them are served is asked later."""
        if isinstance(value, tuple):
            return value
        return tuple(name.strip() for name in str(value).split(","))


def _moment(text: str) -> datetime:
    """Return the moment in UTC; raises `ValueError` or `OverflowError`."""
    if not _TIME.fullmatch(text):
        raise ValueError(text)
    moment = datetime.fromisoformat(text.upper())
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)


DURATION = DurationType()
ORDER_LENGTH = OrderLengthType()
REASON = ReasonType()
NAME = NameType()
HEAD = HeadType()
TIME = TimeType()
CHAINS = ChainsType()
