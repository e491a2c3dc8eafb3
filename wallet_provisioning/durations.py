"""Durations as the settings, the command line and the API write them: `500ms`, `30s`, `1m`, `2h`.

A duration is one whole number and one unit, so that every value has one reading. There are no
fractions and no sums: `1.5s` is written `1500ms`, `1m30s` is written `90s`.
"""

import re
from datetime import timedelta

_UNITS = {
    "h": timedelta(hours=1),
    "m": timedelta(minutes=1),
    "s": timedelta(seconds=1),
    "ms": timedelta(milliseconds=1),
}
_FORM = re.compile(r"([0-9]{1,12})(ms|s|m|h)")


class InvalidDurationError(ValueError):
    """A duration is a whole number and a unit: 500ms, 30s, 1m or 2h."""


def parse_duration(text: str) -> timedelta:
    """Return the duration that a text names; raises `InvalidDurationError` for any other form."""
    form = _FORM.fullmatch(text)
    if form is None:
        msg = f"{text!r} is no duration; write a whole number and a unit: 500ms, 30s, 1m or 2h"
        raise InvalidDurationError(msg)
    try:
        return int(form[1]) * _UNITS[form[2]]
    except OverflowError as error:
        msg = f"{text} is longer than this program can count"
        raise InvalidDurationError(msg) from error


def format_duration(duration: timedelta) -> str:
    """Return a duration in its largest whole unit, so that `parse_duration` reads it back.

    Less than a millisecond is rounded to the nearest one; a negative duration raises `ValueError`.
    """
    milliseconds = round(duration / _UNITS["ms"])
    if milliseconds < 0:
        msg = f"a duration is never negative: {duration}"
        raise ValueError(msg)
    if milliseconds == 0:
        return "0s"
    unit = next(unit for unit, size in _UNITS.items() if milliseconds % (size // _UNITS["ms"]) == 0)
    return f"{milliseconds // (_UNITS[unit] // _UNITS['ms'])}{unit}"
