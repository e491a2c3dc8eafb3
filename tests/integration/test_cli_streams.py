"""What a command does where stdout or stderr can't be written: real processes with real broken streams."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

LAUNCHER = Path(__file__).parents[2] / "supervisor.py"
USER = "0190f7a2-7c3e-7e6b-9f0a-3d1b2c4d5e6f"


@contextmanager
def full() -> Iterator[int]:
    descriptor = os.open("/dev/full", os.O_WRONLY)
    yield descriptor
    os.close(descriptor)


@contextmanager
def left_by_its_reader() -> Iterator[int]:
    reader, writer = os.pipe()
    os.close(reader)
    yield writer
    os.close(writer)


def run(
    folder: Path,
    *arguments: str,
    stdout: int = subprocess.PIPE,
    stderr: int = subprocess.PIPE,
    unbuffered: str = "",
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(LAUNCHER), *arguments],
        cwd=folder,
        env={"PYTHONUNBUFFERED": unbuffered},
        stdout=stdout,
        stderr=stderr,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.mark.parametrize(
    ("arguments", "unbuffered"),
    [
        (("--help",), ""),
        (("migrate", "--check"), "1"),
        (("provision", USER, "--json"), ""),
        (("pause", "--reason", "x"), ""),
        (("sandbox", "--port", "0"), ""),
    ],
)
@pytest.mark.parametrize(
    ("broken", "why"), [(full, "No space left on device"), (left_by_its_reader, "Broken pipe")]
)
def test_a_stdout_that_cannot_be_written_is_one_line_and_exit_code_3(
    arguments: tuple[str, ...],
    unbuffered: str,
    broken: Callable[[], AbstractContextManager[int]],
    why: str,
    tmp_path: Path,
) -> None:
    with broken() as stream:
        done = run(tmp_path, *arguments, stdout=stream, unbuffered=unbuffered)
    assert done.returncode == 3
    assert done.stderr.splitlines()[-1].startswith(f"stdout can't be written: {why}")
    assert "Traceback" not in done.stderr


def test_what_was_changed_before_stays_and_a_repeat_shows_it(tmp_path: Path) -> None:
    with full() as device:
        assert run(tmp_path, "provision", USER, stdout=device).returncode == 3
    again = run(tmp_path, "provision", USER)
    assert again.returncode == 0
    assert "this is the user's job already" in again.stderr


def test_a_stderr_that_is_full_changes_no_exit_code(tmp_path: Path) -> None:
    with full() as device:
        assert run(tmp_path, "provision", "nobody", stderr=device).returncode == 2
        assert run(tmp_path, "migrate", "--check", stderr=device).returncode == 1
        done = run(tmp_path, "provision", USER, stderr=device)
    assert done.returncode == 0
    assert done.stdout.startswith("job ")


def test_a_daemon_whose_stdout_is_full_works_and_names_its_dashboard_on_stderr(tmp_path: Path) -> None:
    with full() as device:
        process = subprocess.Popen(
            [sys.executable, str(LAUNCHER), "daemon"],
            cwd=tmp_path,
            env={"ADMIN_PORT": "0"},
            stdout=device,
            stderr=subprocess.PIPE,
            text=True,
        )
    assert process.stderr is not None
    assert any(line.startswith("dashboard at http://") for line in process.stderr)
    process.terminate()
    process.communicate(timeout=60)
    assert process.returncode == 0
