"""Whatever is wrong, as RFC 9457 `application/problem+json`: the codes, the exception and the middleware.

A client reads `code`, a person `detail`. What nobody foresaw is `internal` outside and whole in the log.
"""

import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from http import HTTPStatus
from urllib.parse import quote

from aiohttp import web
from aiohttp.typedefs import Handler

from wallet_provisioning.http.api.jsonio import json_response
from wallet_provisioning.http.api.tracing import current_trace_id, note_exception
from wallet_provisioning.store.errors import (
    ConflictError,
    InvalidCursorError,
    NotFoundError,
    StoreError,
    StoreUnavailableError,
    UnstorableTextError,
)

PROBLEM_TYPE = "application/problem+json"
RETRY_SECONDS = 1
_LONE_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
_AS_IT_IS = "/%:@!$&'()*+,;="
_log = logging.getLogger(__name__)


class Code(StrEnum):
    """What a client can tell apart. Each has one HTTP status."""

    INVALID_REQUEST = "invalid_request"
    UNAUTHORIZED = "unauthorized"
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not_found"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    CONFLICT = "conflict"
    TOO_LARGE = "too_large"
    UNSUPPORTED_MEDIA_TYPE = "unsupported_media_type"
    RATE_LIMITED = "rate_limited"
    INTERNAL = "internal"
    UNAVAILABLE = "unavailable"

    @property
    def status(self) -> HTTPStatus:
        """The HTTP status that goes with the code."""
        return _STATUS[self]

    @property
    def heading(self) -> str:
        """The same few words for every problem of this code."""
        return self.value.replace("_", " ").capitalize()


_STATUS = {
    Code.INVALID_REQUEST: HTTPStatus.BAD_REQUEST,
    Code.UNAUTHORIZED: HTTPStatus.UNAUTHORIZED,
    Code.FORBIDDEN: HTTPStatus.FORBIDDEN,
    Code.NOT_FOUND: HTTPStatus.NOT_FOUND,
    Code.METHOD_NOT_ALLOWED: HTTPStatus.METHOD_NOT_ALLOWED,
    Code.CONFLICT: HTTPStatus.CONFLICT,
    Code.TOO_LARGE: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    Code.UNSUPPORTED_MEDIA_TYPE: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    Code.RATE_LIMITED: HTTPStatus.TOO_MANY_REQUESTS,
    Code.INTERNAL: HTTPStatus.INTERNAL_SERVER_ERROR,
    Code.UNAVAILABLE: HTTPStatus.SERVICE_UNAVAILABLE,
}
_CODES = {status: code for code, status in _STATUS.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldError:
    """A field of the body, a query parameter, a path segment or a header that is wrong, and how."""

    field: str
    message: str


class ProblemError(Exception):
    """The request can't be answered as asked. Raised anywhere below a handler."""

    def __init__(
        self,
        code: Code,
        detail: str,
        *,
        errors: Sequence[FieldError] = (),
        headers: Mapping[str, str] | None = None,
        refused: str | None = None,
    ) -> None:
        """Keep what the answer will say; `headers` are added to it.

        `refused` is a word for why a caller was not let in, for the log and the metrics.
        """
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.errors = tuple(errors)
        self.headers = dict(headers or {})
        self.refused = refused


def invalid(*, field: str, message: str) -> ProblemError:
    """Return the problem of one wrong field."""
    error = FieldError(field=field, message=message)
    return ProblemError(Code.INVALID_REQUEST, f"{field}: {message}", errors=[error])


def unavailable(detail: str) -> ProblemError:
    """Return the problem of something that is away for the moment."""
    return ProblemError(Code.UNAVAILABLE, detail, headers={"Retry-After": str(RETRY_SECONDS)})


def problem_response(problem: ProblemError, instance: str) -> web.Response:
    """Return the answer that tells of a problem; `instance` is what `instance_of` says."""
    body: dict[str, object] = {
        "type": f"urn:wallet-provisioning:problem:{problem.code}",
        "title": problem.code.heading,
        "status": problem.code.status.value,
        "detail": problem.detail,
        "instance": instance,
        "code": problem.code.value,
        "trace_id": current_trace_id(),
    }
    if problem.errors:
        body["errors"] = [{"field": error.field, "message": error.message} for error in problem.errors]
    return json_response(body, status=problem.code.status.value, headers=problem.headers, kind=PROBLEM_TYPE)


def instance_of(request: web.BaseRequest) -> str:
    """Return the path that was asked for as a URI reference: percent-encoded, as it was sent.

    What a client sent unencoded is encoded, and a path that begins with two slashes, which would name
    another host, is written so that it doesn't.
    """
    path = _LONE_PERCENT.sub("%25", request.rel_url.raw_path)
    path = quote(path, safe=_AS_IT_IS, errors="surrogateescape")
    return f"/.{path}" if path.startswith("//") else path


@web.middleware
async def answer_problems(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn whatever a handler raises into an answer. Cancellation passes."""
    try:
        return await handler(request)
    except Exception as error:  # noqa: BLE001 - the border: from here on an error is an answer
        return problem_response(as_problem(error), instance_of(request))


def as_problem(error: Exception) -> ProblemError:
    """Return the problem that an exception means to a client; the unforeseen goes to the log."""
    match error:
        case ProblemError():
            return error
        case web.HTTPException():
            return _of_aiohttp(error)
        case StoreError():
            return _of_store(error)
        case _:
            _log.error("a request failed", exc_info=error)
            note_exception(error)
            if isinstance(error, TimeoutError):
                return unavailable("no answer in time; the request may have taken effect, so repeat it")
            return ProblemError(Code.INTERNAL, "an error that nobody foresaw; the log has it by its trace_id")


def _of_store(error: StoreError) -> ProblemError:
    match error:
        case NotFoundError():
            return ProblemError(Code.NOT_FOUND, str(error))
        case ConflictError():
            return ProblemError(Code.CONFLICT, str(error))
        case InvalidCursorError():
            return invalid(field="cursor", message="isn't one that this list gave out")
        case UnstorableTextError():
            return ProblemError(Code.INVALID_REQUEST, str(error))
        case StoreUnavailableError():
            return unavailable("the database can't be used now; repeat the request in a moment")
        case _:
            _log.error("a request failed", exc_info=error)
            return unavailable("the daemon can't serve this now; its log says why")


def _of_aiohttp(error: web.HTTPException) -> ProblemError:
    """Return aiohttp's own refusal in our words; what has no code of its own is an invalid request."""
    code = _CODES.get(HTTPStatus(error.status), Code.INVALID_REQUEST)
    allowed = error.headers.get("Allow")
    headers = {"Allow": allowed} if allowed else {}
    return ProblemError(code, _DETAILS.get(code, error.reason), headers=headers)


_DETAILS = {
    Code.NOT_FOUND: "nothing is served at this path; /openapi.json lists what is",
    Code.METHOD_NOT_ALLOWED: "the path is served, but not with this method; see the Allow header",
    Code.TOO_LARGE: "the body is larger than 1 MiB",
}
