"""OpenAPI 3.1, made from the routes and from the models and shapes that the code itself uses."""

from collections.abc import Iterable
from typing import Any, Literal

from aiohttp import web
from pydantic import TypeAdapter

from wallet_provisioning import __version__
from wallet_provisioning.http.api.problems import PROBLEM_TYPE, Code
from wallet_provisioning.http.api.queries import PageQuery
from wallet_provisioning.http.api.routing import Access, Answer, Route
from wallet_provisioning.http.api.shapes import ProblemJson
from wallet_provisioning.http.api.signatures import HEADER

Document = dict[str, Any]
DOCUMENT: web.AppKey[bytes] = web.AppKey("document", bytes)
_REF = "#/components/schemas/{model}"
PAGING = (
    "Newest first. Ask for the next page with `cursor` = the `next` of this one, until `next` is null. "
    "A page looks at no more than 10,000 rows: with filters that few rows meet it may hold fewer than "
    "`limit` items, or none, and still have a `next`. So go by `next`, never by the number of items. "
    "A cursor belongs to the list that gave it out."
)
_UUIDS = frozenset({"id", "user_id"})
_GUARDED = (Code.UNAUTHORIZED, Code.FORBIDDEN)
_WITH_BODY = (Code.TOO_LARGE, Code.UNSUPPORTED_MEDIA_TYPE)
_FROM_STORE = (Code.INVALID_REQUEST, Code.RATE_LIMITED, Code.INTERNAL, Code.UNAVAILABLE)
_SECURITY: dict[Access, list[dict[str, list[str]]]] = {
    Access.OPEN: [],
    Access.READ: [{"bearer": []}],
    Access.OPERATE: [{"bearer": []}],
    Access.SIGNED: [{"signature": []}],
}


async def show_document(request: web.Request) -> web.Response:
    """Answer with the document, which was written when the server was made."""
    return web.Response(body=request.app[DOCUMENT], content_type="application/json")


def describe(routes: Iterable[Route]) -> Document:
    """Return the document of some routes."""
    listed = tuple(routes)
    paths: dict[str, Document] = {}
    for route in listed:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Wallet Provisioning",
            "version": __version__,
            "description": "Custodial wallets, one per user and chain. Errors are RFC 9457 problems.",
        },
        "paths": paths,
        "components": {"schemas": _schemas(listed), "securitySchemes": _security_schemes()},
    }


def _operation(route: Route) -> Document:
    described: Document = {
        "operationId": route.name,
        "summary": route.summary,
        **({"description": PAGING} if _is_list(route) else {}),
        "security": _SECURITY[route.access],
        "responses": _responses(route),
    }
    parameters = [*_path_parameters(route), *_header_parameters(route), *_query_parameters(route)]
    if parameters:
        described["parameters"] = parameters
    if route.body is not None:
        schema = {"$ref": _REF.format(model=route.body.__name__)}
        content = {"application/json": {"schema": schema}}
        described["requestBody"] = {"required": route.needs_body, "content": content}
    return described


def _is_list(route: Route) -> bool:
    return route.query is not None and issubclass(route.query, PageQuery)


def _responses(route: Route) -> Document:
    responses = {str(answer.status.value): _response(answer) for answer in (route.answer, *route.also)}
    for code in sorted(_codes(route), key=lambda code: code.status):
        responses.setdefault(str(code.status.value), _problem_response(code))
    return responses


def _response(answer: Answer) -> Document:
    schema = {"$ref": _REF.format(model=answer.shape.__name__)} if answer.shape else _plain(answer)
    described = {"description": answer.status.phrase, "content": {answer.media_type: {"schema": schema}}}
    if answer.has_location:
        text = {"type": "string", "format": "uri-reference"}
        described["headers"] = {"Location": {"description": "Where the job is shown.", "schema": text}}
    return described


def _plain(answer: Answer) -> Document:
    return {"type": "object"} if answer.media_type == "application/json" else {"type": "string"}


def _problem_response(code: Code) -> Document:
    schema = {"$ref": _REF.format(model=ProblemJson.__name__)}
    return {"description": code.heading, "content": {PROBLEM_TYPE: {"schema": schema}}}


def _codes(route: Route) -> set[Code]:
    codes = set(route.problems)
    if route.access is not Access.OPEN:
        codes.update(_GUARDED, _FROM_STORE)
    if route.body is not None:
        codes.update(_WITH_BODY)
    return codes


def _path_parameters(route: Route) -> list[Document]:
    return [
        {
            "name": name,
            "in": "path",
            "required": True,
            "schema": {"type": "string", "format": "uuid"} if name in _UUIDS else {"type": "string"},
        }
        for name in route.parameters
    ]


def _header_parameters(route: Route) -> list[Document]:
    return [
        {"name": name, "in": "header", "required": False, "description": text, "schema": {"type": "string"}}
        for name, text in route.headers.items()
    ]


def _query_parameters(route: Route) -> list[Document]:
    if route.query is None:
        return []
    properties = route.query.model_json_schema(ref_template=_REF)["properties"]
    return [
        {"name": name, "in": "query", "required": False, "schema": schema}
        for name, schema in properties.items()
    ]


def _schemas(routes: tuple[Route, ...]) -> Document:
    """Return every schema that the paths refer to, and those that these refer to in turn."""
    shapes: list[Any] = [ProblemJson]
    for route in routes:
        shapes += [answer.shape for answer in (route.answer, *route.also)]
        shapes += [route.body, route.query]
    wanted = {shape.__name__: shape for shape in shapes if shape is not None}
    inputs: list[tuple[str, Literal["validation"], TypeAdapter[Any]]] = [
        (name, "validation", TypeAdapter(shape)) for name, shape in sorted(wanted.items())
    ]
    _, document = TypeAdapter.json_schemas(inputs, ref_template=_REF)
    schemas: Document = document["$defs"]
    return schemas


def _security_schemes() -> Document:
    return {
        "bearer": {"type": "http", "scheme": "bearer"},
        "signature": {"type": "apiKey", "in": "header", "name": HEADER},
    }


ROUTES = (
    Route(
        method="GET",
        path="/openapi.json",
        handler=show_document,
        access=Access.OPEN,
        name="showOpenApi",
        summary="This document.",
        answer=Answer(shape=None),
    ),
)
