"""From pydantic's errors to the `errors` list of Circle's answers. Pure.

The value of a secret or of an unknown field is never shown: the latter may be a misspelt secret.
"""

from typing import LiteralString

from pydantic import ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError

from wallet_provisioning.http.sandbox.refusals import Code, FieldError, Refusal

_NAMES = {
    "missing": "required",
    "extra_forbidden": "unknown",
    "json_invalid": "json",
    "greater_than_equal": "min",
    "less_than_equal": "max",
    "string_too_long": "max_length",
    "string_too_short": "min_length",
    "too_short": "min_length",
    "literal_error": "oneof",
}
_HIDDEN_KINDS = frozenset({"missing", "extra_forbidden", "json_invalid"})
_HIDDEN_FIELD = "entitySecretCiphertext"
_LONGEST_VALUE = 100
_Scalar = str | int | float | bool


def broken(*, rule: LiteralString, text: LiteralString) -> PydanticCustomError:
    """Return the error to raise for a rule that pydantic does not know."""
    return PydanticCustomError(rule, text)


def refusal_of(error: ValidationError) -> Refusal:
    """Return the refusal that names every broken rule."""
    details = error.errors(include_url=False)
    return Refusal(Code.INVALID, errors=tuple(_field_error(detail) for detail in details))


def _field_error(detail: ErrorDetails) -> FieldError:
    kind = detail["type"]
    return FieldError(
        error=_NAMES.get(kind, kind),
        message=detail["msg"],
        location=_location(detail["loc"]),
        invalid_value=_shown_value(detail),
        constraints=_constraints(detail),
    )


def _location(path: tuple[int | str, ...]) -> str:
    written = ""
    for step in path:
        written += f"[{step}]" if isinstance(step, int) else f".{step}"
    return written.removeprefix(".") or "body"


def _shown_value(detail: ErrorDetails) -> _Scalar | None:
    if detail["type"] in _HIDDEN_KINDS or _HIDDEN_FIELD in detail["loc"]:
        return None
    match detail["input"]:
        case str(text):
            return text[:_LONGEST_VALUE]
        case bool() | int() | float() as number:
            return number
        case _:
            return None


def _constraints(detail: ErrorDetails) -> dict[str, _Scalar]:
    context = detail.get("ctx", {})
    return {name: value for name, value in context.items() if isinstance(value, str | int | float | bool)}
