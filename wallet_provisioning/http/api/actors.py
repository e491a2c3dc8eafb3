"""The tree of actors and the chains: what they are doing, and the kill command."""

from http import HTTPStatus

from aiohttp import web

from wallet_provisioning.http.api import views
from wallet_provisioning.http.api.bodies import KillBody, read_optional_body
from wallet_provisioning.http.api.inspecting import audit_command, unknown_actor
from wallet_provisioning.http.api.jsonio import json_response
from wallet_provisioning.http.api.parts import PARTS
from wallet_provisioning.http.api.problems import Code, ProblemError
from wallet_provisioning.http.api.routing import Access, Answer, Route
from wallet_provisioning.http.api.shapes import ActorJson, ActorsJson, ChainsJson


async def list_actors(request: web.Request) -> web.Response:
    """List the whole tree, parents before children."""
    actors = request.app[PARTS].control.actors()
    return json_response({"items": [views.actor_json(actor) for actor in actors]})


async def kill_actor(request: web.Request) -> web.Response:
    """Kill an actor, and answer with it as it was. The audit row comes first: `/` ends the process."""
    control = request.app[PARTS].control
    path = request.match_info["path"]
    body = await read_optional_body(request, KillBody)
    if body.mode == "hang" and control.is_live:
        raise ProblemError(Code.FORBIDDEN, "under a LIVE key no actor is made to hang")
    if all(actor.path != path for actor in control.actors()):
        raise unknown_actor(path)
    await audit_command(request, "kill_actor", path, {"mode": body.mode, "reason": body.reason})
    try:
        killed = await control.kill(path, body.mode, body.reason)
    except KeyError as error:  # it left the tree meanwhile
        raise unknown_actor(path) from error
    return json_response(views.actor_json(killed), status=HTTPStatus.ACCEPTED)


async def list_chains(request: web.Request) -> web.Response:
    """List the chains with their breakers."""
    chains = request.app[PARTS].control.chains()
    return json_response({"items": [views.chain_json(chain) for chain in chains]})


ROUTES = (
    Route(
        method="GET",
        path="/api/v1/admin/actors",
        handler=list_actors,
        access=Access.READ,
        name="listActors",
        summary="The whole tree of actors, parents before children.",
        answer=Answer(shape=ActorsJson),
    ),
    Route(
        method="POST",
        path="/api/v1/admin/actors/{path}/kill",
        handler=kill_actor,
        access=Access.OPERATE,
        name="killActor",
        summary="Kill an actor by a crash, a hang or a stop. Slashes of its path may be %2F or plain.",
        body=KillBody,
        answer=Answer(shape=ActorJson, status=HTTPStatus.ACCEPTED),
        problems=(Code.NOT_FOUND,),
    ),
    Route(
        method="GET",
        path="/api/v1/admin/chains",
        handler=list_chains,
        access=Access.READ,
        name="listChains",
        summary="The chains that are served, with their breakers.",
        answer=Answer(shape=ChainsJson),
    ),
)
