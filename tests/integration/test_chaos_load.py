"""The load of a run of chaos, against a server that behaves as a daemon does while it is struck."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from random import Random
from uuid import UUID, uuid4

import pytest

from wallet_provisioning.chaos.calls import Api, RefusedError, UnansweredError
from wallet_provisioning.chaos.load import Load
from wallet_provisioning.clock import SystemClock

CUT = 0
SILENT = "http://127.0.0.1:9"


class Desk(ThreadingHTTPServer):
    """Answers with the statuses that it was given, one a call and 202 from then on; `CUT` is no answer."""

    daemon_threads = True

    def __init__(self, *statuses: int) -> None:
        super().__init__(("127.0.0.1", 0), Clerk)
        self.statuses = list(statuses)
        self.heard: list[tuple[str, str | None]] = []
        self.jobs: dict[str, UUID] = {}
        self.is_forgetful = False

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def job_of(self, path: str) -> UUID:
        """Return the same job for the same callback, unless the desk is forgetful."""
        return uuid4() if self.is_forgetful else self.jobs.setdefault(path, uuid4())


class Clerk(BaseHTTPRequestHandler):
    """One call at the desk."""

    server: Desk

    def do_POST(self) -> None:
        self.server.heard.append((self.path, self.headers.get("Idempotency-Key")))
        self.rfile.read(int(self.headers["Content-Length"]))
        status = self.server.statuses.pop(0) if self.server.statuses else 202
        if status == CUT:
            return
        job = {"id": str(self.server.job_of(self.path))}
        body = json.dumps({**job, "job": job}).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - the name is theirs
        """Say nothing."""


@contextmanager
def desk(*statuses: int) -> Iterator[Desk]:
    with Desk(*statuses) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def load_on(url: str, *, seed: str = "1", is_hopeless: bool = False) -> Load:
    return Load(Api(lambda: url), chance=Random(seed), clock=SystemClock(), is_hopeless=lambda: is_hopeless)


def test_what_got_no_answer_is_asked_again_under_the_same_key() -> None:
    with desk(CUT, 503, 429) as server:
        load = load_on(server.url)
        load.order()
        assert len(server.heard) == 4
        assert len(set(server.heard)) == 1
    assert len(load.accepted) == 1
    assert load.troubles == []


def test_users_come_by_callback_and_by_call_in_turn() -> None:
    with desk() as server:
        load = load_on(server.url)
        for _ in range(3):
            load.order()
        assert server.heard == [
            ("/api/v1/onboarding/kyc/callback/chaos-1", None),
            ("/api/v1/onboarding/jobs", "chaos-2"),
            ("/api/v1/onboarding/kyc/callback/chaos-3", None),
        ]


def test_the_same_seed_asks_for_the_same_users() -> None:
    users: list[list[UUID]] = []
    with desk() as server:
        for _ in range(2):
            load = load_on(server.url)
            load.order()
            load.order()
            users.append(list(load.accepted))
    assert users[0] == users[1]
    assert {user.version for user in users[0]} == {4}


def test_a_repeat_that_gives_the_first_job_is_no_trouble() -> None:
    with desk() as server:
        load = load_on(server.url)
        load.order()
        load.repeat()
        assert len(set(server.heard)) == 1
    assert load.troubles == []


def test_a_repeat_that_gives_another_job_is_trouble() -> None:
    with desk() as server:
        server.is_forgetful = True
        load = load_on(server.url)
        load.order()
        load.repeat()
    assert "gave job" in load.troubles[0]


def test_a_repeat_that_is_not_answered_is_trouble() -> None:
    with desk(202, CUT) as server:
        load = load_on(server.url)
        load.order()
        load.repeat()
    assert "a repeat was not taken" in load.troubles[0]


def test_a_refusal_that_cannot_pass_is_trouble() -> None:
    with desk(500) as server:
        load = load_on(server.url)
        load.order()
        assert len(server.heard) == 1
    assert load.accepted == {}
    assert "HTTP 500" in load.troubles[0]


def test_nobody_is_asked_once_the_daemon_ended_for_good() -> None:
    load = load_on(SILENT, is_hopeless=True)
    load.order()
    assert (load.accepted, load.troubles) == ({}, [])


def test_the_load_ends_when_it_is_told_to() -> None:
    until = threading.Event()
    with desk() as server:
        load = load_on(server.url)
        thread = threading.Thread(target=load.run, args=(1000.0, until))
        thread.start()
        while len(load.accepted) < 5:
            assert thread.is_alive()
        until.set()
        thread.join(10)
        assert not thread.is_alive()


def test_a_daemon_that_is_away_is_told_apart_from_one_that_refuses() -> None:
    with pytest.raises(UnansweredError):
        Api(lambda: SILENT).actors()
    with desk(409) as server, pytest.raises(RefusedError) as refused:
        Api(lambda: server.url).order(uuid4(), "key")
    assert refused.value.status == 409
