"""A whole daemon as its users run it: `python supervisor.py daemon` in a folder of its own."""

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

import httpx
from sqlalchemy import create_engine, text

LAUNCHER = Path(__file__).parents[2] / "supervisor.py"
STATE = "wallet-provisioning-sandbox.jsonl"
ENDED = {"completed", "failed", "cancelled"}
Job = dict[str, Any]
T = TypeVar("T")


class House:
    """One daemon's folder, settings and process; it can be killed and started again."""

    def __init__(self, folder: Path, settings: Mapping[str, str], *options: str) -> None:
        self.folder = folder
        self.settings = {"ADMIN_PORT": "0", "LOG_FORMAT": "json", **settings}
        self.options = options
        self.process: subprocess.Popen[str] | None = None
        self.client = httpx.Client(timeout=30)
        self.log = folder / "daemon.log"

    # The process.

    def start(self) -> None:
        """Start it and wait for the line with the dashboard's URL."""
        self.process = self.run("daemon", *self.options)
        line = self._first_line(self.process)
        assert "http://" in line, f"the daemon said {line!r}\n{self.log.read_text()}"
        self.client = httpx.Client(base_url=line.split()[-1], timeout=30)

    def run(self, *arguments: str) -> subprocess.Popen[str]:
        """Start a command in this house."""
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        with self.log.open("a") as log:
            return subprocess.Popen(
                [sys.executable, str(LAUNCHER), *arguments],
                cwd=self.folder,
                env={**kept, **self.settings},
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )

    def command(self, *arguments: str, timeout: float = 60) -> tuple[int, str]:
        """Run a command to its end; return its exit code and what it printed."""
        process = self.run(*arguments)
        output, _ = process.communicate(timeout=timeout)
        return process.returncode, output

    def kill(self) -> None:
        """Kill the process without a word."""
        self._signal(signal.SIGKILL)
        self._wait()

    def terminate(self, timeout: float = 60) -> int:
        """Ask the process to end; return its exit code."""
        self._signal(signal.SIGTERM)
        return self._wait(timeout)

    def wait(self, timeout: float = 60) -> int:
        """Wait for the process to end by itself; return its exit code."""
        return self._wait(timeout)

    def close(self) -> None:
        """Leave nothing behind."""
        self.client.close()
        if self.process is None:
            return
        if self.process.poll() is None:
            self.process.kill()
        self._wait()

    # What its users do.

    def approve(self, reference: str, user_id: str | None = None) -> Job:
        """Send the KYC callback that makes a job."""
        body = {"status": "approved"} | ({} if user_id is None else {"user_id": user_id})
        answer = self.client.post(f"/api/v1/onboarding/kyc/callback/{reference}", json=body)
        assert answer.status_code == 202, answer.text
        job: Job = answer.json()["job"]
        return job

    def order(self, user_id: str | None = None, **body: object) -> Job:
        """Ask for wallets over HTTP."""
        user = user_id or str(uuid4())
        answer = self.client.post("/api/v1/onboarding/jobs", json={"user_id": user, **body})
        assert answer.status_code == 202, answer.text
        job: Job = answer.json()
        return job

    def get(self, path: str, **query: object) -> Any:
        """Read something of the API."""
        answer = self.client.get(
            f"/api/v1/{path}", params={name: str(value) for name, value in query.items()}
        )
        assert answer.status_code == 200, answer.text
        return answer.json()

    def actor(self, path: str) -> dict[str, Any]:
        """Return one actor of the tree."""
        found: dict[str, Any] = next(
            each for each in self.get("admin/actors")["items"] if each["path"] == path
        )
        return found

    def kill_actor(self, path: str, mode: str = "crash") -> dict[str, Any]:
        """Kill an actor the way an operator does."""
        quoted = path.replace("/", "%2F")
        answer = self.client.post(f"/api/v1/admin/actors/{quoted}/kill", json={"mode": mode})
        assert answer.status_code == 202, answer.text
        view: dict[str, Any] = answer.json()
        return view

    def jobs(self) -> list[Job]:
        """Return all jobs, page by page."""
        found: list[Job] = []
        cursor: str | None = None
        while True:
            page = self.get("admin/jobs", limit=200, **({} if cursor is None else {"cursor": cursor}))
            found += page["items"]
            cursor = page["next"]
            if cursor is None:
                return found

    def wait_for_jobs(self, count: int, timeout: float = 60) -> list[Job]:
        """Wait until so many jobs have ended, and return all."""

        def ended() -> list[Job] | None:
            jobs = self.jobs()
            is_over = len(jobs) >= count and all(job["status"] in ENDED for job in jobs)
            return jobs if is_over else None

        return until(
            ended, timeout, lambda: f"{Counter(job['status'] for job in self.jobs())}\n{self.tail()}"
        )

    def wait_for_job(self, job_id: str, timeout: float = 30) -> Job:
        """Wait until a job has ended, and return it with its timeline."""

        def ended() -> Job | None:
            job: Job = self.get(f"admin/jobs/{job_id}")
            return job if job["status"] in ENDED else None

        return until(ended, timeout, self.tail)

    def wait_for_incarnation(self, path: str, incarnation: int, timeout: float = 30) -> dict[str, Any]:
        """Wait until an actor runs in this life or a later one."""

        def is_back() -> dict[str, Any] | None:
            actor = self.actor(path)
            return actor if actor["incarnation"] >= incarnation and actor["state"] == "running" else None

        return until(is_back, timeout, lambda: f"{self.actor(path)}\n{self.tail()}")

    # What stands in the end.

    def wallets_at_circle(self) -> Counter[tuple[str, str]]:
        """Count wallets by (refId, blockchain) in the sandbox's own file, past all clients."""
        lines = (self.folder / STATE).read_text().splitlines()
        records = [json.loads(line) for line in lines if line.startswith('{"kind":"wallets"')]
        return Counter(
            (wallet["ref_id"], wallet["blockchain"]) for record in records for wallet in record["wallets"]
        )

    def rows(self, statement: str, **values: object) -> list[dict[str, Any]]:
        """Run SQL as the users do, on the database itself."""
        engine = create_engine(self.database_url)
        try:
            with engine.connect() as connection:
                return [dict(row) for row in connection.execute(text(statement), values).mappings()]
        finally:
            engine.dispose()

    @property
    def database_url(self) -> str:
        """The URL of this house's database."""
        given = self.settings.get("DATABASE_URL")
        if given is None:
            return f"sqlite:///{self.folder / 'wallet-provisioning.db'}"
        return given.replace("postgresql://", "postgresql+psycopg://", 1)

    def tail(self) -> str:
        """Return the end of the log, for a failed test's message."""
        return "\n".join(self.log.read_text().splitlines()[-40:])

    def _signal(self, number: int) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def _wait(self, timeout: float = 60) -> int:
        assert self.process is not None
        code = self.process.wait(timeout)
        if self.process.stdout is not None:
            self.process.stdout.close()
        self.client.close()
        return code

    def _first_line(self, process: subprocess.Popen[str]) -> str:
        assert process.stdout is not None
        ready, _, _ = select.select([process.stdout], [], [], 60)
        assert ready, f"the daemon said nothing\n{self.tail()}"
        return process.stdout.readline()


@contextmanager
def open_house(folder: Path, *options: str, **settings: str) -> Iterator[House]:
    """A house with its daemon running."""
    house = House(folder, settings, *options)
    try:
        house.start()
        yield house
    finally:
        house.close()


def until(ask: Callable[[], T | None], timeout: float, why: Callable[[], str]) -> T:
    """Ask again and again until there is an answer; only for what other processes do."""
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        answer = ask()
        if answer is not None:
            return answer
        time.sleep(0.02)
    msg = f"not within {timeout} s: {why()}"
    raise AssertionError(msg)
