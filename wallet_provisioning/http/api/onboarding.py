"""Where requests for wallets come in: the KYC provider's callback and the house's own call."""

import re
from functools import partial
from http import HTTPStatus

from aiohttp import web

from wallet_provisioning.http.api import views
from wallet_provisioning.http.api.access import CALLER
from wallet_provisioning.http.api.bodies import JobBody, KycBody, parse_body, read_body, read_bytes
from wallet_provisioning.http.api.door import DOOR
from wallet_provisioning.http.api.jsonio import json_response
from wallet_provisioning.http.api.parts import PARTS, Parts
from wallet_provisioning.http.api.problems import Code, invalid
from wallet_provisioning.http.api.queries import path_reference, path_uuid
from wallet_provisioning.http.api.routing import Access, Answer, Route
from wallet_provisioning.http.api.shapes import JobJson, KycAnswerJson, WalletsJson
from wallet_provisioning.http.api.signatures import HEADER, check_signature
from wallet_provisioning.http.api.tracing import current_traceparent
from wallet_provisioning.jobs.chains import UnknownChainError
from wallet_provisioning.store.acceptance import accept
from wallet_provisioning.store.accepting import Accepted, JobRequest, RequestKey
from wallet_provisioning.store.database import Database
from wallet_provisioning.store.kyc import KycAnswer, KycCallback, accept_callback
from wallet_provisioning.store.reports import user_wallets
from wallet_provisioning.store.telling import tell_accepted

_KEY = re.compile(r"[!-~]{1,255}")
IDEMPOTENCY_KEY = "Idempotency-Key"


async def take_callback(request: web.Request) -> web.Response:
    """Take the provider's word on a customer; a repeat is answered like the first."""
    reference = path_reference(request)
    raw = await read_bytes(request)
    check_signature(request, reference, raw)
    body = parse_body(request, raw, KycBody)
    callback = _callback(request.app[PARTS], reference, body)
    answer = await request.app[DOOR].carry_out(partial(_accept_callback, request.app[PARTS], callback))
    return json_response(views.kyc_json(answer), status=HTTPStatus.ACCEPTED)


async def request_job(request: web.Request) -> web.Response:
    """Accept a job for a user, or find the one that does what is asked for already."""
    keys = _idempotency_key(request)
    body = await read_body(request, JobBody)
    job = _job_request(request.app[PARTS], body, keys)
    accept_it = partial(_accept_job, request.app[PARTS], job, request[CALLER].name)
    accepted = await request.app[DOOR].carry_out(accept_it)
    location = {"Location": f"/api/v1/admin/jobs/{accepted.job.id}"}
    return json_response(views.job_json(accepted.job), status=HTTPStatus.ACCEPTED, headers=location)


async def list_user_wallets(request: web.Request) -> web.Response:
    """List a user's wallets; none for a user who isn't known."""
    user_id = path_uuid(request, "user_id")
    wallets = await request.app[DOOR].read(lambda connection: user_wallets(connection, user_id))
    return json_response({"items": [views.wallet_json(wallet) for wallet in wallets]})


def _callback(parts: Parts, reference: str, body: KycBody) -> KycCallback:
    return KycCallback(
        provider_ref=reference,
        status=body.status,
        user_id=body.user_id,
        rejection_reasons=tuple(body.rejection_reasons or ()),
        chains=parts.chains.names,
        max_attempts=parts.options.max_attempts,
        traceparent=current_traceparent(),
        registers_unknown=parts.options.registers_unknown,
    )


def _job_request(parts: Parts, body: JobBody, keys: tuple[RequestKey, ...]) -> JobRequest:
    try:
        chains = parts.chains.select(body.chains)
    except UnknownChainError as error:
        raise invalid(field="chains", message=str(error)) from error
    return JobRequest(
        user_id=body.user_id,
        chains=chains,
        source="http",
        keys=keys,
        max_attempts=parts.options.max_attempts,
        traceparent=current_traceparent(),
    )


def _idempotency_key(request: web.Request) -> tuple[RequestKey, ...]:
    told = request.headers.getall(IDEMPOTENCY_KEY, [])
    if not told:
        return ()
    if len(told) > 1 or not _KEY.fullmatch(told[0]):
        raise invalid(
            field=IDEMPOTENCY_KEY, message="must be given once, in 1 to 255 visible ASCII characters"
        )
    return (RequestKey(kind="idempotency_key", value=told[0]),)


# These run on the door's threads, and wake the scheduler from there: the loop may be busy.


def _accept_job(parts: Parts, job: JobRequest, actor: str, database: Database) -> Accepted:
    return accept(database, job, actor=actor, reason="accept_job", then=parts.control.accepted)


def _accept_callback(parts: Parts, callback: KycCallback, database: Database) -> KycAnswer:
    with database.write("kyc", "accept_callback") as tx:
        answer = accept_callback(tx, callback)
        if answer.accepted is not None:
            tell_accepted(tx, answer.accepted)
    if answer.accepted is not None:
        parts.control.accepted(answer.accepted)
    return answer


ROUTES = (
    Route(
        method="POST",
        path="/api/v1/onboarding/kyc/callback/{provider_ref}",
        handler=take_callback,
        access=Access.SIGNED,
        name="takeKycCallback",
        summary="The KYC provider's word on a customer; approved creates a job.",
        body=KycBody,
        needs_body=True,
        headers={HEADER: "sha256= and the HMAC-SHA256, in hex, of provider_ref, a dot and the raw body."},
        answer=Answer(shape=KycAnswerJson, status=HTTPStatus.ACCEPTED),
        problems=(Code.NOT_FOUND, Code.CONFLICT),
    ),
    Route(
        method="POST",
        path="/api/v1/onboarding/jobs",
        handler=request_job,
        access=Access.OPERATE,
        name="requestJob",
        summary="Accept a job for a user's wallets; a repeat gives the same job.",
        body=JobBody,
        needs_body=True,
        headers={IDEMPOTENCY_KEY: "1 to 255 visible ASCII characters; the same key gives the first job."},
        answer=Answer(shape=JobJson, status=HTTPStatus.ACCEPTED, has_location=True),
    ),
    Route(
        method="GET",
        path="/api/v1/onboarding/users/{user_id}/wallets",
        handler=list_user_wallets,
        access=Access.READ,
        name="listUserWallets",
        summary="A user's wallets.",
        answer=Answer(shape=WalletsJson),
    ),
)
