"""`check` reaches Circle: a sandbox in a process of its own stands in for it."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from wallet_provisioning.cli import main

ROOT = Path(__file__).parents[2]
KEY = "TEST_API_KEY:id:hidden-key"
SECRET = "5a" * 32

Written = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def circle() -> Iterator[str]:
    command = [sys.executable, str(ROOT / "supervisor.py"), "sandbox", "--port", "0", "--api-key", KEY]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)  # our own program
    assert process.stdout is not None
    yield process.stdout.readline().split()[-1]
    process.terminate()
    process.communicate(timeout=30)


@pytest.fixture
def environ(circle: str, tmp_path: Path) -> dict[str, str]:
    return {
        "DATABASE_URL": f"sqlite:///{tmp_path / 'wallets.db'}",
        "CIRCLE_BASE_URL": circle,
        "CIRCLE_API_KEY": KEY,
        "CIRCLE_ENTITY_SECRET": SECRET,
    }


def circle_line(written: Written) -> str:
    (line,) = (line for line in written.readouterr().out.splitlines() if line.startswith("circle"))
    return line


def test_circle_answers_and_takes_the_key(environ: dict[str, str], capsys: Written) -> None:
    assert main(["check"], environ) == 0
    assert "it takes the key" in circle_line(capsys)


def test_a_key_that_circle_refuses_is_exit_code_1(environ: dict[str, str], capsys: Written) -> None:
    assert main(["check"], {**environ, "CIRCLE_API_KEY": "TEST_API_KEY:id:hidden-other"}) == 1
    line = circle_line(capsys)
    assert line.split()[1] == "failed"
    assert "401" in line
    assert "hidden" not in line


def test_an_unknown_wallet_set_is_exit_code_1(environ: dict[str, str], capsys: Written) -> None:
    wallet_set = "0190f7a2-7c3e-7e6b-9f0a-3d1b2c4d5e6f"
    assert main(["check"], {**environ, "CIRCLE_WALLET_SET_ID": wallet_set}) == 1
    assert circle_line(capsys).split()[1] == "failed"


def test_a_circle_out_of_reach_is_exit_code_3(environ: dict[str, str], capsys: Written) -> None:
    assert main(["check"], {**environ, "CIRCLE_BASE_URL": "http://127.0.0.1:1"}) == 3
    assert circle_line(capsys).split()[1] == "unreachable"
