"""The document at /openapi.json says what the server does."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from tests.support_api import House
from wallet_provisioning.http.api.app import create_app
from wallet_provisioning.http.api.openapi import describe
from wallet_provisioning.http.api.problems import Code
from wallet_provisioning.http.api.routes import ALL_ROUTES
from wallet_provisioning.store.walks import LOOKED_AT

DOCUMENT = describe(ALL_ROUTES)


def served(app: web.Application) -> set[tuple[str, str]]:
    return {
        (route.resource.canonical, route.method.lower())
        for route in app.router.routes()
        if route.resource is not None and route.method != "HEAD"
    }


def references(node: Any) -> Iterator[str]:
    match node:
        case dict():
            if isinstance(node.get("$ref"), str):
                yield node["$ref"]
            for child in node.values():
                yield from references(child)
        case list():
            for child in node:
                yield from references(child)
        case _:
            pass


def test_its_paths_and_methods_are_those_that_are_served(tmp_path: Path) -> None:
    described = {(path, method) for path, methods in DOCUMENT["paths"].items() for method in methods}
    assert described == served(create_app(House(tmp_path).parts))


def test_every_call_of_the_contract_is_there() -> None:
    calls = """
        get /api/v1/admin/workers/status
        get /api/v1/admin/workers/metrics
        get /api/v1/admin/workers/health
        post /api/v1/admin/workers/restart
        post /api/v1/onboarding/kyc/callback/{provider_ref}
        post /api/v1/onboarding/jobs
        get /api/v1/onboarding/users/{user_id}/wallets
        get /api/v1/admin/jobs
        get /api/v1/admin/jobs/{id}
        post /api/v1/admin/jobs/{id}/retry
        post /api/v1/admin/jobs/{id}/cancel
        get /api/v1/admin/wallets
        get /api/v1/admin/audit
        get /api/v1/admin/actors
        post /api/v1/admin/actors/{path}/kill
        get /api/v1/admin/controls
        post /api/v1/admin/chains/{chain}/breaker
        post /api/v1/admin/workers/pause
        post /api/v1/admin/workers/resume
        get /api/v1/admin/actors/{path}/state
        get /api/v1/admin/actors/{path}/trace
        post /api/v1/admin/actors/{path}/trace
        post /api/v1/admin/actors/{path}/suspend
        post /api/v1/admin/actors/{path}/resume
        get /api/v1/admin/dead-letters
        get /api/v1/admin/chains
        get /healthz/live
        get /healthz/ready
        get /metrics
        get /openapi.json
        get /
    """
    described = {f"{method} {path}" for path, methods in DOCUMENT["paths"].items() for method in methods}
    assert described == {line.strip() for line in calls.strip().splitlines()}


def test_every_reference_leads_somewhere() -> None:
    schemas = DOCUMENT["components"]["schemas"]
    found = set(references(DOCUMENT))
    assert found
    assert {
        reference for reference in found if reference.removeprefix("#/components/schemas/") not in schemas
    } == set()


def test_lists_say_that_a_short_page_may_have_a_next() -> None:
    lists = {route.path for route in ALL_ROUTES if route.query and "cursor" in route.query.model_fields}
    assert lists == {f"/api/v1/admin/{name}" for name in ("jobs", "wallets", "audit")}
    for path in lists:
        told = DOCUMENT["paths"][path]["get"]
        assert "fewer than `limit` items, or none, and still have a `next`" in told["description"]
        assert f"{LOOKED_AT:,}" in told["description"]


def test_operations_are_named_once() -> None:
    names = [one["operationId"] for methods in DOCUMENT["paths"].values() for one in methods.values()]
    assert len(set(names)) == len(names)


def test_the_parameters_of_a_path_are_described() -> None:
    for path, methods in DOCUMENT["paths"].items():
        for operation in methods.values():
            named = {one["name"] for one in operation.get("parameters", []) if one["in"] == "path"}
            assert named == set(re.findall(r"{(\w+)}", path))


def test_what_the_contract_says_of_a_job_is_required() -> None:
    job = DOCUMENT["components"]["schemas"]["JobJson"]
    assert set(job["required"]) == set(job["properties"])
    assert job["properties"]["id"]["format"] == "uuid"


def test_bodies_refuse_unknown_fields_in_the_document_too() -> None:
    schemas = DOCUMENT["components"]["schemas"]
    for name in ("JobBody", "KycBody", "KillBody", "NoteBody"):
        assert schemas[name]["additionalProperties"] is False


@pytest.mark.parametrize("code", list(Code))
def test_every_code_has_a_status_and_a_title(code: Code) -> None:
    assert 400 <= code.status < 600
    assert code.heading[0].isupper()


async def test_the_document_is_served_whole(tmp_path: Path) -> None:
    async with House(tmp_path) as house:
        told = await house.get("/openapi.json")
    assert told.headers["Content-Type"] == "application/json"
    assert told.json == DOCUMENT
    assert told.json["openapi"] == "3.1.0"
