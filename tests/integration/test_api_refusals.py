"""Whatever is wrong with a request, the answer is a problem that says what."""

import asyncio
import gzip
from collections.abc import AsyncIterator
from io import BytesIO
from pathlib import Path

import pytest

from tests.support_api import USER, House
from wallet_provisioning.http.api.routes import ALL_ROUTES

JOBS = "/api/v1/onboarding/jobs"
JSON = {"Content-Type": "application/json"}
MIB = 1024 * 1024


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with House(tmp_path) as opened:
        yield opened


@pytest.mark.parametrize(
    "path", ["/nowhere", "/api/v1/admin", "/api/v1/admin/jobs/", "//", "/openapi.json/x", "/%00"]
)
async def test_a_path_that_is_not_served_is_not_found(house: House, path: str) -> None:
    told = await house.get(path)
    assert (told.status, told.code) == (404, "not_found")


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "PROPFIND"])
async def test_a_method_that_is_not_served_is_named_with_those_that_are(house: House, method: str) -> None:
    for route in ALL_ROUTES:
        told = await house.ask(method, route.path.replace("{", "").replace("}", ""))
        assert (told.status, told.code) == (405, "method_not_allowed")
        assert route.method in told.headers["Allow"]


@pytest.mark.parametrize(
    ("path", "instance"),
    [
        ("/no%20such%2Fpath?q=1", "/no%20such%2Fpath"),
        ("/caf%C3%A9", "/caf%C3%A9"),
        ("/a^b|c", "/a%5Eb%7Cc"),
        ("/100%", "/100%25"),
        ("//elsewhere.example/x", "/.//elsewhere.example/x"),
    ],
)
async def test_a_problem_names_the_path_as_a_uri_reference(house: House, path: str, instance: str) -> None:
    told = await house.send(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
    assert (told.status, told.json["instance"]) == (404, instance)


async def test_a_problem_names_the_path_that_was_asked_for(house: House) -> None:
    problem = (await house.get("/nowhere?token=secret")).json
    assert problem["instance"] == "/nowhere"
    assert problem["type"] == "urn:wallet-provisioning:problem:not_found"
    assert problem["title"] == "Not found"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b'"text"',
        b'{"user_id": NaN}',
        b'{"user_id": "\xff"}',
        b'{"user_id": "\\ud800"}',
        b'{"user_id": "\\u0000"}',
        f'{{"user_id": "{USER}", "user_id": "{USER}"}}'.encode(),
        b"[" * 100_000,
        b"\xef\xbb\xbf{}",
        f'{{"user_id": "{USER}"}} x'.encode(),
    ],
)
async def test_a_body_that_is_no_json_object_is_refused(house: House, body: bytes) -> None:
    told = await house.post(JOBS, data=body, headers=JSON)
    assert (told.status, told.code) == (400, "invalid_request")
    assert house.daemon.heard == []


@pytest.mark.parametrize(
    "kind",
    [
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/problem+json",
        "application/json; charset=latin-1",
        "json",
        "",
    ],
)
async def test_another_media_type_is_refused(house: House, kind: str) -> None:
    told = await house.post(JOBS, data=b"{}", headers={"Content-Type": kind})
    assert (told.status, told.code) == (415, "unsupported_media_type")


@pytest.mark.parametrize("kind", ["application/json", "Application/JSON; charset=UTF-8"])
async def test_json_in_utf_8_is_taken(house: House, kind: str) -> None:
    body = f'{{"user_id": "{USER}"}}'.encode()
    assert (await house.post(JOBS, data=body, headers={"Content-Type": kind})).status == 202


async def test_a_packed_body_is_refused_unopened(house: House) -> None:
    bomb = gzip.compress(b" " * 50 * MIB)
    told = await house.post(JOBS, data=bomb, headers={**JSON, "Content-Encoding": "gzip"})
    assert (told.status, told.code) == (415, "unsupported_media_type")


async def test_a_body_of_one_mebibyte_is_read(house: House) -> None:
    body = f'{{"user_id": "{USER}"}}'.encode().ljust(MIB)
    assert (await house.post(JOBS, data=body, headers=JSON)).status == 202


async def test_a_larger_body_is_refused(house: House) -> None:
    body = f'{{"user_id": "{USER}"}}'.encode().ljust(MIB + 1)
    told = await house.post(JOBS, data=BytesIO(body), headers=JSON)
    assert (told.status, told.code) == (413, "too_large")


async def test_a_larger_body_without_a_length_is_refused(house: House) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(20):
            yield b" " * 100_000

    told = await house.post(JOBS, data=pieces(), headers=JSON)
    assert (told.status, told.code) == (413, "too_large")


async def test_a_body_is_read_even_where_it_may_be_left_out(house: House) -> None:
    path = "/api/v1/admin/actors/writer/kill"
    assert (await house.post(path, data=b"{", headers=JSON)).status == 400
    assert (await house.post(path, data=b"{}", headers={"Content-Type": "text/plain"})).status == 415
    assert (await house.post(path, data=BytesIO(b" " * (MIB + 1)), headers=JSON)).status == 413
    assert house.daemon.kills == []


@pytest.mark.parametrize(
    "request_line",
    [
        b"GET / HTTP/1.1\r\nHost: a\r\nBad Header: x\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\r\n\r\n",
        b"GET / HTTP/9.9\r\nHost: a\r\n\r\n",
        b"GET /" + b"x" * 20_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 20_000 + b"\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
    ],
)
async def test_what_is_no_http_is_answered_with_a_problem_too(house: House, request_line: bytes) -> None:
    told = await house.send(request_line)
    assert (told.status, told.code) == (400, "invalid_request")


async def test_an_expectation_that_nobody_knows_is_a_problem(house: House) -> None:
    head = b"POST /api/v1/onboarding/jobs HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
    told = await house.send(head + b"Expect: miracles\r\nContent-Length: 0\r\n\r\n")
    assert (told.status, told.code) == (400, "invalid_request")


async def test_a_body_that_ends_early_leaves_the_server_well(house: House) -> None:
    head = b"POST /api/v1/onboarding/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    _, writer = await asyncio.open_connection("127.0.0.1", house.server.port)
    writer.write(head + b"Content-Length: 100\r\n\r\n{")
    await writer.drain()
    writer.close()
    assert (await house.get("/healthz/live")).status == 200
    assert house.daemon.heard == []


async def test_an_error_that_nobody_foresaw_is_told_without_its_text(tmp_path: Path) -> None:
    def breaks() -> tuple[str, bytes]:
        msg = "a secret of the house"
        raise RuntimeError(msg)

    async with House(tmp_path, exposition=breaks) as house:
        told = await house.get("/metrics")
    assert (told.status, told.code) == (500, "internal")
    assert "secret" not in told.text
