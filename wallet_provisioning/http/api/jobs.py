"""Jobs as an operator sees them: the list, one with its timeline, and the commands retry and cancel."""

from functools import partial
from http import HTTPStatus
from uuid import UUID

from aiohttp import web

from wallet_provisioning.http.api import views
from wallet_provisioning.http.api.access import CALLER
from wallet_provisioning.http.api.bodies import NoteBody, read_optional_body
from wallet_provisioning.http.api.door import DOOR
from wallet_provisioning.http.api.jsonio import json_response
from wallet_provisioning.http.api.problems import Code, ProblemError
from wallet_provisioning.http.api.queries import JobQuery, path_uuid, read_query
from wallet_provisioning.http.api.routing import Access, Answer, Route
from wallet_provisioning.http.api.shapes import JobDetailJson, JobJson, JobPageJson
from wallet_provisioning.jobs import moves
from wallet_provisioning.jobs.moves import Move
from wallet_provisioning.store import reports
from wallet_provisioning.store.database import Connection
from wallet_provisioning.store.moves import move_by_operator
from wallet_provisioning.store.reports import JobFilter
from wallet_provisioning.store.transaction import Transaction
from wallet_provisioning.store.views import AuditView, JobView
from wallet_provisioning.telemetry.events import JobMoved


async def list_jobs(request: web.Request) -> web.Response:
    """List jobs, newest first."""
    query = read_query(request, JobQuery)
    page = await request.app[DOOR].read(
        lambda connection: reports.list_jobs(connection, _filter(query), query.limit, query.cursor)
    )
    return json_response({"items": [views.job_json(job) for job in page.items], "next": page.next})


async def show_job(request: web.Request) -> web.Response:
    """Show one job with its audit rows."""
    found = await request.app[DOOR].read(partial(_job_and_timeline, job_id=path_uuid(request, "id")))
    if found is None:
        raise ProblemError(Code.NOT_FOUND, "there is no job of this id")
    return json_response(views.job_detail_json(*found))


async def retry_job(request: web.Request) -> web.Response:
    """Start a job again."""
    job_id = path_uuid(request, "id")
    note = await read_optional_body(request, NoteBody)
    return await _move(request, moves.retry_now(job_id, note.reason))


async def cancel_job(request: web.Request) -> web.Response:
    """Give a job up; a wallet already asked for is still recorded."""
    job_id = path_uuid(request, "id")
    note = await read_optional_body(request, NoteBody)
    return await _move(request, moves.cancel(job_id, note.reason))


async def _move(request: web.Request, move: Move) -> web.Response:
    actor = request[CALLER].name
    job = await request.app[DOOR].write(actor, move.name.value, partial(_make, move))
    return json_response(views.job_json(job), status=HTTPStatus.ACCEPTED)


def _make(move: Move, transaction: Transaction) -> JobView:
    job = move_by_operator(transaction, move)
    transaction.tell_after_commit(_event(move, job, transaction.actor))
    return job


def _event(move: Move, job: JobView, actor: str) -> JobMoved:
    return JobMoved(
        move=move.name.value,
        job_id=job.id,
        user_id=job.user_id,
        status=job.status.value,
        attempt=job.attempt_count,
        actor=actor,
        trace_id=job.trace_id,
    )


def _job_and_timeline(connection: Connection, job_id: UUID) -> tuple[JobView, tuple[AuditView, ...]] | None:
    job = reports.get_job(connection, job_id)
    return None if job is None else (job, reports.job_timeline(connection, job_id))


def _filter(query: JobQuery) -> JobFilter:
    return JobFilter(
        status=query.status,
        user_id=query.user_id,
        chain=query.chain,
        error_type=query.error_type,
        created_after=query.created_after,
        created_before=query.created_before,
    )


ROUTES = (
    Route(
        method="GET",
        path="/api/v1/admin/jobs",
        handler=list_jobs,
        access=Access.READ,
        name="listJobs",
        summary="Jobs, newest first.",
        query=JobQuery,
        answer=Answer(shape=JobPageJson),
    ),
    Route(
        method="GET",
        path="/api/v1/admin/jobs/{id}",
        handler=show_job,
        access=Access.READ,
        name="showJob",
        summary="One job with its timeline.",
        answer=Answer(shape=JobDetailJson),
        problems=(Code.NOT_FOUND,),
    ),
    Route(
        method="POST",
        path="/api/v1/admin/jobs/{id}/retry",
        handler=retry_job,
        access=Access.OPERATE,
        name="retryJob",
        summary="Start a failed, cancelled or waiting job again.",
        body=NoteBody,
        answer=Answer(shape=JobJson, status=HTTPStatus.ACCEPTED),
        problems=(Code.NOT_FOUND, Code.CONFLICT),
    ),
    Route(
        method="POST",
        path="/api/v1/admin/jobs/{id}/cancel",
        handler=cancel_job,
        access=Access.OPERATE,
        name="cancelJob",
        summary="Give an unfinished job up.",
        body=NoteBody,
        answer=Answer(shape=JobJson, status=HTTPStatus.ACCEPTED),
        problems=(Code.NOT_FOUND, Code.CONFLICT),
    ),
)
