import asyncio
import stat
from datetime import timedelta
from pathlib import Path

import aiohttp
import pytest

from tests.sandbox_support import SECRET, Caller, sandbox, seeded_state
from wallet_provisioning.http.sandbox.errors import (
    PortTakenError,
    StateCorruptError,
    StateTakenError,
)
from wallet_provisioning.http.sandbox.options import SandboxOptions
from wallet_provisioning.http.sandbox.serve import serve

WALLETS = "/v1/w3s/developer/wallets"


async def test_everything_that_was_answered_is_there_after_a_restart(tmp_path: Path) -> None:
    state = seeded_state(tmp_path)
    async with sandbox(tmp_path, state=state) as circle:
        wallet_set = await circle.new_set()
        body = await circle.signed(
            walletSetId=wallet_set, blockchains=["ETH-SEPOLIA"], metadata=[{"refId": "a"}]
        )
        first = await circle.call("POST", WALLETS, json=body)
        renamed = (await circle.create_wallets(wallet_set, "b")).data["wallets"][0]["id"]
        await circle.call("PUT", f"/v1/w3s/wallets/{renamed}", json={"refId": "c"})
        listed = await circle.wallets()
        public_key = (await circle.get("/v1/w3s/config/entity/publicKey")).body
        picture = (await circle.get("/sandbox/state")).body
    async with sandbox(tmp_path, state=state) as circle:
        assert (await circle.get("/v1/w3s/config/entity/publicKey")).body == public_key
        assert (await circle.get("/sandbox/state")).body == picture
        assert await circle.wallets() == listed
        assert len(await circle.wallets(refId="c")) == 1
        reused = await circle.call("POST", WALLETS, json=body)
        assert reused.code == 156004
        body["entitySecretCiphertext"] = await circle.ciphertext()
        replay = await circle.call("POST", WALLETS, json=body)
        assert (replay.status, replay.body) == (200, first.body)
        circle.secret = "7b" * 32
        assert (await circle.create_set()).code == 156013
        circle.secret = SECRET
        assert len((await circle.create_wallets(wallet_set, "d")).data["wallets"]) == 1


async def test_a_call_that_was_torn_off_leaves_no_trace(tmp_path: Path) -> None:
    state = seeded_state(tmp_path)
    async with sandbox(tmp_path, state=state) as circle:
        wallet_set = await circle.new_set()
        body = await circle.signed(
            walletSetId=wallet_set, blockchains=["ETH-SEPOLIA"], metadata=[{"refId": "a"}]
        )
        await circle.call("POST", WALLETS, json=body)
    written = state.read_bytes()
    state.write_bytes(written[:-40])
    async with sandbox(tmp_path, state=state) as circle:
        assert await circle.wallets() == []
        body["entitySecretCiphertext"] = await circle.ciphertext()
        assert (await circle.call("POST", WALLETS, json=body)).status == 201
        assert len(await circle.wallets(refId="a")) == 1


async def test_an_answer_waits_for_its_line(tmp_path: Path) -> None:
    state = seeded_state(tmp_path)
    async with sandbox(tmp_path, state=state) as circle:
        wallet_set = await circle.new_set()

        async def create(reference: str) -> None:
            wallet = (await circle.create_wallets(wallet_set, reference)).data["wallets"][0]
            assert wallet["id"].encode() in state.read_bytes()

        await asyncio.gather(*(create(f"r{number}") for number in range(30)))


async def test_a_second_sandbox_on_the_same_state_is_refused(tmp_path: Path) -> None:
    state = seeded_state(tmp_path)
    async with sandbox(tmp_path, state=state) as circle:
        with pytest.raises(StateTakenError, match="Another sandbox holds"):
            async with sandbox(tmp_path, state=state):
                pass
        assert (await circle.get("/ping")).status == 200


async def test_another_holder_is_waited_for_by_option(tmp_path: Path) -> None:
    state = seeded_state(tmp_path)
    leave = asyncio.Event()

    async def hold(held: asyncio.Event) -> None:
        async with sandbox(tmp_path, state=state):
            held.set()
            await leave.wait()

    held = asyncio.Event()
    holder = asyncio.create_task(hold(held))
    await held.wait()
    asyncio.get_running_loop().call_later(0.1, leave.set)
    async with sandbox(tmp_path, state=state, lock_wait=timedelta(seconds=20)) as circle:
        assert (await circle.get("/ping")).status == 200
    await holder


async def test_a_state_that_can_not_be_read_is_refused(tmp_path: Path) -> None:
    state = tmp_path / "state"
    state.write_bytes(b"these are\nnot records\n")
    with pytest.raises(StateCorruptError, match="Line 1 of the state file"):
        async with sandbox(tmp_path, state=state):
            pass


async def test_a_taken_port_is_one_clear_error_and_frees_the_state(tmp_path: Path) -> None:
    state = seeded_state(tmp_path)
    async with sandbox(tmp_path) as circle:
        port = int(circle.base_url.rsplit(":", 1)[1])
        with pytest.raises(PortTakenError, match=f"can't listen on 127.0.0.1:{port}"):
            async with sandbox(tmp_path, state=state, port=port):
                pass
    async with sandbox(tmp_path, state=state) as circle:
        assert (await circle.get("/ping")).status == 200


async def test_a_first_start_makes_a_key_pair_and_credentials(tmp_path: Path) -> None:
    state = tmp_path / "state"
    async with sandbox(tmp_path, state=state, generates_credentials=True) as circle:
        assert stat.S_IMODE(state.stat().st_mode) == 0o600
        assert (await circle.get("/v1/w3s/wallets")).code == 4
    kinds = [line.split(b'"')[3] for line in state.read_bytes().splitlines()]
    assert kinds == [b"key_pair", b"credentials"]
    before = state.read_bytes()
    async with sandbox(tmp_path, state=state, generates_credentials=True):
        pass
    assert state.read_bytes() == before


async def test_serve_tells_its_address_and_ends_when_told(tmp_path: Path) -> None:
    ready, end = asyncio.Event(), asyncio.Event()
    told: list[str] = []

    def tell(base_url: str) -> None:
        told.append(base_url)
        ready.set()

    options = SandboxOptions(port=0, state=seeded_state(tmp_path))
    serving = asyncio.create_task(serve(options, ready=tell, until=end.wait()))
    await ready.wait()
    async with aiohttp.ClientSession() as session:
        assert (await Caller(session, told[0]).get("/ping")).status == 200
        end.set()
        await serving
        with pytest.raises(aiohttp.ClientConnectorError):
            await Caller(session, told[0]).get("/ping")


async def test_without_a_state_file_nothing_is_kept() -> None:
    end = asyncio.Event()
    end.set()
    told: list[str] = []
    await serve(SandboxOptions(port=0), ready=told.append, until=end.wait())
    assert told[0].startswith("http://127.0.0.1:")
