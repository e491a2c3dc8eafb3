"""What orchestrators and Prometheus ask for: is it alive, is it ready, how is it doing."""

import asyncio

from aiohttp import web

from wallet_provisioning.http.api.jsonio import json_response
from wallet_provisioning.http.api.parts import PARTS
from wallet_provisioning.http.api.problems import Code, unavailable
from wallet_provisioning.http.api.routing import Access, Answer, Route
from wallet_provisioning.http.api.shapes import ProbeJson
from wallet_provisioning.http.api.workers import reach_database


async def is_live(request: web.Request) -> web.Response:
    """Answer at all: the loop turns. 503 where the tree makes no progress; no outage of others shows here."""
    stalled = request.app[PARTS].control.stalled()
    if stalled is not None:
        raise unavailable(stalled)
    return json_response({"status": "live"})


async def is_ready(request: web.Request) -> web.Response:
    """Say whether requests should come here: not while starting, draining, or without the database."""
    control = request.app[PARTS].control
    if control.is_draining():
        msg = "the daemon is draining"
        raise unavailable(msg)
    if not control.is_ready():
        msg = "the daemon is starting"
        raise unavailable(msg)
    if not (await reach_database(request)).ok:
        msg = "the database can't be reached"
        raise unavailable(msg)
    return json_response({"status": "ready"})


async def scrape(request: web.Request) -> web.Response:
    """Answer Prometheus; the text is made in a thread, for it grows with the number of series."""
    content_type, text = await asyncio.to_thread(request.app[PARTS].exposition)
    return web.Response(body=text, headers={"Content-Type": content_type})


ROUTES = (
    Route(
        method="GET",
        path="/healthz/live",
        handler=is_live,
        access=Access.OPEN,
        name="isLive",
        summary="Whether the process answers and its tree makes progress.",
        answer=Answer(shape=ProbeJson),
        problems=(Code.UNAVAILABLE,),
    ),
    Route(
        method="GET",
        path="/healthz/ready",
        handler=is_ready,
        access=Access.OPEN,
        name="isReady",
        summary="Whether the daemon has started, isn't draining and reaches its database.",
        answer=Answer(shape=ProbeJson),
        problems=(Code.UNAVAILABLE,),
    ),
    Route(
        method="GET",
        path="/metrics",
        handler=scrape,
        access=Access.READ,
        name="scrapeMetrics",
        summary="Metrics in Prometheus' text format.",
        answer=Answer(shape=None, media_type="text/plain"),
    ),
)
