"""Circle's error answers: the codes, their HTTP statuses, and the body."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import IntEnum
from types import MappingProxyType


class Code(IntEnum):
    """Circle's error codes that the sandbox gives."""

    UNKNOWN = -1
    INVALID = 2
    FORBIDDEN = 3
    WRONG_KEY = 4
    RATE_LIMIT = 5
    MALFORMED_KEY = 401
    SET_FULL = 155502
    METADATA_COUNT = 155503
    NO_SCA = 155507
    UNKNOWN_CHAIN = 155511
    WALLET_NOT_FOUND = 156001
    CIPHERTEXT_REUSED = 156004
    SET_NOT_FOUND = 156005
    WRONG_NETWORK = 156006
    BAD_PAGE_BEFORE = 156012
    SECRET_INVALID = 156013
    BAD_PAGE_AFTER = 156014
    SECRET_ALREADY_SET = 156015
    SECRET_NOT_SET = 156016
    SECRET_MUST_ROTATE = 156019
    KEY_USED = 156020


_TABLE: dict[Code, tuple[int, str]] = {
    Code.UNKNOWN: (400, "something went wrong"),
    Code.INVALID: (400, "API parameter invalid"),
    Code.FORBIDDEN: (403, "the key lacks access to this call"),
    Code.WRONG_KEY: (401, "the API key is not known"),
    Code.RATE_LIMIT: (429, "too many requests"),
    Code.MALFORMED_KEY: (401, "the authorization is malformed"),
    Code.SET_FULL: (400, "the wallet set is full"),
    Code.METADATA_COUNT: (400, "the number of metadata entries must equal count"),
    Code.NO_SCA: (400, "smart contract accounts do not exist on this blockchain"),
    Code.UNKNOWN_CHAIN: (400, "the blockchain is not supported"),
    Code.WALLET_NOT_FOUND: (404, "the wallet was not found"),
    Code.CIPHERTEXT_REUSED: (409, "the entity secret ciphertext was used before; encrypt a new one"),
    Code.SET_NOT_FOUND: (404, "the wallet set was not found"),
    Code.WRONG_NETWORK: (400, "the API key and the blockchain belong to different environments"),
    Code.BAD_PAGE_BEFORE: (400, "pageBefore names nothing that could be listed"),
    Code.SECRET_INVALID: (400, "the entity secret is invalid"),
    Code.BAD_PAGE_AFTER: (400, "pageAfter names nothing that could be listed"),
    Code.SECRET_ALREADY_SET: (409, "an entity secret was already set"),
    Code.SECRET_NOT_SET: (400, "no entity secret was set"),
    Code.SECRET_MUST_ROTATE: (400, "the entity secret must be rotated"),
    Code.KEY_USED: (409, "the idempotency key was used before; use a new idempotency key"),
}

HTTP_STATUS: Mapping[int, int] = MappingProxyType({code: status for code, (status, _) in _TABLE.items()})


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldError:
    """One field that is to blame. `error` names the broken rule, `constraints` its limits."""

    error: str
    message: str
    location: str
    invalid_value: str | int | float | bool | None = None
    constraints: Mapping[str, str | int | float | bool] = field(default_factory=dict)

    def body(self) -> dict[str, object]:
        """Return the entry as Circle writes it."""
        return {
            "error": self.error,
            "message": self.message,
            "location": self.location,
            "invalidValue": self.invalid_value,
            "constraints": dict(self.constraints),
        }


class Refusal(Exception):  # noqa: N818 - an answer on its way out, not an error of the program
    """The call is refused with a code of Circle's. The message never holds a secret.

    `http_status` overrides the code's own; `retry_after` goes with a 429.
    """

    def __init__(
        self,
        code: Code,
        message: str | None = None,
        *,
        errors: tuple[FieldError, ...] = (),
        http_status: int | None = None,
        retry_after: timedelta | None = None,
    ) -> None:
        """Take what the answer will say; without a message it is the code's own."""
        self.code = code
        self.message = message or _TABLE[code][1]
        self.errors = errors
        self.http_status = http_status
        self.retry_after = retry_after
        super().__init__(f"{int(code)}: {self.message}")

    def status(self, switched: Mapping[int, int]) -> int:
        """Return the HTTP status, given the statuses that were switched."""
        return self.http_status or switched.get(self.code, HTTP_STATUS[self.code])

    def body(self) -> dict[str, object]:
        """Return the answer's JSON object."""
        body: dict[str, object] = {"code": int(self.code), "message": self.message}
        if self.errors:
            body["errors"] = [error.body() for error in self.errors]
        return body


def invalid(*, location: str, error: str, message: str) -> Refusal:
    """Return the refusal of one field."""
    return Refusal(Code.INVALID, errors=(FieldError(error=error, message=message, location=location),))


def no_such_call(method: str, path: str) -> Refusal:
    """Return the 404 of a path that the API does not have."""
    return Refusal(Code.UNKNOWN, f"there is no {method} {path}", http_status=404)
