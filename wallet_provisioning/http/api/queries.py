"""The parameters of a query string and of a path, as strict as a body: each once, none unknown."""

from typing import TypeVar
from urllib.parse import parse_qsl, unquote
from uuid import UUID

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError

from wallet_provisioning.http.api.bodies import validate
from wallet_provisioning.http.api.fields import ChainWanted, Limit, Prefix, TimeText, UuidText, read_uuid
from wallet_provisioning.http.api.problems import Code, ProblemError, invalid
from wallet_provisioning.jobs.errors import ErrorType
from wallet_provisioning.jobs.states import AuditStatus, JobStatus, WalletStatus

_MAX_PARAMETERS = 50
_MAX_REFERENCE = 200
Q = TypeVar("Q", bound=BaseModel)


class Query(BaseModel):
    """A query takes the parameters it names and no others."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class PageQuery(Query):
    """What all lists take: newest first, `limit` rows a page, `cursor` from the page before."""

    user_id: UuidText | None = None
    created_after: TimeText | None = None
    created_before: TimeText | None = None
    limit: Limit = 50
    cursor: str | None = Field(default=None, description="The `next` of the page before; none: the newest.")


class JobQuery(PageQuery):
    """The filters of the list of jobs."""

    status: JobStatus | None = None
    chain: ChainWanted | None = None
    error_type: ErrorType | None = None


class WalletQuery(PageQuery):
    """The filters of the list of wallets."""

    status: WalletStatus | None = None
    chain: ChainWanted | None = None
    error_type: ErrorType | None = None


class AuditQuery(PageQuery):
    """The filters of the audit log; `action` is a prefix, as in `admin:`.

    A row has the chain that it names, and the error that it says stands since.
    """

    status: AuditStatus | None = None
    action: Prefix | None = None
    chain: ChainWanted | None = None
    error_type: ErrorType | None = None


def read_query(request: web.Request, model: type[Q]) -> Q:
    """Return the query; raises 400 naming every parameter to blame."""
    return validate(_pairs(request), model, unknown="isn't a parameter of this call")


def require_no_query(request: web.Request) -> None:
    """Refuse parameters where none is taken."""
    read_query(request, Query)


def path_uuid(request: web.Request, name: str) -> UUID:
    """Return a path's parameter as a UUID; raises 400 otherwise."""
    try:
        return read_uuid(request.match_info[name])
    except PydanticCustomError as error:
        raise invalid(field=name, message=error.message()) from error


def path_reference(request: web.Request) -> str:
    """Return the provider's reference, the path's last segment: 1 to 200 printable characters, no space."""
    raw = request.rel_url.raw_path.rpartition("/")[2]
    try:
        reference = unquote(raw, errors="strict")
    except UnicodeDecodeError as error:
        raise invalid(field="provider_ref", message="must be UTF-8, percent-encoded") from error
    if not 1 <= len(reference) <= _MAX_REFERENCE:
        raise invalid(field="provider_ref", message="must have 1 to 200 characters")
    if not reference.isprintable() or " " in reference:
        raise invalid(field="provider_ref", message="must have printable characters only, and no space")
    return reference


def _pairs(request: web.Request) -> dict[str, str]:
    try:
        pairs = parse_qsl(
            request.rel_url.raw_query_string,
            keep_blank_values=True,
            strict_parsing=bool(request.rel_url.raw_query_string),
            errors="strict",
            max_num_fields=_MAX_PARAMETERS,
        )
    except ValueError as error:  # bad UTF-8 is a ValueError too
        raise ProblemError(Code.INVALID_REQUEST, "the query string can't be read") from error
    known: dict[str, str] = {}
    for name, value in pairs:
        if name in known:
            raise invalid(field=name, message="is given twice")
        if "\0" in value:
            raise invalid(field=name, message="holds a NUL character")
        known[name] = value
    return known
