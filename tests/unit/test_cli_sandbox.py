"""The simulator alone, as a process with a real socket."""

import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def processes() -> Iterator[list[subprocess.Popen[str]]]:
    started: list[subprocess.Popen[str]] = []
    yield started
    for process in started:
        process.kill()
        process.communicate(timeout=30)


def start(processes: list[subprocess.Popen[str]], *options: str) -> subprocess.Popen[str]:
    process = subprocess.Popen(  # our own program
        [sys.executable, str(ROOT / "supervisor.py"), "sandbox", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    processes.append(process)
    return process


def address_of(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().split()[-1]


def ask(base_url: str, path: str, key: str | None = None) -> tuple[int, object]:
    connection = HTTPConnection(urlsplit(base_url).netloc, timeout=30)
    connection.request("GET", path, headers={} if key is None else {"Authorization": f"Bearer {key}"})
    response = connection.getresponse()
    body = json.loads(response.read() or b"null")
    connection.close()
    return response.status, body


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_tells_its_address_answers_and_ends_at_a_signal(
    number: signal.Signals, processes: list[subprocess.Popen[str]]
) -> None:
    process = start(processes, "--port", "0")
    assert ask(address_of(process), "/ping")[0] == 200
    process.send_signal(number)
    assert process.wait(timeout=30) == 0


def test_it_takes_the_key_that_it_was_given_and_no_other(processes: list[subprocess.Popen[str]]) -> None:
    key = "TEST_API_KEY:id:secret"
    base_url = address_of(start(processes, "--port", "0", "--api-key", key))
    assert ask(base_url, "/v1/w3s/walletSets", key)[0] == 200
    assert ask(base_url, "/v1/w3s/walletSets", "TEST_API_KEY:id:other")[0] == 401


def test_a_taken_port_is_exit_code_3_and_one_line(processes: list[subprocess.Popen[str]]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        process = start(processes, "--port", str(taken.getsockname()[1]))
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (3, "")
    assert len(err.splitlines()) == 1
    assert "--port" in err


def test_a_state_file_that_another_sandbox_holds_is_exit_code_3(
    processes: list[subprocess.Popen[str]], tmp_path: Path
) -> None:
    state = str(tmp_path / "circle.jsonl")
    address_of(start(processes, "--port", "0", "--state", state))
    second = start(processes, "--port", "0", "--state", state)
    _, err = second.communicate(timeout=60)
    assert second.returncode == 3
    assert state in err


def test_faults_seed_and_switches_are_there_from_the_start(
    processes: list[subprocess.Popen[str]], tmp_path: Path
) -> None:
    plan = tmp_path / "faults.json"
    plan.write_text('{"faults":[{"kind":"lag","for_ms":5}],"seed":1}')
    options = (
        "--faults",
        str(plan),
        "--fault",
        "kind=refuse,code=5,operation=list_wallet_sets",
        "--seed",
        "7",
    )
    process = start(processes, "--port", "0", *options, "--switch", "http_status.5=420")
    base_url = address_of(process)
    _, body = ask(base_url, "/sandbox/faults")
    assert isinstance(body, dict)
    assert [fault["kind"] for fault in body["faults"]] == ["lag", "refuse"]
    assert body["seed"] == 7
    assert ask(base_url, "/v1/w3s/walletSets", "TEST_API_KEY:id:secret")[0] == 420


@pytest.mark.parametrize(
    ("option", "value", "word"),
    [
        ("--fault", "kind=cut,tmes=1", "tmes"),
        ("--switch", "colour=red", "blank_metadata"),
        ("--faults", "nowhere.json", "nowhere.json"),
    ],
)
def test_a_wrong_fault_or_switch_is_exit_code_2(
    option: str, value: str, word: str, processes: list[subprocess.Popen[str]]
) -> None:
    process = start(processes, "--port", "0", option, value)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (2, "")
    assert word in err
