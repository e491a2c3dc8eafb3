"""The server starts whole or not at all, and stops without dropping what is in hand."""

import asyncio
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support_api import House
from wallet_provisioning.http.api.listening import OpenToAllError, PortTakenError
from wallet_provisioning.http.api.parts import ApiOptions, Parts
from wallet_provisioning.http.api.server import ApiServer


async def test_the_real_port_is_told(tmp_path: Path) -> None:
    async with House(tmp_path) as house:
        assert house.server.port > 0
        assert house.server.url == f"http://127.0.0.1:{house.server.port}/"


async def test_a_taken_port_leaves_nothing_open(tmp_path: Path) -> None:
    async with House(tmp_path) as house:
        options = ApiOptions(port=house.server.port)
        second = ApiServer(house_parts(house, options))
        with pytest.raises(PortTakenError, match="ADMIN_PORT"):
            await second.start()
        with pytest.raises(RuntimeError, match="isn't started"):
            _ = second.port
        await second.stop()


async def test_the_world_is_not_served_without_a_token(tmp_path: Path) -> None:
    house = House(tmp_path)
    with pytest.raises(OpenToAllError):
        await ApiServer(house_parts(house, ApiOptions(host="0.0.0.0", port=0))).start()


async def test_start_and_stop_can_be_repeated_and_a_stop_may_come_first(tmp_path: Path) -> None:
    async with House(tmp_path) as house:
        server = ApiServer(house_parts(house, ApiOptions(port=0)))
        await server.stop()
        for _ in range(20):
            await server.start()
            await server.stop()
            await server.stop()


async def test_starts_and_stops_leave_no_thread_behind(tmp_path: Path) -> None:
    async with House(tmp_path) as house:
        await house.get("/api/v1/admin/jobs")
        before = threading.active_count()
        for _ in range(5):
            server = ApiServer(house_parts(house, ApiOptions(port=0)))
            await server.start()
            await server.stop()
        await asyncio.to_thread(wait_for_threads, before)


async def test_a_request_in_hand_is_answered_before_the_server_stops(tmp_path: Path) -> None:
    began, may_end = threading.Event(), threading.Event()

    def slow() -> tuple[str, bytes]:
        began.set()
        may_end.wait(10)
        return "text/plain", b"late but whole"

    async with House(tmp_path, exposition=slow) as house:
        asked = asyncio.create_task(house.get("/metrics"))
        await asyncio.to_thread(began.wait, 10)
        stopping = asyncio.create_task(house.server.stop())
        await asyncio.sleep(0)
        may_end.set()
        assert (await asked).text == "late but whole"
        await stopping


async def test_an_idle_connection_ends_with_the_server(tmp_path: Path) -> None:
    async with House(tmp_path) as house:
        reader, writer = await asyncio.open_connection("127.0.0.1", house.server.port)
        writer.write(b"GET /healthz/live HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await reader.readuntil(b'{"status":"live"}')
        await house.server.stop()
        assert await asyncio.wait_for(reader.read(), 5) == b""
        writer.close()


def wait_for_threads(limit: int) -> None:
    for thread in threading.enumerate():
        if threading.active_count() > limit and thread.name.startswith("api-store"):
            thread.join(0.2)
    assert threading.active_count() <= limit


def house_parts(house: House, options: ApiOptions) -> Parts:
    return replace(house.parts, options=options)


async def test_a_client_that_hangs_up_over_its_own_body_is_no_failure_of_ours(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with House(tmp_path) as house:
        _, writer = await asyncio.open_connection("127.0.0.1", house.server.port)
        writer.write(
            b"POST /api/v1/onboarding/jobs HTTP/1.1\r\nHost: 127.0.0.1\r\n"
            b"Content-Type: application/json\r\nContent-Length: 9000\r\n\r\n{"
        )
        await writer.drain()
        await house.get("/healthz/live")
        writer.transport.abort()
        for _ in range(3):
            assert (await house.get("/healthz/live")).status == 200

    assert "a request failed" not in caplog.text
