"""Standing orders: forced breakers and paused claims. They are rows, and every daemon obeys them."""

from functools import partial
from http import HTTPStatus

from aiohttp import web

from wallet_provisioning.http.api import views
from wallet_provisioning.http.api.access import CALLER
from wallet_provisioning.http.api.bodies import (
    BreakerBody,
    NoteBody,
    OrderBody,
    read_body,
    read_optional_body,
)
from wallet_provisioning.http.api.door import DOOR
from wallet_provisioning.http.api.jsonio import json_response
from wallet_provisioning.http.api.parts import PARTS
from wallet_provisioning.http.api.problems import Code, ProblemError, invalid
from wallet_provisioning.http.api.routing import Access, Answer, Route
from wallet_provisioning.http.api.shapes import ControlsJson
from wallet_provisioning.http.api.tracing import current_trace_id
from wallet_provisioning.store import controls
from wallet_provisioning.store.controls import EVERYTHING, Order, OrderState
from wallet_provisioning.store.transaction import Transaction

AUTO = "auto"


async def show_controls(request: web.Request) -> web.Response:
    """Show the orders in force."""
    return json_response(views.controls_json(await request.app[DOOR].read(controls.read_orders)))


async def force_breaker(request: web.Request) -> web.Response:
    """Force a chain's breaker, or all with `*`, or give it back to what it measures."""
    chain = request.match_info["chain"]
    body = await read_body(request, BreakerBody)
    await _require_chain(request, chain, is_withdrawn=body.state == AUTO)
    if body.state == AUTO:
        if body.lasts is not None:
            raise invalid(field="for", message="only a forced breaker has an end")
        return await _withdraw(request, controls.BREAKER, chain, body.reason)
    return await _place(request, controls.BREAKER, chain, OrderState(body.state), body)


async def pause_claiming(request: web.Request) -> web.Response:
    """Have no daemon claim a job until it is resumed; what is in hand goes on."""
    body = await read_body(request, OrderBody)
    return await _place(request, controls.CLAIMING, EVERYTHING, OrderState.PAUSED, body)


async def resume_claiming(request: web.Request) -> web.Response:
    """Let jobs be claimed again; nothing changes where they are."""
    note = await read_optional_body(request, NoteBody)
    return await _withdraw(request, controls.CLAIMING, EVERYTHING, note.reason)


async def _require_chain(request: web.Request, chain: str, *, is_withdrawn: bool) -> None:
    """Refuse a chain that isn't served here; an order for one that no longer is may be withdrawn."""
    if chain == EVERYTHING or chain in request.app[PARTS].chains.names:
        return
    orders = await request.app[DOOR].read(controls.read_orders) if is_withdrawn else ()
    if all((order.kind, order.subject) != (controls.BREAKER, chain) for order in orders):
        served = ", ".join(request.app[PARTS].chains.names)
        raise ProblemError(Code.NOT_FOUND, f"{chain} is not served here; served are {served}, and * is all")


async def _place(
    request: web.Request, kind: str, subject: str, state: OrderState, body: OrderBody
) -> web.Response:
    if body.until is not None and body.lasts is not None:
        raise invalid(field="for", message="give either `until` or `for`")
    if body.until is not None and body.until <= request.app[PARTS].clock.now():
        raise invalid(field="until", message="must be in the future")
    steps = partial(
        controls.place_order,
        kind=kind,
        subject=subject,
        state=state,
        reason=body.reason,
        until=body.until or body.lasts,
        trace_id=current_trace_id(),
    )
    return await _answer(request, f"place {kind}", steps)


async def _withdraw(request: web.Request, kind: str, subject: str, reason: str | None) -> web.Response:
    steps = partial(
        controls.withdraw_order, kind=kind, subject=subject, reason=reason, trace_id=current_trace_id()
    )
    return await _answer(request, f"withdraw {kind}", steps)


async def _answer(
    request: web.Request, reason: str, steps: "partial[Order] | partial[Order | None]"
) -> web.Response:
    """Carry the order out and answer with those that stand then."""

    def carry_out(tx: Transaction) -> tuple[Order, ...]:
        steps(tx)
        return controls.read_orders_of(tx)

    orders = await request.app[DOOR].write(request[CALLER].name, reason, carry_out)
    request.app[PARTS].control.orders_changed()
    return json_response(views.controls_json(orders), status=HTTPStatus.ACCEPTED)


ROUTES = (
    Route(
        method="GET",
        path="/api/v1/admin/controls",
        handler=show_controls,
        access=Access.READ,
        name="showControls",
        summary="The standing orders in force: forced breakers, paused claims, holds.",
        answer=Answer(shape=ControlsJson),
    ),
    Route(
        method="POST",
        path="/api/v1/admin/chains/{chain}/breaker",
        handler=force_breaker,
        access=Access.OPERATE,
        name="forceBreaker",
        summary="Force a chain's breaker open or closed, or leave it to what it measures; * is every chain.",
        body=BreakerBody,
        needs_body=True,
        answer=Answer(shape=ControlsJson, status=HTTPStatus.ACCEPTED),
        problems=(Code.NOT_FOUND,),
    ),
    Route(
        method="POST",
        path="/api/v1/admin/workers/pause",
        handler=pause_claiming,
        access=Access.OPERATE,
        name="pauseClaiming",
        summary="Have no daemon claim jobs until they are resumed.",
        body=OrderBody,
        needs_body=True,
        answer=Answer(shape=ControlsJson, status=HTTPStatus.ACCEPTED),
    ),
    Route(
        method="POST",
        path="/api/v1/admin/workers/resume",
        handler=resume_claiming,
        access=Access.OPERATE,
        name="resumeClaiming",
        summary="Let daemons claim jobs again.",
        body=NoteBody,
        answer=Answer(shape=ControlsJson, status=HTTPStatus.ACCEPTED),
    ),
)
