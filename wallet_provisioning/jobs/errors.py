"""The error table: each kind of failure, and whether another attempt can help."""

from enum import StrEnum


class ErrorType(StrEnum):
    """What went wrong with a job, in the words that metrics, SQL and the API use."""

    CIRCLE_5XX = "circle_5xx"
    CIRCLE_RATE_LIMIT = "circle_rate_limit"
    CIRCLE_4XX = "circle_4xx"
    TIMEOUT = "timeout"
    NETWORK = "network"
    VALIDATION = "validation"
    CIRCUIT_OPEN = "circuit_open"
    CRASH = "crash"

    @property
    def is_retryable(self) -> bool:
        """Whether the same request may succeed later."""
        return self not in {ErrorType.CIRCLE_4XX, ErrorType.VALIDATION}
