import asyncio
import io
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from yarl import URL

from tests.sandbox_support import REQUEST_ID, TEST_KEY, sandbox

SETS = "/v1/w3s/developer/walletSets"
SOME_ID = "5d1f5b0c-9d3c-4b51-9c0e-6a3a6d0f0001"


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/v1/w3s/nothing",
        "/v1/w3s/developer/wallets",
        SETS,
        "/v1/w3s/wallets/",
        f"/v1/w3s/wallets/{SOME_ID}/balances",
    ],
)
@pytest.mark.parametrize("api_key", [TEST_KEY, None])
async def test_a_path_that_does_not_exist_is_404_in_json(
    tmp_path: Path, path: str, api_key: str | None
) -> None:
    async with sandbox(tmp_path) as circle:
        circle.api_key = api_key
        answer = await circle.get(path)
        assert (answer.status, answer.code) == (404, -1)


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("DELETE", "/v1/w3s/wallets", "GET"),
        ("POST", "/v1/w3s/wallets", "GET"),
        ("PUT", "/v1/w3s/developer/wallets", "POST"),
        ("DELETE", f"/v1/w3s/wallets/{SOME_ID}", "GET,PUT"),
        ("POST", "/ping", "GET"),
    ],
)
async def test_another_method_is_405_in_json(tmp_path: Path, method: str, path: str, allowed: str) -> None:
    async with sandbox(tmp_path) as circle:
        answer = await circle.call(method, path)
        assert (answer.status, answer.code, answer.headers["Allow"]) == (405, -1, allowed)


@pytest.mark.parametrize("path", ["/ping", "/v1/w3s/wallets", "/nowhere", "/sandbox/state"])
async def test_every_answer_echoes_a_valid_request_id(tmp_path: Path, path: str) -> None:
    async with sandbox(tmp_path) as circle:
        mine = str(uuid4())
        for api_key in (TEST_KEY, None):
            circle.api_key = api_key
            answer = await circle.call("GET", path, headers={REQUEST_ID: mine})
            assert {name.lower(): value for name, value in answer.headers.items()}["x-request-id"] == mine


@pytest.mark.parametrize("sent", [{}, {REQUEST_ID: "not an id"}, {REQUEST_ID: ""}])
async def test_without_a_valid_request_id_a_new_one_is_given(tmp_path: Path, sent: dict[str, str]) -> None:
    async with sandbox(tmp_path) as circle:
        given = set()
        for _ in range(2):
            answer = await circle.call("GET", "/ping", headers=sent)
            given.add(UUID({name.lower(): value for name, value in answer.headers.items()}["x-request-id"]))
        assert len(given) == 2


async def test_ping_needs_no_key(tmp_path: Path) -> None:
    async with sandbox(tmp_path) as circle:
        circle.api_key = None
        assert (await circle.get("/ping")).body == {"message": "pong"}


@pytest.mark.parametrize("body", [b"", b"{", b"[1]", b"\xff\xfe"])
async def test_a_body_that_is_no_object_is_refused(tmp_path: Path, body: bytes) -> None:
    async with sandbox(tmp_path) as circle:
        headers = {"Content-Type": "application/json"}
        answer = await circle.call("POST", SETS, data=body, headers=headers)
        assert (answer.status, answer.code, set(answer.blamed)) == (400, 2, {"body"})


async def test_a_body_that_is_not_said_to_be_json_is_refused(tmp_path: Path) -> None:
    async with sandbox(tmp_path) as circle:
        answer = await circle.call("POST", SETS, data={"name": "form"})
        assert (answer.status, answer.blamed) == (400, {"Content-Type": "oneof"})


async def test_a_body_over_one_mebibyte_is_refused(tmp_path: Path) -> None:
    async with sandbox(tmp_path) as circle:
        headers = {"Content-Type": "application/json"}
        answer = await circle.call("POST", SETS, data=io.BytesIO(b" " * (2**20 + 1)), headers=headers)
        assert (answer.status, answer.code) == (413, -1)


async def test_the_picture_of_the_state_needs_no_key(tmp_path: Path) -> None:
    async with sandbox(tmp_path) as circle:
        wallets = (await circle.create_wallets(await circle.new_set(), "a")).data["wallets"]
        circle.api_key = None
        environments = (await circle.get("/sandbox/state")).body["environments"]
        assert environments == {
            "test": {
                "walletSets": 1,
                "wallets": 1,
                "idempotencyKeys": 2,
                "references": [
                    {"refId": "a", "blockchain": "ETH-SEPOLIA", "count": 1, "ids": [wallets[0]["id"]]}
                ],
            },
            "live": {"walletSets": 0, "wallets": 0, "idempotencyKeys": 0, "references": []},
        }


@pytest.mark.parametrize("is_reset", [False, True], ids=["closed", "reset"])
async def test_a_client_that_hangs_up_over_its_own_body_is_no_breakage(
    tmp_path: Path, *, is_reset: bool
) -> None:
    async with sandbox(tmp_path) as caller:
        url = URL(caller.base_url)
        _, writer = await asyncio.open_connection(url.host, url.port)
        writer.write(
            b"POST /v1/w3s/developer/wallets HTTP/1.1\r\nHost: sandbox\r\nContent-Type: application/json\r\n"
            b"Authorization: Bearer " + TEST_KEY.encode() + b"\r\nContent-Length: 9000\r\n\r\n{"
        )
        await writer.drain()
        await caller.get("/ping")
        if is_reset:
            writer.transport.abort()
        else:
            writer.close()
        for _ in range(3):
            assert (await caller.get("/ping")).status == 200

        assert not [event for event in caller.events if "broke" in str(event)]
