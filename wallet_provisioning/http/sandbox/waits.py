"""How a 429 says when to come again."""

from enum import StrEnum


class RetryAfter(StrEnum):
    """The form of the header `Retry-After`."""

    NONE = "none"
    SECONDS = "seconds"
    DATE = "date"
