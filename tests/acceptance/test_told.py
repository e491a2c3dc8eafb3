"""What a daemon tells of its calls to Circle: each request's id that decided something, no secret."""

import re
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar
from uuid import uuid4

import pytest

from tests.acceptance.house import House, open_house, until
from tests.acceptance.outside import API_KEY, CREATE, ENTITY_SECRET, Circle, entries, open_circle

FAULTS: list[dict[str, Any]] = [
    {"kind": "status", "status": 500},
    {"kind": "status", "status": 503, "when": "after"},
    {"kind": "cut", "when": "after"},
    {"kind": "truncate"},
    {"kind": "malformed", "form": "page"},
    {"kind": "refuse", "code": 156004},
    {"kind": "rate_limit", "retry_after_ms": 0},
]
CONFIGURATION = {"kind": "refuse", "code": 4, **CREATE}
REFUSAL = {"kind": "refuse", "code": 155507, **CREATE}
CIPHERTEXT = re.compile(rb"[A-Za-z0-9+/]{300,}")


class Collector(BaseHTTPRequestHandler):
    """Keeps what is exported to it."""

    received: ClassVar[list[bytes]] = []

    def do_POST(self) -> None:
        self.received.append(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the name is the base's
        """Say nothing."""


@pytest.fixture
def collector() -> Iterator[str]:
    Collector.received.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), Collector) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_every_request_id_is_in_the_timeline_and_no_secret_is_anywhere(
    tmp_path: Path, collector: str
) -> None:
    with open_circle(tmp_path) as circle:
        settings = circle.settings(
            OTEL_EXPORTER_OTLP_ENDPOINT=collector,
            WORKER_JITTER_FACTOR="0",
            PYTHONPATH=str(talkative(tmp_path)),
        )
        with open_house(tmp_path, **settings) as house:
            jobs = live_through_all(circle, house)
            for job in jobs:
                assert_ids_are_told(house, job)
            said = b"".join(everything_told(house, jobs))
            assert house.terminate() == 0
        written = [
            said,
            house.log.read_bytes(),
            *Collector.received,
            dump(tmp_path / "wallet-provisioning.db"),
        ]
    assert Collector.received
    assert b"httpcore.http11" in house.log.read_bytes()
    for text in written:
        assert_no_secret(text)
    assert_secrets_would_be_found(circle)


def talkative(folder: Path) -> Path:
    """Return a folder for PYTHONPATH that has the HTTP library log all that it can, past our own settings."""
    (folder / "sitecustomize.py").write_text(
        "import logging\n"
        "handler = logging.StreamHandler()\n"
        "handler.setFormatter(logging.Formatter('%(name)s %(message)s'))\n"
        "class Always(logging.Logger):\n"
        "    def isEnabledFor(self, level): return True\n"
        "    def callHandlers(self, record): handler.handle(record)\n"
        "for name in ('httpx', 'httpcore.connection', 'httpcore.http11'):\n"
        "    logging.getLogger(name).__class__ = Always\n"
    )
    return folder


def live_through_all(circle: Circle, house: House) -> list[str]:
    """Return jobs that met each fault in turn: all completed, but one refused and one that waits."""
    jobs = [house.wait_for_job(house.order()["id"])["id"]]
    for fault in FAULTS:
        circle.disturb({**fault, "times": 1, **CREATE})
        job = house.wait_for_job(house.order()["id"], timeout=60)
        assert job["status"] == "completed", (fault, job)
        jobs.append(job["id"])
    circle.disturb(REFUSAL)
    refused = house.wait_for_job(house.order()["id"], timeout=60)
    assert (refused["status"], refused["error_type"]) == ("failed", "circle_4xx")
    circle.disturb(CONFIGURATION)
    waiting = house.order()["id"]
    until(lambda: house.get(f"admin/jobs/{waiting}")["status"] == "retry" or None, 60, house.tail)
    return [*jobs, refused["id"], waiting]


def assert_ids_are_told(house: House, job_id: str) -> None:
    """Whatever call decided something of a job is named in its timeline by the id that Circle answered."""
    told = {
        row["changes"]["after"]["circle_request_id"]
        for row in house.get(f"admin/jobs/{job_id}")["timeline"]
        if row["changes"]["after"] and row["changes"]["after"].get("circle_request_id")
    }
    decided = {
        line["request_id"]
        for line in entries(house.log)
        if line.get("event") == "circle_called"
        and line.get("operation") == "create_wallet"
        and line.get("job_id") == job_id
    }
    assert told, job_id
    assert told <= decided
    assert len(decided) - len(told) <= 1, (job_id, decided, told)  # a reused ciphertext decides nothing


def everything_told(house: House, jobs: list[str]) -> Iterator[bytes]:
    """Yield every answer of the API, problem details too."""
    paths = ["metrics", "openapi.json", "healthz/ready", "api/v1/admin/workers/status", "api/v1/admin/actors"]
    paths += [f"api/v1/admin/{name}?limit=200" for name in ("jobs", "wallets", "audit")]
    paths += [f"api/v1/admin/jobs/{job}" for job in jobs]
    paths += ["api/v1/admin/jobs?limit=x", f"api/v1/admin/jobs/{uuid4()}", "nowhere", ""]
    for path in paths:
        yield house.client.get(f"/{path}").content


def dump(database: Path) -> bytes:
    with closing(sqlite3.connect(database)) as connection:
        return "\n".join(connection.iterdump()).encode()


def assert_no_secret(text: bytes) -> None:
    for secret in (API_KEY, API_KEY.rsplit(":", 1)[1], ENTITY_SECRET, "Bearer TEST"):
        assert secret.encode() not in text
    assert not CIPHERTEXT.search(text)


def assert_secrets_would_be_found(circle: Circle) -> None:
    """The search finds what it is for: ciphertexts look like the key in the sandbox's own state."""
    state = circle.state_file.read_bytes().replace(b"\\n", b"")
    assert CIPHERTEXT.search(state)
