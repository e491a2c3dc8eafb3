"""Looking into one actor, and holding it still: state, messages, suspend and resume."""

from collections.abc import Callable, Sequence
from functools import partial
from http import HTTPStatus
from typing import TypeVar

from aiohttp import web

from wallet_provisioning.http.api import inspected, views
from wallet_provisioning.http.api.access import CALLER
from wallet_provisioning.http.api.bodies import NoteBody, TraceBody, read_body, read_optional_body
from wallet_provisioning.http.api.control import NoAnswerError
from wallet_provisioning.http.api.door import DOOR
from wallet_provisioning.http.api.jsonio import json_response
from wallet_provisioning.http.api.parts import PARTS
from wallet_provisioning.http.api.problems import Code, ProblemError, unavailable
from wallet_provisioning.http.api.routing import Access, Answer, Route
from wallet_provisioning.http.api.shapes import ActorJson, ActorStateJson, ActorTraceJson, DeadLettersJson
from wallet_provisioning.http.api.tracing import current_trace_id
from wallet_provisioning.store.audit import write_audit
from wallet_provisioning.supervision.inspector import CannotSuspendError, why_not_suspended
from wallet_provisioning.supervision.snapshot import ActorView

T = TypeVar("T")


async def show_state(request: web.Request) -> web.Response:
    """Show what an actor says of itself; 503 where it hangs, is busy for long or has stopped."""
    path = request.match_info["path"]
    try:
        described = await request.app[PARTS].control.describe(path)
    except KeyError as error:
        raise unknown_actor(path) from error
    except NoAnswerError as error:
        raise unavailable(str(error)) from error
    return json_response(inspected.state_json(described))


async def show_trace(request: web.Request) -> web.Response:
    """Show an actor's last messages."""
    path = request.match_info["path"]
    traced = _at(path, partial(request.app[PARTS].control.traced, path))
    return json_response(inspected.trace_json(path, traced))


async def trace_actor(request: web.Request) -> web.Response:
    """Begin or end to note an actor's messages, and show what is noted."""
    control, path = request.app[PARTS].control, request.match_info["path"]
    body = await read_body(request, TraceBody)
    _at(path, partial(control.traced, path))
    await audit_command(request, "trace_actor", path, {"on": body.on, "reason": body.reason})
    _at(path, partial(control.trace, path, on=body.on))
    traced = _at(path, partial(control.traced, path))
    return json_response(inspected.trace_json(path, traced), status=HTTPStatus.ACCEPTED)


async def suspend_actor(request: web.Request) -> web.Response:
    """Let an actor's work wait."""
    control, path = request.app[PARTS].control, request.match_info["path"]
    note = await read_optional_body(request, NoteBody)
    _require_suspendable(control.actors(), path)
    await audit_command(request, "suspend_actor", path, {"reason": note.reason})
    try:
        actor = _at(path, partial(control.suspend, path))
    except CannotSuspendError as error:
        raise ProblemError(Code.CONFLICT, str(error)) from error
    return json_response(views.actor_json(actor), status=HTTPStatus.ACCEPTED)


async def resume_actor(request: web.Request) -> web.Response:
    """Let an actor go on with all that waits."""
    control, path = request.app[PARTS].control, request.match_info["path"]
    note = await read_optional_body(request, NoteBody)
    _at(path, partial(control.traced, path))
    await audit_command(request, "resume_actor", path, {"reason": note.reason})
    actor = _at(path, partial(control.resume, path))
    return json_response(views.actor_json(actor), status=HTTPStatus.ACCEPTED)


async def list_dead_letters(request: web.Request) -> web.Response:
    """List the last messages that no actor read."""
    letters = request.app[PARTS].control.dead_letters()
    return json_response({"items": [inspected.dead_letter_json(letter) for letter in letters]})


async def audit_command(request: web.Request, command: str, path: str, after: dict[str, object]) -> None:
    """Put an operator's command to an actor on record, before it is carried out."""
    steps = partial(
        write_audit,
        action=f"admin:{command}",
        resource_type="actor",
        resource_id=path,
        after=after,
        trace_id=current_trace_id(),
    )
    await request.app[DOOR].write(request[CALLER].name, command, steps)


def unknown_actor(path: str) -> ProblemError:
    """Return the problem of a path where no actor is."""
    return ProblemError(Code.NOT_FOUND, f"there is no actor at {path}; /api/v1/admin/actors lists them")


def _require_suspendable(actors: Sequence[ActorView], path: str) -> None:
    """Refuse what can't be done before it is put on record."""
    actor = next((actor for actor in actors if actor.path == path), None)
    if actor is None:
        raise unknown_actor(path)
    why_not = why_not_suspended(path, actor.kind, actor.state)
    if why_not is not None:
        raise ProblemError(Code.CONFLICT, why_not)


def _at(path: str, act: Callable[[], T]) -> T:
    try:
        return act()
    except KeyError as error:
        raise unknown_actor(path) from error


ROUTES = (
    Route(
        method="GET",
        path="/api/v1/admin/actors/{path}/state",
        handler=show_state,
        access=Access.READ,
        name="showActorState",
        summary="What an actor says of itself. One that hangs gives no answer, which is told as 503.",
        answer=Answer(shape=ActorStateJson),
        problems=(Code.NOT_FOUND,),
    ),
    Route(
        method="GET",
        path="/api/v1/admin/actors/{path}/trace",
        handler=show_trace,
        access=Access.READ,
        name="showActorTrace",
        summary="An actor's last messages, while they are noted.",
        answer=Answer(shape=ActorTraceJson),
        problems=(Code.NOT_FOUND,),
    ),
    Route(
        method="POST",
        path="/api/v1/admin/actors/{path}/trace",
        handler=trace_actor,
        access=Access.OPERATE,
        name="traceActor",
        summary="Begin or end to note an actor's messages. Ending forgets them.",
        body=TraceBody,
        needs_body=True,
        answer=Answer(shape=ActorTraceJson, status=HTTPStatus.ACCEPTED),
        problems=(Code.NOT_FOUND,),
    ),
    Route(
        method="POST",
        path="/api/v1/admin/actors/{path}/suspend",
        handler=suspend_actor,
        access=Access.OPERATE,
        name="suspendActor",
        summary="Let an actor's work wait until it is resumed, restarted or stopped.",
        body=NoteBody,
        answer=Answer(shape=ActorJson, status=HTTPStatus.ACCEPTED),
        problems=(Code.NOT_FOUND, Code.CONFLICT),
    ),
    Route(
        method="POST",
        path="/api/v1/admin/actors/{path}/resume",
        handler=resume_actor,
        access=Access.OPERATE,
        name="resumeActor",
        summary="Let a suspended actor go on with all that waits.",
        body=NoteBody,
        answer=Answer(shape=ActorJson, status=HTTPStatus.ACCEPTED),
        problems=(Code.NOT_FOUND,),
    ),
    Route(
        method="GET",
        path="/api/v1/admin/dead-letters",
        handler=list_dead_letters,
        access=Access.READ,
        name="listDeadLetters",
        summary="The last messages that no actor read, newest first.",
        answer=Answer(shape=DeadLettersJson),
    ),
)
