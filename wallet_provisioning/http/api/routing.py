"""A route as data: what aiohttp serves, who may call it, and what OpenAPI says of it, in one place."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from http import HTTPStatus
from typing import Literal

from aiohttp import web
from aiohttp.typedefs import Handler
from pydantic import BaseModel

from wallet_provisioning.http.api.problems import Code


class Access(StrEnum):
    """Who may call a route: anyone, a reader, an operator, or whoever signed the body."""

    OPEN = "open"
    READ = "read"
    OPERATE = "operate"
    SIGNED = "signed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A good answer: its status, its shape (a TypedDict, or None for text) and its media type."""

    shape: type | None
    status: HTTPStatus = HTTPStatus.OK
    media_type: str = "application/json"
    has_location: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One call of the API. `name` is the operation's name, unique and in camel case.

    `body` is read from JSON; it may be left out unless `needs_body`. `problems` are the codes beyond
    those that every route shares.
    """

    method: Literal["GET", "POST"]
    path: str
    handler: Handler
    access: Access
    name: str
    summary: str
    answer: Answer
    body: type[BaseModel] | None = None
    needs_body: bool = False
    query: type[BaseModel] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    also: tuple[Answer, ...] = ()
    problems: tuple[Code, ...] = ()

    @property
    def pattern(self) -> str:
        """The path as aiohttp matches it."""
        return _PARAMETER.sub(_match_of, self.path)

    @property
    def parameters(self) -> tuple[str, ...]:
        """The names of the path's parameters."""
        return tuple(_PARAMETER.findall(self.path))


_PARAMETER = re.compile(r"{(\w+)}")
_DEEP = frozenset({"path"})


def _match_of(found: re.Match[str]) -> str:
    """Let an actor's path span segments; every other parameter is one segment of any characters."""
    name = found[1]
    return f"{{{name}:.+}}" if name in _DEEP else f"{{{name}:[^/]+}}"


def add_routes(app: web.Application, routes: tuple[Route, ...]) -> None:
    """Serve the routes, and let the access check find each by its handler's place."""
    for route in routes:
        if route.method == "GET":
            app.router.add_get(route.pattern, route.handler)
        else:
            app.router.add_post(route.pattern, route.handler)
    known: dict[tuple[str, str], Route] = {(route.method, route.path): route for route in routes}
    app[ROUTES] = known


def route_of(request: web.Request) -> Route | None:
    """Return the route that a request was matched with; None where nothing is served."""
    resource = request.match_info.route.resource
    if resource is None:
        return None
    method = "GET" if request.method == "HEAD" else request.method
    return request.app[ROUTES].get((method, resource.canonical))


ROUTES: web.AppKey[dict[tuple[str, str], Route]] = web.AppKey("routes", dict)
