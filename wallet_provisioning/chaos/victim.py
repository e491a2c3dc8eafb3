"""The daemon that is struck: a process of its own, in a folder of its own, with production settings.

Only the back-off is short, or a run would wait for minutes. It is a process group of its own, so that
Ctrl-C at the terminal ends the run and not the daemon.
"""

import os
import select
import signal
import subprocess
import sys
import threading
from datetime import timedelta
from pathlib import Path

import wallet_provisioning
from wallet_provisioning.chaos import proc
from wallet_provisioning.chaos.errors import NotStartedError

_SETTINGS = {
    "ADMIN_PORT": "0",
    "LOG_FORMAT": "json",
    "WORKER_BASE_BACKOFF": "500ms",
    "WORKER_MAX_BACKOFF": "5s",
}
_INHERITED = ("PATH", "HOME", "LANG", "LD_LIBRARY_PATH", "PYTHONPATH", "VIRTUAL_ENV")
_START_LIMIT = timedelta(seconds=90)
_STOP_LIMIT = timedelta(seconds=90)


class Victim:
    """One daemon through all its lives. `start`, `strike_down` and `stop` are called by one thread at a time.

    The rest may be asked on any thread. `life` counts from 1.
    """

    def __init__(self, folder: Path) -> None:
        """Take the folder; nothing is started."""
        self.folder = folder
        self.life = 0
        self.url = ""
        self._process: subprocess.Popen[str] | None = None
        self._struck = threading.Lock()

    @property
    def pid(self) -> int:
        """The process of the present life, 0 before the first."""
        return 0 if self._process is None else self._process.pid

    @property
    def log(self) -> Path:
        """Where the present life writes its log."""
        return self.folder / f"daemon-{self.life}.log"

    def fall(self) -> int | None:
        """Return the exit code of a daemon that ended though nobody asked it to; None while all is well."""
        if self._process is None or not self._struck.acquire(blocking=False):
            return None
        try:
            return self._process.poll()
        finally:
            self._struck.release()

    def start(self) -> None:
        """Start it, and return once it serves; raises `NotStartedError`."""
        self.life += 1
        with self.log.open("w") as log:
            process = self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "wallet_provisioning", "daemon"],
                cwd=self.folder,
                env=_environment(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                process_group=0,
            )
        line = _first_line(process)
        if "http" not in line:
            msg = f"the daemon did not start; {self.log} says why"
            raise NotStartedError(msg)
        self.url = line.split()[-1]

    def strike_down(self) -> None:
        """Kill the process without a word, and start it again; raises `NotStartedError`."""
        with self._struck:
            self._signal(signal.SIGKILL)
            self._reap()
            self.start()

    def strike_sandbox(self) -> bool:
        """Kill the sandbox's process; False where there was none at the moment."""
        pids = proc.children(self.pid)
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        return bool(pids)

    def stop(self) -> int | None:
        """Ask it to end; return its exit code, None where it did not end in time."""
        self._signal(signal.SIGTERM)
        return self._reap()

    def close(self) -> None:
        """Leave no process behind."""
        if self._process is not None and self._process.poll() is None:
            self._signal(signal.SIGKILL)
            self._reap()

    def _signal(self, number: int) -> None:
        if self._process is not None:
            self._process.send_signal(number)

    def _reap(self) -> int | None:
        if self._process is None:
            return None
        try:
            code = self._process.wait(_STOP_LIMIT.total_seconds())
        except subprocess.TimeoutExpired:
            return None
        if self._process.stdout is not None:
            self._process.stdout.close()
        return code


def _environment() -> dict[str, str]:
    """Return an environment without anybody's settings, in which this very package is found."""
    kept = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    root = str(Path(wallet_provisioning.__file__).parents[1])
    path = os.pathsep.join([root, *filter(None, [kept.get("PYTHONPATH")])])
    return {**kept, "PYTHONPATH": path, **_SETTINGS}


def _first_line(process: subprocess.Popen[str]) -> str:
    if process.stdout is None:
        return ""
    ready, _, _ = select.select([process.stdout], [], [], _START_LIMIT.total_seconds())
    return process.stdout.readline() if ready else ""
