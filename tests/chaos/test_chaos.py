"""The whole command, as its user runs it: a real daemon, struck for some seconds and audited."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.acceptance.house import until
from wallet_provisioning.chaos import proc

LAUNCHER = Path(__file__).parents[2] / "supervisor.py"
SEED = "20261124"


def begin(folder: Path, *options: str) -> subprocess.Popen[str]:
    """Start the command; its work folder is made in the one given."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return subprocess.Popen(
        [sys.executable, str(LAUNCHER), "chaos", *options],
        env={**kept, "TMPDIR": str(folder)},
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def breaches(result: dict[str, Any]) -> dict[str, list[str]]:
    return {each["name"]: each["breaches"] for each in result["findings"] if not each["ok"]}


@pytest.mark.timeout(300)
def test_a_daemon_that_is_struck_for_twenty_five_seconds_breaches_nothing(tmp_path: Path) -> None:
    run = begin(tmp_path, "--minutes", "0.42", "--seed", SEED, "--json")
    output, told = run.communicate(timeout=280)
    result = json.loads(output)
    assert breaches(result) == {}, told
    assert (run.returncode, result["ok"], result["seed"]) == (0, True, int(SEED))
    assert result["jobs"] > 40
    assert result["kills"] > 10
    assert f"seed {SEED}" in told
    assert "1 daemons, 1 sandboxes" in told
    assert list(tmp_path.iterdir()) == [], "the work folder goes with a clean run"


@pytest.mark.timeout(180)
def test_ctrl_c_ends_the_strikes_and_not_the_audit(tmp_path: Path) -> None:
    run = begin(tmp_path, "--minutes", "60")
    _wait_for_daemon(tmp_path)
    run.send_signal(signal.SIGINT)
    output, told = run.communicate(timeout=150)
    assert run.returncode == 0, (output, told)
    assert "nothing was breached" in output
    assert list(tmp_path.iterdir()) == []


@pytest.mark.timeout(180)
def test_a_daemon_that_falls_is_a_breach_and_its_folder_is_kept(tmp_path: Path) -> None:
    run = begin(tmp_path, "--minutes", "60", "--json")
    _wait_for_daemon(tmp_path).kill()
    output, told = run.communicate(timeout=150)
    (folder,) = tmp_path.iterdir()
    assert run.returncode == 1, told
    assert "ended by itself with -9" in output
    assert f"kept: {folder}" in told
    assert (folder / "daemon-1.log").exists()
    assert proc.living_in(folder.resolve()) == ()


def _wait_for_daemon(folder: Path) -> psutil.Process:
    """Return the daemon once it has made its first wallets."""
    return until(lambda: _working_daemon(folder), 60, lambda: str(list(folder.glob("*/*"))))


def _working_daemon(folder: Path) -> psutil.Process | None:
    states = folder.glob("*/wallet-provisioning-sandbox.jsonl")
    busy = [state.parent.resolve() for state in states if '"kind":"wallets"' in state.read_text()]
    living = [psutil.Process(pid) for place in busy for pid in proc.living_in(place)]
    return next((each for each in living if "daemon" in each.cmdline()), None)
