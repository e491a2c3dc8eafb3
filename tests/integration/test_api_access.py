"""Who is let in: by token, or without any token only this machine's own programs."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support_api import USER, House
from wallet_provisioning.http.api.parts import ApiOptions
from wallet_provisioning.http.api.routes import ALL_ROUTES
from wallet_provisioning.http.api.routing import Access, Route

STATUS = "/api/v1/admin/workers/status"
RESTART = "/api/v1/admin/workers/restart"
JOBS = "/api/v1/onboarding/jobs"
CALLBACK = "/api/v1/onboarding/kyc/callback/ref"
OPEN = {"/", "/openapi.json", "/healthz/live", "/healthz/ready"}
GUARDED = [route for route in ALL_ROUTES if route.access in {Access.READ, Access.OPERATE}]


@pytest.fixture
async def local(tmp_path: Path) -> AsyncIterator[House]:
    async with House(tmp_path) as opened:
        yield opened


@pytest.fixture
async def guarded(tmp_path: Path) -> AsyncIterator[House]:
    async with House(tmp_path, ApiOptions(admin_token="full", admin_read_token="look")) as opened:
        yield opened


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def concrete(route: Route) -> str:
    path = route.path
    for name in route.parameters:
        path = path.replace(f"{{{name}}}", "writer" if name == "path" else USER)
    return path


def test_only_probes_and_pages_are_open_and_only_the_callback_is_signed() -> None:
    assert {route.path for route in ALL_ROUTES if route.access is Access.OPEN} == OPEN
    assert [route.name for route in ALL_ROUTES if route.access is Access.SIGNED] == ["takeKycCallback"]
    assert all(route.access is Access.OPERATE for route in GUARDED if route.method == "POST")


@pytest.mark.parametrize("route", GUARDED, ids=lambda route: route.name)
async def test_without_a_token_nothing_else_is_told(guarded: House, route: Route) -> None:
    told = await guarded.ask(route.method, concrete(route))
    assert (told.status, told.code) == (401, "unauthorized")
    assert told.headers["WWW-Authenticate"].startswith("Bearer ")


@pytest.mark.parametrize("route", GUARDED, ids=lambda route: route.name)
async def test_the_read_token_reads_and_does_no_more(guarded: House, route: Route) -> None:
    told = await guarded.ask(route.method, concrete(route), headers=bearer("look"))
    if route.method == "POST":
        assert (told.status, told.code) == (403, "forbidden")
        assert guarded.daemon.kills == []
    else:
        assert told.status in {200, 404}


@pytest.mark.parametrize("path", sorted(OPEN))
async def test_probes_and_pages_need_no_token(guarded: House, path: str) -> None:
    assert (await guarded.get(path)).status == 200


async def test_the_admin_token_does_everything(guarded: House) -> None:
    assert (await guarded.get(STATUS, headers=bearer("full"))).status == 200
    assert (await guarded.post(RESTART, headers=bearer("full"))).status == 202
    assert (await guarded.post(JOBS, {"user_id": USER}, headers=bearer("full"))).status == 202


@pytest.mark.parametrize(
    "value",
    [
        "",
        "full",
        "Bearer",
        "Bearer ",
        "Basic full",
        "Bearer ful",
        "Bearer fulll",
        "Bearer full full",
        "Bearer \u00fc",
    ],
)
async def test_a_wrong_token_is_refused(guarded: House, value: str) -> None:
    told = await guarded.get(STATUS, headers={"Authorization": value})
    assert (told.status, told.code) == (401, "unauthorized")


async def test_two_tokens_are_refused_even_if_one_is_right(guarded: House) -> None:
    headers = [("Authorization", "Bearer full"), ("Authorization", "Bearer full")]
    assert (await guarded.get(STATUS, headers=headers)).status in {400, 401}


async def test_the_scheme_is_read_in_any_case(guarded: House) -> None:
    assert (await guarded.get(STATUS, headers={"Authorization": "bearer full"})).status == 200


async def test_with_a_read_token_alone_nobody_operates(tmp_path: Path) -> None:
    async with House(tmp_path, ApiOptions(admin_read_token="look")) as house:
        assert (await house.get(STATUS)).status == 401
        assert (await house.get(STATUS, headers=bearer("look"))).status == 200
        assert (await house.post(RESTART, headers=bearer("look"))).status == 403


async def test_no_token_is_ever_shown(guarded: House) -> None:
    assert "full" not in repr(guarded.parts)
    assert "look" not in repr(guarded.parts)
    told = await guarded.get(STATUS, headers=bearer("my-guess"))
    assert "my-guess" not in told.text


async def test_without_tokens_a_program_of_this_machine_is_served(local: House) -> None:
    assert (await local.get(STATUS)).status == 200
    assert (await local.post(RESTART)).status == 202


@pytest.mark.parametrize(
    "host", ["localhost", "localhost:80", "LOCALHOST", "127.0.0.1", "127.8.8.8:1", "[::1]:80", "[::1]"]
)
async def test_names_of_loopback_are_hosts_that_are_served(local: House, host: str) -> None:
    assert (await local.get(STATUS, headers={"Host": host})).status == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:8080",
        "localhost.evil.example",
        "127.0.0.1.nip.io",
        "10.0.0.1",
        "0.0.0.0",
        "[::]",
        "",
    ],
)
async def test_a_page_whose_name_was_pointed_here_is_refused(local: House, host: str) -> None:
    told = await local.get(STATUS, headers={"Host": host})
    assert (told.status, told.code) == (403, "forbidden")


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost:3000"},
        {"X-Forwarded-For": "203.0.113.7"},
        {"Forwarded": "for=203.0.113.7"},
    ],
)
@pytest.mark.parametrize("path", [RESTART, JOBS, CALLBACK])
async def test_what_a_browser_sends_for_another_site_is_refused(
    local: House, path: str, headers: dict[str, str]
) -> None:
    told = await local.post(path, {"user_id": USER}, headers=headers)
    assert (told.status, told.code) == (403, "forbidden")
    assert local.daemon.heard == []


async def test_the_dashboards_own_requests_are_served(local: House) -> None:
    origin = local.server.url.rstrip("/")
    headers = {"Sec-Fetch-Site": "same-origin", "Origin": origin}
    assert (await local.post(RESTART, headers=headers)).status == 202


async def test_every_answer_may_be_neither_stored_nor_sniffed(guarded: House) -> None:
    for told in [await guarded.get("/"), await guarded.get(STATUS), await guarded.get("/nowhere")]:
        assert told.headers["Cache-Control"] == "no-store"
        assert told.headers["X-Content-Type-Options"] == "nosniff"
