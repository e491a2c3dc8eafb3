"""The application: its parts, its middlewares in their order, its routes."""

from aiohttp import web
from aiohttp.typedefs import Handler

from wallet_provisioning.http.api.access import check_access
from wallet_provisioning.http.api.bodies import MAX_BODY
from wallet_provisioning.http.api.door import open_door
from wallet_provisioning.http.api.jsonio import write_json
from wallet_provisioning.http.api.openapi import DOCUMENT, describe
from wallet_provisioning.http.api.parts import PARTS, Parts
from wallet_provisioning.http.api.problems import answer_problems
from wallet_provisioning.http.api.queries import require_no_query
from wallet_provisioning.http.api.refusals import keep_refusals, note_refusals
from wallet_provisioning.http.api.routes import ALL_ROUTES
from wallet_provisioning.http.api.routing import add_routes, route_of
from wallet_provisioning.http.api.totals import know_totals
from wallet_provisioning.http.api.tracing import trace_request


def create_app(parts: Parts) -> web.Application:
    """Return the application, whose resources open when it starts and close when it ends."""
    app = web.Application(
        middlewares=[trace_request, answer_problems, note_refusals, check_access, check_query],
        client_max_size=MAX_BODY,
    )
    app[PARTS] = parts
    app[DOCUMENT] = write_json(describe(ALL_ROUTES))
    add_routes(app, ALL_ROUTES)
    app.cleanup_ctx.extend([keep_refusals, open_door, know_totals])
    app.on_response_prepare.append(_add_headers)
    return app


@web.middleware
async def check_query(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse parameters that a call of the API doesn't take; probes and pages are lenient."""
    route = route_of(request)
    if route is not None and route.query is None and route.path.startswith("/api/"):
        require_no_query(request)
    return await handler(request)


async def _add_headers(_: web.Request, response: web.StreamResponse) -> None:
    response.headers.setdefault("Cache-Control", "no-store")
    response.headers.setdefault("X-Content-Type-Options", "nosniff")
