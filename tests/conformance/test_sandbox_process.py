import asyncio
import json
import os
import re
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from subprocess import DEVNULL, PIPE
from typing import Any

import aiohttp
import psutil
import pytest

from tests.sandbox_support import Caller, sandbox, seeded_state
from wallet_provisioning.clock import SystemClock
from wallet_provisioning.http.sandbox.errors import ChildFailedError, WrongOptionError
from wallet_provisioning.http.sandbox.handshake import Orders, write_orders
from wallet_provisioning.http.sandbox.options import SandboxOptions, Switches
from wallet_provisioning.http.sandbox.process import SandboxAccess, SandboxProcess
from wallet_provisioning.telemetry.events import DependencyBack, DependencyLost, Event, Notice

DEADLINE = timedelta(seconds=30)
ROOT = Path(__file__).parents[2]


async def until(is_so: Callable[[], bool]) -> None:
    """Poll at the border of a process, with a deadline."""
    clock = SystemClock()
    give_up_at = clock.monotonic() + DEADLINE
    while not is_so():
        assert clock.monotonic() < give_up_at, "it didn't come to that in time"
        await asyncio.sleep(0.01)


def is_alive(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


class Running:
    """A started process, its access, and a client of it."""

    def __init__(self, process: SandboxProcess, access: SandboxAccess, events: list[Event]) -> None:
        self.process = process
        self.access = access
        self.events = events

    @asynccontextmanager
    async def client(self) -> AsyncIterator[Caller]:
        async with aiohttp.ClientSession() as session:
            yield Caller(session, self.access.base_url, self.access.api_key, self.access.entity_secret)

    def pid(self) -> int:
        assert self.process.pid is not None
        return self.process.pid

    def heard(self, kind: type[Event]) -> list[Event]:
        return [event for event in self.events if isinstance(event, kind)]


@asynccontextmanager
async def running(state: Path, **fields: Any) -> AsyncIterator[Running]:
    events: list[Event] = []
    options = SandboxOptions(**{"port": 0, "state": state, "rate_limits": False, **fields})
    process = SandboxProcess(options, emit=events.append)
    access = await process.start()
    try:
        yield Running(process, access, events)
    finally:
        await process.stop()


async def test_the_process_serves_with_generated_credentials(tmp_path: Path) -> None:
    async with running(seeded_state(tmp_path)) as sandbox_process:
        access = sandbox_process.access
        assert re.fullmatch(r"TEST_API_KEY:[0-9a-f-]{36}:[0-9a-f]{32}", access.api_key)
        assert re.fullmatch(r"[0-9a-f]{64}", access.entity_secret)
        assert access.api_key not in repr(access)
        assert access.entity_secret not in repr(access)
        async with sandbox_process.client() as circle:
            assert (await circle.create_wallets(await circle.new_set(), "a")).status == 201
            circle.api_key = "TEST_API_KEY:another:key"
            assert (await circle.get("/v1/w3s/wallets")).code == 4


async def test_credentials_and_wallets_survive_the_parent(tmp_path: Path) -> None:
    state = seeded_state(tmp_path)
    async with running(state) as first, first.client() as circle:
        await circle.create_wallets(await circle.new_set(), "a")
        listed = await circle.wallets()
        access = first.access
    async with running(state) as second, second.client() as circle:
        assert replace(second.access, base_url=access.base_url) == access
        assert await circle.wallets() == listed


async def test_no_secret_stands_in_the_arguments(tmp_path: Path) -> None:
    async with running(seeded_state(tmp_path)) as sandbox_process:
        child = psutil.Process(sandbox_process.pid())
        shown = " ".join([*child.cmdline(), *child.environ().values()])
        assert sandbox_process.access.entity_secret not in shown
        assert sandbox_process.access.api_key not in shown


async def test_the_options_reach_the_process(tmp_path: Path) -> None:
    switches = Switches(http_status={155511: 418}, key_life=timedelta(hours=1))
    given = {"api_key": "TEST_API_KEY:mine:own", "entity_secret": "6c" * 32, "switches": switches}
    async with running(seeded_state(tmp_path), **given) as sandbox_process:
        assert sandbox_process.access.api_key == "TEST_API_KEY:mine:own"
        assert sandbox_process.access.entity_secret == "6c" * 32
        async with sandbox_process.client() as circle:
            answer = await circle.create_wallets(await circle.new_set(), "a", blockchains=["DOGE"])
            assert (answer.status, answer.code) == (418, 155511)


async def test_a_killed_process_comes_back_on_the_same_port_with_all_it_answered(tmp_path: Path) -> None:
    async with running(seeded_state(tmp_path)) as sandbox_process, sandbox_process.client() as circle:
        wallet_set = await circle.new_set()
        answered: list[str] = []

        async def create_until_killed(worker: int) -> None:
            for number in range(10_000):
                reference = f"{worker}-{number}"
                try:
                    await circle.create_wallets(wallet_set, reference)
                except aiohttp.ClientError:
                    return
                answered.append(reference)

        workers = [asyncio.create_task(create_until_killed(worker)) for worker in range(4)]
        await until(lambda: len(answered) > 50)
        killed = sandbox_process.pid()
        os.kill(killed, signal.SIGKILL)
        await asyncio.gather(*workers)
        await until(lambda: bool(sandbox_process.heard(DependencyBack)))
        assert sandbox_process.pid() != killed
        state = (await circle.get("/sandbox/state")).body["environments"]["test"]
        kept = {entry["refId"]: entry["count"] for entry in state["references"]}
        assert set(answered) <= set(kept)
        assert set(kept.values()) == {1}
        assert sandbox_process.heard(DependencyLost) == [
            DependencyLost(name="sandbox", error="its process ended by itself (signal 9)")
        ]


async def test_a_clean_stop_is_no_loss_and_may_be_repeated(tmp_path: Path) -> None:
    state = seeded_state(tmp_path)
    async with running(state) as sandbox_process:
        pid = sandbox_process.pid()
        await sandbox_process.process.stop()
        assert not is_alive(pid)
        await sandbox_process.process.stop()
        assert sandbox_process.events == []
        access = await sandbox_process.process.start()
        assert access == sandbox_process.access
    await SandboxProcess(SandboxOptions(state=state)).stop()


async def test_a_stop_while_it_comes_back_leaves_nothing_behind(tmp_path: Path) -> None:
    async with running(seeded_state(tmp_path)) as sandbox_process:
        os.kill(sandbox_process.pid(), signal.SIGKILL)
        await until(lambda: bool(sandbox_process.heard(DependencyLost)))
        await sandbox_process.process.stop()
        assert psutil.Process().children() == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
async def test_signals_meant_for_the_group_leave_it_running(tmp_path: Path, number: int) -> None:
    async with running(seeded_state(tmp_path)) as sandbox_process, sandbox_process.client() as circle:
        os.kill(sandbox_process.pid(), number)
        assert (await circle.get("/ping")).status == 200
        await circle.new_set()
        assert sandbox_process.events == []


async def test_a_taken_state_or_port_is_one_clear_error(tmp_path: Path) -> None:
    state = seeded_state(tmp_path)
    async with sandbox(tmp_path, state=state) as circle:
        port = int(circle.base_url.rsplit(":", 1)[1])
        taken = SandboxProcess(SandboxOptions(port=port, state=seeded_state(tmp_path)))
        with pytest.raises(ChildFailedError, match=f"can't listen on 127.0.0.1:{port}"):
            await taken.start()
        broken = tmp_path / "broken"
        broken.write_bytes(b"nonsense\n")
        with pytest.raises(ChildFailedError, match="Line 1 of the state file"):
            await SandboxProcess(SandboxOptions(port=0, state=broken)).start()
    assert psutil.Process().children() == []


async def test_a_process_whose_port_was_taken_meanwhile_tries_until_it_is_free(tmp_path: Path) -> None:
    async with running(seeded_state(tmp_path)) as sandbox_process:
        port = int(sandbox_process.access.base_url.rsplit(":", 1)[1])
        os.kill(sandbox_process.pid(), signal.SIGKILL)
        await until(lambda: bool(sandbox_process.heard(DependencyLost)))
        squatter = await _listen_once_free(port)
        await until(lambda: any("can't listen" in str(event) for event in sandbox_process.heard(Notice)))
        squatter.close()
        await squatter.wait_closed()
        await until(lambda: bool(sandbox_process.heard(DependencyBack)))


async def _listen_once_free(port: int) -> asyncio.Server:
    async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    return await asyncio.start_server(hang_up, "127.0.0.1", port)


def test_the_built_in_sandbox_needs_a_state_file() -> None:
    with pytest.raises(WrongOptionError, match="state file"):
        SandboxProcess(SandboxOptions())


PARENT = """
import asyncio, json, os, sys, time
from pathlib import Path
from wallet_provisioning.http.sandbox.options import SandboxOptions
from wallet_provisioning.http.sandbox.process import SandboxProcess

async def main():
    process = SandboxProcess(SandboxOptions(port=0, state=Path(sys.argv[1])))
    await process.start()
    forked = os.fork() if sys.argv[2] == "fork" else -1
    if forked == 0:  # holds a copy of the sandbox's pipe for as long as it lives
        os.close(1)
        time.sleep(3600)
    print(json.dumps({"child": process.pid, "forked": forked}), flush=True)
    await asyncio.sleep(3600)

asyncio.run(main())
"""


@dataclass(frozen=True)
class Parent:
    """A process that runs a sandbox, and perhaps another process that it forked."""

    process: asyncio.subprocess.Process
    child: int


@asynccontextmanager
async def parent_of_a_sandbox(state: Path, *, mode: str = "plain", cwd: Path = ROOT) -> AsyncIterator[Parent]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-c", PARENT, str(state), mode),
        stdout=PIPE,
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert process.stdout is not None
    told = json.loads(await process.stdout.readline())
    try:
        yield Parent(process, told["child"])
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()
        if told["forked"] > 0:
            os.kill(told["forked"], signal.SIGKILL)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
@pytest.mark.parametrize("mode", ["plain", "fork"])
async def test_the_process_ends_with_its_parent_whatever_ends_that(
    tmp_path: Path, how: signal.Signals, mode: str
) -> None:
    async with parent_of_a_sandbox(seeded_state(tmp_path), mode=mode) as parent:
        assert is_alive(parent.child)
        parent.process.send_signal(how)
        await parent.process.wait()
        await until(lambda: not is_alive(parent.child))


async def test_a_new_parent_right_after_a_kill_finds_the_state_free(tmp_path: Path) -> None:
    state = seeded_state(tmp_path)
    async with parent_of_a_sandbox(state) as parent:
        parent.process.kill()
        async with running(state) as sandbox_process, sandbox_process.client() as circle:
            assert (await circle.get("/ping")).status == 200


async def test_the_working_directory_does_not_matter(tmp_path: Path) -> None:
    (tmp_path / "http").mkdir()
    (tmp_path / "http" / "__init__.py").write_text("raise RuntimeError('the wrong http')\n")
    async with parent_of_a_sandbox(seeded_state(tmp_path), cwd=tmp_path) as parent:
        assert is_alive(parent.child)


@pytest.mark.parametrize("orders", [b"", b"nonsense\n", b'{"options":{"port":-1},"parent_pid":1}\n'])
async def test_wrong_orders_are_refused_without_repeating_them(orders: bytes) -> None:
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "wallet_provisioning.http.sandbox.child"),
        stdin=PIPE,
        stdout=PIPE,
        stderr=DEVNULL,
        cwd=ROOT,
    )
    stdout, _ = await child.communicate(orders)
    assert child.returncode == 2
    report = json.loads(stdout)
    assert report["kind"] == "unable"
    assert "nonsense" not in report["why"]


async def test_the_end_of_its_input_ends_a_child_in_good_order(tmp_path: Path) -> None:
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "wallet_provisioning.http.sandbox.child"), stdin=PIPE, stdout=PIPE, cwd=ROOT
    )
    assert child.stdin is not None
    assert child.stdout is not None
    options = SandboxOptions(port=0, state=seeded_state(tmp_path))
    child.stdin.write(write_orders(Orders(options=options, parent_pid=os.getpid())))
    assert json.loads(await child.stdout.readline())["kind"] == "ready"
    child.stdin.close()
    await asyncio.wait_for(child.wait(), DEADLINE.total_seconds())
    assert child.returncode == 0


async def test_a_child_started_by_another_than_it_was_told_exits() -> None:
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "wallet_provisioning.http.sandbox.child"),
        stdin=PIPE,
        stdout=PIPE,
        cwd=ROOT,
    )
    stdout, _ = await child.communicate(write_orders(Orders(options=SandboxOptions(port=0), parent_pid=1)))
    assert (child.returncode, stdout) == (1, b"")
