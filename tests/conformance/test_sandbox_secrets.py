import asyncio
import base64
import secrets
from pathlib import Path

import pytest

from tests.sandbox_support import LIVE_KEY, SECRET, TEST_KEY, sandbox
from wallet_provisioning.http.sandbox.options import Switches
from wallet_provisioning.telemetry.events import Notice

OTHER = "7b" * 32
SETS = "/v1/w3s/developer/walletSets"


async def test_the_first_secret_is_registered_and_told_once(tmp_path: Path) -> None:
    async with sandbox(tmp_path) as circle:
        await circle.new_set()
        await circle.new_set()
        circle.secret = OTHER
        answer = await circle.create_set()
        assert (answer.status, answer.code) == (400, 156013)
        assert circle.events == [
            Notice(text="the sandbox registered the first entity secret of its test environment")
        ]


async def test_each_world_has_its_own_secret(tmp_path: Path) -> None:
    async with sandbox(tmp_path) as circle:
        await circle.new_set()
        circle.api_key, circle.secret = LIVE_KEY, OTHER
        await circle.new_set()
        circle.secret = SECRET
        assert (await circle.create_set()).code == 156013


async def test_a_given_secret_is_the_only_good_one(tmp_path: Path) -> None:
    async with sandbox(tmp_path, entity_secret=SECRET.upper()) as circle:
        circle.secret = OTHER
        assert (await circle.create_set()).code == 156013
        circle.secret = SECRET
        assert (await circle.create_set()).status == 201
        assert circle.events == []


async def test_without_a_registered_secret_it_is_156016_by_option(tmp_path: Path) -> None:
    async with sandbox(tmp_path, registers_first_secret=False) as circle:
        assert (await circle.get("/v1/w3s/config/entity/publicKey")).status == 200
        assert (await circle.create_set()).code == 156016


async def test_a_secret_that_can_not_be_read_registers_nothing(tmp_path: Path) -> None:
    async with sandbox(tmp_path) as circle:
        nonsense = base64.b64encode(secrets.token_bytes(512)).decode()
        for ciphertext in (nonsense, "plain text", await circle.ciphertext("ab" * 16)):
            answer = await circle.create_set(entitySecretCiphertext=ciphertext)
            assert answer.code == 156013
        assert circle.events == []


async def test_a_ciphertext_is_good_once(tmp_path: Path) -> None:
    async with sandbox(tmp_path) as circle:
        body = await circle.signed()
        assert (await circle.call("POST", SETS, json=body)).status == 201
        same_request = await circle.call("POST", SETS, json=body)
        assert (same_request.status, same_request.code) == (409, 156004)
        ciphertext = body["entitySecretCiphertext"]
        assert (await circle.create_set(entitySecretCiphertext=ciphertext)).code == 156004
        body["entitySecretCiphertext"] = await circle.ciphertext()
        assert (await circle.call("POST", SETS, json=body)).status == 200


async def test_the_same_ciphertext_at_once_is_good_once(tmp_path: Path) -> None:
    async with sandbox(tmp_path) as circle:
        ciphertext = await circle.ciphertext()
        calls = (circle.create_set(entitySecretCiphertext=ciphertext) for _ in range(10))
        answers = await asyncio.gather(*calls)
        assert sorted(answer.status for answer in answers) == [201] + [409] * 9


async def test_a_replay_may_come_before_the_ciphertext_check_by_switch(tmp_path: Path) -> None:
    async with sandbox(tmp_path, switches=Switches(ciphertext_first=False)) as circle:
        body = await circle.signed()
        assert (await circle.call("POST", SETS, json=body)).status == 201
        assert (await circle.call("POST", SETS, json=body)).status == 200
        answer = await circle.create_set(entitySecretCiphertext=body["entitySecretCiphertext"])
        assert answer.code == 156004


async def test_an_invalid_body_does_not_use_its_ciphertext_up(tmp_path: Path) -> None:
    async with sandbox(tmp_path) as circle:
        ciphertext = await circle.ciphertext()
        wrong = await circle.create_set(entitySecretCiphertext=ciphertext, colour="red")
        assert wrong.code == 2
        assert (await circle.create_set(entitySecretCiphertext=ciphertext)).status == 201


@pytest.mark.parametrize(
    ("api_key", "code"),
    [(None, 401), ("secret", 401), ("TEST_API_KEY:other:key", 4), (LIVE_KEY, 4)],
)
async def test_only_the_given_key_opens(tmp_path: Path, api_key: str | None, code: int) -> None:
    async with sandbox(tmp_path, api_key=TEST_KEY) as circle:
        assert (await circle.get("/v1/w3s/wallets")).status == 200
        circle.api_key = api_key
        for method, path in (
            ("GET", "/v1/w3s/wallets"),
            ("GET", "/v1/w3s/config/entity/publicKey"),
            ("POST", SETS),
        ):
            answer = await circle.call(method, path)
            assert (answer.status, answer.code) == (401, code)
        assert (await circle.get("/ping")).status == 200
