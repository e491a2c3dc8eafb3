"""The daemon as a whole: status, metrics, health, and the restart of its scheduler."""

import asyncio
from functools import partial
from http import HTTPStatus

from aiohttp import web

from wallet_provisioning.http.api import views
from wallet_provisioning.http.api.access import CALLER
from wallet_provisioning.http.api.bodies import NoteBody, read_optional_body
from wallet_provisioning.http.api.control import Check
from wallet_provisioning.http.api.door import DOOR
from wallet_provisioning.http.api.jsonio import json_response
from wallet_provisioning.http.api.parts import PARTS
from wallet_provisioning.http.api.problems import ProblemError, unavailable
from wallet_provisioning.http.api.routing import Access, Answer, Route
from wallet_provisioning.http.api.shapes import HealthJson, MetricsDetailJson, RestartedJson, StatusJson
from wallet_provisioning.http.api.totals import QUEUE, TOTALS
from wallet_provisioning.http.api.tracing import current_trace_id
from wallet_provisioning.store.audit import write_audit
from wallet_provisioning.store.errors import StoreError
from wallet_provisioning.store.reports import totals

SCHEDULER = "scheduler"
_PING_DEADLINE = 3
_VITAL = frozenset({"database", SCHEDULER, "claims", "results"})


async def show_status(request: web.Request) -> web.Response:
    """Show the status object; with the database away its totals are the last that were read, if any."""
    known = await request.app[TOTALS].read(request.app[DOOR])
    return json_response(views.status_json(request.app[PARTS].control.worker(), known))


async def show_metrics(request: web.Request) -> web.Response:
    """Show the totals and what is unfinished now."""
    door = request.app[DOOR]
    known, queue = await asyncio.gather(door.read(totals), door.read(request.app[QUEUE].look))
    worker = request.app[PARTS].control.worker()
    return json_response(views.metrics_detail_json(worker, known, queue.depths, queue.oldest_due_age))


async def show_health(request: web.Request) -> web.Response:
    """Say whether the daemon can work; 503 where the database is away, or nothing is claimed or committed.

    Leases, orders and announcements that are late are shown and heal by themselves. A database that can be
    read and not written, as on a full disk, is away too.
    """
    reached = await reach_database(request)
    control = request.app[PARTS].control
    running = control.worker().is_running
    scheduler = Check(ok=running, detail="running" if running else "not running")
    checks = {SCHEDULER: scheduler, "database": reached, **control.checks()}
    if checks["database"].ok or not reached.ok:
        checks["database"] = reached
    is_healthy = running and all(check.ok for name, check in checks.items() if name in _VITAL)
    body = {"status": "healthy" if is_healthy else "unhealthy", "checks": views.checks_json(checks)}
    return json_response(body, status=HTTPStatus.OK if is_healthy else HTTPStatus.SERVICE_UNAVAILABLE)


async def restart_scheduler(request: web.Request) -> web.Response:
    """Restart the scheduler and answer with its new incarnation."""
    note = await read_optional_body(request, NoteBody)
    steps = partial(
        write_audit,
        action="admin:restart_scheduler",
        resource_type="actor",
        resource_id=SCHEDULER,
        after={"reason": note.reason},
        trace_id=current_trace_id(),
    )
    await request.app[DOOR].write(request[CALLER].name, "restart_scheduler", steps)
    try:
        incarnation = await request.app[PARTS].control.restart(SCHEDULER)
    except KeyError as error:
        msg = "the scheduler isn't in the tree now"
        raise unavailable(msg) from error
    return json_response({"path": SCHEDULER, "incarnation": incarnation}, status=HTTPStatus.ACCEPTED)


async def reach_database(request: web.Request) -> Check:
    """Ping the database, within a few seconds."""
    try:
        async with asyncio.timeout(_PING_DEADLINE):
            await request.app[DOOR].ping()
    except TimeoutError:
        return Check(ok=False, detail=f"no answer within {_PING_DEADLINE} seconds")
    except (StoreError, ProblemError) as error:
        return Check(ok=False, detail=str(error))
    return Check(ok=True, detail=request.app[PARTS].database.dialect)


ROUTES = (
    Route(
        method="GET",
        path="/api/v1/admin/workers/status",
        handler=show_status,
        access=Access.READ,
        name="showStatus",
        summary="The daemon's status, its scheduler and the totals.",
        answer=Answer(shape=StatusJson),
    ),
    Route(
        method="GET",
        path="/api/v1/admin/workers/metrics",
        handler=show_metrics,
        access=Access.READ,
        name="showMetrics",
        summary="The totals, and what is unfinished now.",
        answer=Answer(shape=MetricsDetailJson),
    ),
    Route(
        method="GET",
        path="/api/v1/admin/workers/health",
        handler=show_health,
        access=Access.READ,
        name="showHealth",
        summary="Whether the daemon can do its work, and what says so.",
        answer=Answer(shape=HealthJson),
        also=(Answer(shape=HealthJson, status=HTTPStatus.SERVICE_UNAVAILABLE),),
    ),
    Route(
        method="POST",
        path="/api/v1/admin/workers/restart",
        handler=restart_scheduler,
        access=Access.OPERATE,
        name="restartScheduler",
        summary="Restart the scheduler actor.",
        body=NoteBody,
        answer=Answer(shape=RestartedJson, status=HTTPStatus.ACCEPTED),
    ),
)
