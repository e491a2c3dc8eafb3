"""`actors` against a server on a real port."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.support_api import House
from wallet_provisioning.cli import main
from wallet_provisioning.http.api.parts import ApiOptions


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with House(tmp_path, ApiOptions(admin_token="full", admin_read_token="look")) as opened:
        yield opened


async def run(*arguments: str, environ: dict[str, str] | None = None) -> int:
    return await asyncio.to_thread(main, ["actors", *arguments], environ or {})


async def test_the_tree_is_shown_with_what_is_not_well(
    house: House, capsys: pytest.CaptureFixture[str]
) -> None:
    house.daemon.suspend("scheduler")
    house.daemon.tree["jobs/1"] = replace(house.daemon.tree["jobs/1"], incarnation=4, restarts=3, zombies=1)

    assert await run("--url", house.server.url, "--token", "look") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "/ Supervisor running"
    assert any(line.endswith("scheduler SomeActor running  suspended") for line in lines)
    assert any(line.endswith("1 SomeActor running  incarnation 4  1 hung") for line in lines)
    assert len(lines) == len(house.daemon.tree)


@pytest.mark.parametrize("command", ["actors", "chains"])
async def test_scripts_get_what_the_api_answers(
    house: House, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = [command, "--json", "--url", house.server.url, "--token", "look"]
    assert await asyncio.to_thread(main, asked, {}) == 0

    answer = await house.get(f"/api/v1/admin/{command}", headers={"Authorization": "Bearer look"})
    assert json.loads(capsys.readouterr().out) == answer.json


async def test_address_and_token_come_from_the_settings(
    house: House, capsys: pytest.CaptureFixture[str]
) -> None:
    environ = {"ADMIN_HOST": "0.0.0.0", "ADMIN_PORT": str(house.server.port), "ADMIN_READ_TOKEN": "look"}

    assert await run("--json", environ={**environ, "ADMIN_TOKEN": "full"}) == 0
    assert json.loads(capsys.readouterr().out)


@pytest.mark.parametrize("token", [[], ["--token", "wrong"]])
async def test_a_token_that_is_not_taken_is_exit_code_2_and_never_shown(
    house: House, token: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert await run("--url", house.server.url, *token) == 2
    written = capsys.readouterr()
    assert written.out == ""
    assert "does not take the token" in written.err
    assert "wrong" not in written.err


@pytest.mark.parametrize("more", [[], ["--json"], ["--watch"], ["--watch", "--json"]])
async def test_no_daemon_is_exit_code_3(more: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

    assert await run("--url", f"http://127.0.0.1:{port}", *more) == 3
    written = capsys.readouterr()
    assert written.out == ""
    assert "no daemon answers" in written.err


@pytest.mark.parametrize("body", [[], {"items": "all"}, "hello"])
async def test_a_server_that_answers_something_else_is_exit_code_3(
    body: object, capsys: pytest.CaptureFixture[str]
) -> None:
    async def answer(_: web.Request) -> web.Response:
        return web.json_response(body)

    app = web.Application()
    app.router.add_get("/api/v1/admin/actors", answer)
    async with TestServer(app) as server:
        assert await run("--url", str(server.make_url("/"))) == 3
    assert "is it a daemon" in capsys.readouterr().err


async def test_another_server_is_exit_code_3(house: House, capsys: pytest.CaptureFixture[str]) -> None:
    assert await run("--url", f"{house.server.url.rstrip('/')}/nowhere", "--token", "look") == 3
    assert "HTTP 404" in capsys.readouterr().err


@pytest.mark.parametrize(
    "url", ["127.0.0.1:8080", "file:///etc/passwd", "http://", "http://[::1", "http://h:port", "http://a b"]
)
async def test_what_is_no_url_is_exit_code_2(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert await run("--url", url) == 2
    assert "is no URL" in capsys.readouterr().err


async def test_a_watch_goes_on_until_the_daemon_is_gone(
    house: House, capsys: pytest.CaptureFixture[str]
) -> None:
    watching = asyncio.create_task(run("--watch", "--json", "--url", house.server.url, "--token", "look"))
    seen = ""
    while seen.count("\n") < 2:
        await asyncio.sleep(0.05)
        seen += capsys.readouterr().out
    await house.server.stop()

    assert await watching == 3
    assert all(json.loads(line) for line in seen.splitlines())
