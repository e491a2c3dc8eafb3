"""The bodies that requests bring, as pydantic models, and the strict way in."""

import asyncio
from typing import Annotated, Literal, TypeVar

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, StrictBool, ValidationError

from wallet_provisioning.http.api.control import KillMode
from wallet_provisioning.http.api.fields import ChainName, DurationText, Reason, TimeText, UuidText, Why
from wallet_provisioning.http.api.jsonio import InvalidJsonError, read_json
from wallet_provisioning.http.api.problems import Code, FieldError, ProblemError
from wallet_provisioning.jobs.kyc import KycStatus

MAX_BODY = 1024 * 1024
_BODY_DEADLINE = 30
_MAX_ERRORS = 20
M = TypeVar("M", bound=BaseModel)


class Body(BaseModel):
    """A body takes the fields it names and no others."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class JobBody(Body):
    """A request for a user's wallets. Without `chains` all that are provisioned here are meant."""

    user_id: UuidText
    chains: Annotated[list[ChainName], Field(max_length=50)] | None = None


class KycBody(Body):
    """The provider's word on a customer. Only `approved` creates a job."""

    status: KycStatus
    user_id: UuidText | None = None
    rejection_reasons: Annotated[list[Reason], Field(max_length=100)] | None = None


class KillBody(Body):
    """How to kill an actor: a crash, a hang of its handler, or a stop; and why, for the audit."""

    mode: KillMode = "crash"
    reason: Why | None = None


class TraceBody(Body):
    """Whether an actor's messages are to be noted; and why, for the audit."""

    on: StrictBool
    reason: Why | None = None


class NoteBody(Body):
    """Why an operator does something, for the audit."""

    reason: Why | None = None


class OrderBody(Body):
    """A standing order: why, and until when; without an end it holds until it is withdrawn."""

    reason: Why
    until: TimeText | None = None
    lasts: DurationText | None = Field(default=None, alias="for")


class BreakerBody(OrderBody):
    """What a chain's breaker shall do; `auto` gives it back to what it measures."""

    state: Literal["open", "closed", "auto"]


async def read_bytes(request: web.Request) -> bytes:
    """Return the raw body, at most 1 MiB of it; raises `too_large`, or 400 for one that never ends."""
    if request.content_length is not None and request.content_length > MAX_BODY:
        raise ProblemError(Code.TOO_LARGE, "the body is larger than 1 MiB")
    try:
        async with asyncio.timeout(_BODY_DEADLINE):
            return await request.read()
    except TimeoutError as error:
        detail = f"the body did not arrive within {_BODY_DEADLINE} seconds"
        raise ProblemError(Code.INVALID_REQUEST, detail, headers={"Connection": "close"}) from error
    except ConnectionError as error:  # nobody reads the answer, but nothing of ours has failed either
        raise ProblemError(Code.INVALID_REQUEST, "the client hung up over its body") from error


async def read_body(request: web.Request, model: type[M]) -> M:
    """Return the body that a request must bring."""
    return parse_body(request, await read_bytes(request), model)


async def read_optional_body(request: web.Request, model: type[M]) -> M:
    """Return the body that a request may bring; without one the model's defaults hold."""
    body = await read_bytes(request)
    return parse_body(request, body, model) if body else model()


def parse_body(request: web.Request, body: bytes, model: type[M]) -> M:
    """Return what the bytes say; raises 415 for another media type and 400 for all else."""
    _require_json(request)
    if not body:
        raise ProblemError(Code.INVALID_REQUEST, "the request needs a JSON object as its body")
    try:
        value = read_json(body)
    except InvalidJsonError as error:
        raise ProblemError(Code.INVALID_REQUEST, str(error)) from error
    return validate(value, model, unknown="isn't a field of this request")


def validate(value: object, model: type[M], *, unknown: str) -> M:
    """Return a value as a model; raises 400 naming every field to blame."""
    if not isinstance(value, dict):
        raise ProblemError(Code.INVALID_REQUEST, "the body must be a JSON object")
    try:
        return model.model_validate(value)
    except ValidationError as error:
        errors = field_errors(error, unknown)
        detail = f"{errors[0].field}: {errors[0].message}"
        raise ProblemError(Code.INVALID_REQUEST, detail, errors=errors) from error


def field_errors(error: ValidationError, unknown: str) -> list[FieldError]:
    """Return pydantic's findings in our words; `unknown` is said of what the model doesn't name."""
    found = error.errors(include_url=False, include_context=False, include_input=False)[:_MAX_ERRORS]
    return [
        FieldError(
            field=".".join(str(step) for step in one["loc"]),
            message=unknown if one["type"] == "extra_forbidden" else one["msg"],
        )
        for one in found
    ]


def _require_json(request: web.Request) -> None:
    told = request.headers.getall("Content-Type", [])
    is_json = len(told) == 1 and request.content_type == "application/json"
    if not is_json or (request.charset or "utf-8").lower() not in {"utf-8", "utf8"}:
        raise ProblemError(Code.UNSUPPORTED_MEDIA_TYPE, "send the body as application/json in UTF-8")
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise ProblemError(Code.UNSUPPORTED_MEDIA_TYPE, "send the body without a Content-Encoding")
