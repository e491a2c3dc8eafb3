"""The program as a whole: its help, its exit codes, and where its words go."""

import subprocess
import sys
from pathlib import Path

import pytest

from wallet_provisioning import __version__
from wallet_provisioning.cli import main

ROOT = Path(__file__).parents[2]


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"], {}) == 0
    assert capsys.readouterr().out == f"wallet-provisioning, version {__version__}\n"


def test_the_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"], {}) == 0
    out = capsys.readouterr().out
    assert all(f"\n  {name} " in out for name in ("check", "daemon", "migrate", "provision", "sandbox"))


@pytest.mark.parametrize("command", ["check", "daemon", "migrate", "provision", "sandbox"])
def test_every_command_explains_itself(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command, "--help"], {}) == 0
    assert "Usage: wallet-provisioning" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments",
    [
        ["dance"],
        ["daemon", "--loud"],
        ["provision"],
        ["provision", "not-a-uuid"],
        ["provision", "0190f7a2-7c3e-7e6b-9f0a-3d1b2c4d5e6f", "--timeout", "1.5s"],
        ["sandbox", "--port", "70000"],
        ["sandbox", "--latency", "slow"],
        ["sandbox", "--api-key", "wrong"],
        ["sandbox", "--entity-secret", "ab"],
        ["sandbox", "--host", ""],
        ["audit", "verify", "--public-key", "ab" * 32, "--head", "zz"],
        ["audit", "export", "--since", "2027-01-01", "--until", "2026-01-01"],
        ["wallet-set", "create", "--sandbox", "--name", " "],
        ["wallet-set", "create", "--sandbox", "--name", "x" * 51],
        ["wallet-set", "create", "--sandbox", "--name", "mine (new)"],
        ["chaos", "--minutes", "nan"],
        ["actors", "--url", "http://127.0.0.1:1", "--token", "two\nlines"],
    ],
)
def test_wrong_usage_is_exit_code_2_and_told_on_stderr(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments, {}) == 2
    written = capsys.readouterr()
    assert written.out == ""
    assert written.err != ""


def test_a_missing_signing_key_is_told_with_what_the_command_can_do(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["audit", "key"], {}) == 2
    assert "`audit key --new`" in capsys.readouterr().err
    assert main(["audit", "verify"], {}) == 2
    assert "--public-key" in capsys.readouterr().err


def test_no_command_at_all_shows_the_help_and_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([], {}) == 2
    written = capsys.readouterr()
    assert "Usage:" in written.out + written.err


@pytest.mark.parametrize(
    "arguments",
    [["daemon"], ["migrate"], ["migrate", "--check"], ["provision", "0190f7a2-7c3e-7e6b-9f0a-3d1b2c4d5e6f"]],
)
def test_wrong_settings_are_exit_code_2_a_line_each(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments, {"WORKER_LEASE": "long", "ADMIN_PORT": "high"}) == 2
    written = capsys.readouterr()
    assert written.out == ""
    assert [line.split()[0] for line in written.err.splitlines()] == ["WORKER_LEASE", "ADMIN_PORT"]


def test_a_daemon_on_a_database_of_its_own_wants_to_know_which_circle(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["daemon"], {"DATABASE_URL": "sqlite:///jobs.db"}) == 2
    assert "--sandbox" in capsys.readouterr().err


@pytest.mark.parametrize("command", [[str(ROOT / "supervisor.py")], ["-m", "wallet_provisioning"]])
def test_the_program_starts_from_any_directory(command: list[str], tmp_path: Path) -> None:
    run = subprocess.run(  # our own program
        [sys.executable, *command, "--version"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT) if command[0] == "-m" else ""},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (run.returncode, run.stdout) == (0, f"wallet-provisioning, version {__version__}\n")
    assert list(tmp_path.iterdir()) == []
