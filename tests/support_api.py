"""A house around the API: the real server on a real port, a real SQLite store, and a daemon that behaves."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any, Self
from uuid import UUID

from aiohttp import ClientSession
from opentelemetry.trace import NoOpTracer, Tracer
from yarl import URL

from tests.samples import an_actor
from wallet_provisioning.clock import SystemClock
from wallet_provisioning.http.api.control import (
    ChainView,
    Check,
    KillMode,
    NoAnswerError,
    WorkerStatus,
    WorkerView,
)
from wallet_provisioning.http.api.parts import ApiOptions, Exposition, Parts
from wallet_provisioning.http.api.server import ApiServer
from wallet_provisioning.jobs.chains import Environment, Served
from wallet_provisioning.store.accepting import Accepted
from wallet_provisioning.store.database import Database
from wallet_provisioning.store.schema import migrate
from wallet_provisioning.supervision.deadletters import DeadLetter
from wallet_provisioning.supervision.inspection import Described
from wallet_provisioning.supervision.inspector import CannotSuspendError
from wallet_provisioning.supervision.letters import Lane
from wallet_provisioning.supervision.snapshot import ActorView, ChildKind
from wallet_provisioning.supervision.tracing import TracedMessage
from wallet_provisioning.telemetry.events import Event

USER = "0190a0a0-0000-7000-8000-000000000001"
OTHER = "0190a0a0-0000-7000-8000-000000000002"
NOBODY = "0190a0a0-0000-7000-8000-00000000dead"
PATHS = ("/", "writer", "circle", "circle/ETH", "circle/SOL", "jobs", "jobs/1", "scheduler", "rescuer")
SUPERVISORS = frozenset({"/", "circle", "jobs"})


def actor_at(path: str) -> ActorView:
    if path in SUPERVISORS:
        return an_actor(path, ChildKind.SUPERVISOR, "Supervisor")
    return an_actor(path)


A_MESSAGE = TracedMessage(
    message="Do", lane=Lane.WORK, incarnation=1, waited=timedelta(milliseconds=2), handled_in=None
)


@dataclass
class SmallDaemon:
    """Keeps a tree and restarts what is killed, as the real one does, without any actor."""

    is_live: bool = False
    ready: bool = True
    draining: bool = False
    running: bool = True
    ailing: dict[str, Check] = field(default_factory=dict)
    breakers: tuple[ChainView, ...] = (
        ChainView(chain="ETH", breaker="closed", opened_at=None, reason=None, in_flight=0, waiting=0),
    )
    tree: dict[str, ActorView] = field(default_factory=lambda: {path: actor_at(path) for path in PATHS})
    kills: list[tuple[str, KillMode, str | None]] = field(default_factory=list)
    heard: list[Accepted] = field(default_factory=list)
    hung: set[str] = field(default_factory=set)
    traces: dict[str, tuple[TracedMessage, ...] | None] = field(default_factory=dict)
    lost: tuple[DeadLetter, ...] = ()
    standstill: str | None = None
    hints: int = 0

    def actors(self) -> tuple[ActorView, ...]:
        return tuple(self.tree.values())

    async def restart(self, path: str) -> int:
        return self._next_life(path).incarnation

    async def kill(self, path: str, mode: KillMode, reason: str | None) -> ActorView:
        before = self.tree[path]
        self.kills.append((path, mode, reason))
        self._next_life(path)
        return before

    async def describe(self, path: str) -> Described:
        if path in self.hung:
            msg = f"{path} gave no answer within 2 s; it has been busy with Do for 12.0 s"
            raise NoAnswerError(msg)
        view = self.tree[path]
        return Described(
            path=path, incarnation=view.incarnation, is_stopping=False, values={"jobs": ["a", 1, None]}
        )

    def suspend(self, path: str) -> ActorView:
        if path in SUPERVISORS:
            msg = f"{path} is a supervisor; suspended it would restart nobody"
            raise CannotSuspendError(msg)
        self.tree[path] = replace(self.tree[path], suspended=True)
        return self.tree[path]

    def resume(self, path: str) -> ActorView:
        self.tree[path] = replace(self.tree[path], suspended=False)
        return self.tree[path]

    def trace(self, path: str, *, on: bool) -> None:
        self.traces[path] = (A_MESSAGE,) if on else None

    def traced(self, path: str) -> tuple[TracedMessage, ...] | None:
        return self.traces.get(self.tree[path].path)

    def dead_letters(self) -> tuple[DeadLetter, ...]:
        return self.lost

    def chains(self) -> tuple[ChainView, ...]:
        return self.breakers

    def worker(self) -> WorkerView:
        return WorkerView(
            status=WorkerStatus.OPERATIONAL if self.running else WorkerStatus.DOWN,
            is_running=self.running,
            poll_interval=timedelta(seconds=30),
            max_concurrency=5,
            active_jobs=0,
        )

    def checks(self) -> Mapping[str, Check]:
        return {"circle.ETH": Check(ok=True, detail="closed"), **self.ailing}

    def is_ready(self) -> bool:
        return self.ready

    def is_draining(self) -> bool:
        return self.draining

    def stalled(self) -> str | None:
        return self.standstill

    def orders_changed(self) -> None:
        self.hints += 1

    def accepted(self, accepted: Accepted) -> None:
        self.heard.append(accepted)

    def _next_life(self, path: str) -> ActorView:
        before = self.tree[path]
        after = replace(before, incarnation=before.incarnation + 1, restarts=before.restarts + 1)
        self.tree[path] = after
        return after


@dataclass(frozen=True, kw_only=True)
class Told:
    """An answer, read whole."""

    status: int
    headers: Mapping[str, str]
    text: str

    @property
    def json(self) -> Any:
        return json.loads(self.text)

    @property
    def code(self) -> str:
        assert self.headers["Content-Type"] == "application/problem+json"
        problem = self.json
        assert problem["status"] == self.status
        assert set(problem) - {"errors"} == {
            "type",
            "title",
            "status",
            "detail",
            "instance",
            "code",
            "trace_id",
        }
        assert problem["detail"]
        code: str = problem["code"]
        return code

    @property
    def blamed(self) -> list[str]:
        assert self.code == "invalid_request"
        return [error["field"] for error in self.json["errors"]]


def an_exposition() -> tuple[str, bytes]:
    return "text/plain; version=1.0.0; charset=utf-8", b"wallet_provisioning_active_jobs 0\n"


@cache
def empty_database() -> bytes:
    """Return a migrated SQLite file; migrating once is quicker than for every house."""
    with TemporaryDirectory() as folder:
        file = Path(folder) / "empty.db"
        migrate(f"sqlite:///{file}")
        return file.read_bytes()


class House:
    """Opens everything on entry and closes it on exit; `daemon` and `events` may be looked into."""

    def __init__(
        self,
        folder: Path,
        options: ApiOptions | None = None,
        *,
        exposition: Exposition = an_exposition,
        tracer: Tracer | None = None,
    ) -> None:
        self.daemon = SmallDaemon()
        self.events: list[Event] = []
        self.file = folder / "house.db"
        clock = SystemClock()
        self.database = Database(f"sqlite:///{self.file}", clock=clock, emit=self.events.append)
        self.parts = Parts(
            database=self.database,
            control=self.daemon,
            chains=Served(["ETH", "SOL", "APTOS"], Environment.SANDBOX),
            clock=clock,
            exposition=exposition,
            emit=self.events.append,
            options=replace(options or ApiOptions(), port=0),
            tracer=tracer or NoOpTracer(),
        )
        self.server = ApiServer(self.parts)

    async def __aenter__(self) -> Self:
        self.file.write_bytes(await asyncio.to_thread(empty_database))
        await self.server.start()
        self._session = ClientSession()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()
        await self.server.stop()
        self.database.close()

    def move_to(self, options: ApiOptions) -> None:
        """Prepare a new server, as a daemon that was started again would."""
        self.server = ApiServer(replace(self.parts, options=options))

    async def get(self, path: str, **more: Any) -> Told:
        return await self.ask("GET", path, **more)

    async def post(self, path: str, body: object = None, **more: Any) -> Told:
        if body is not None:
            more["json"] = body
        return await self.ask("POST", path, **more)

    async def ask(self, method: str, path: str, **more: Any) -> Told:
        url = URL(self.server.url.rstrip("/") + path, encoded=True)
        async with self._session.request(method, url, allow_redirects=False, **more) as answer:
            return Told(status=answer.status, headers=answer.headers, text=await answer.text())

    async def send(self, request: bytes) -> Told:
        """Send bytes as they are, and read the answer until the server closes."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.server.port)
        writer.write(request)
        head, _, body = (await asyncio.wait_for(reader.read(), 10)).partition(b"\r\n\r\n")
        writer.close()
        lines = head.decode().split("\r\n")
        headers = dict(line.split(": ", 1) for line in lines[1:])
        return Told(status=int(lines[0].split()[1]), headers=headers, text=body.decode())

    async def accept(self, user_id: str = USER, **body: object) -> dict[str, Any]:
        """Request a job and return it."""
        told = await self.post("/api/v1/onboarding/jobs", {"user_id": user_id, **body})
        assert told.status == 202, told.text
        job: dict[str, Any] = told.json
        return job

    async def audit(self, prefix: str = "") -> list[dict[str, Any]]:
        """Return the audit rows of a prefix, or all, newest first."""
        query = f"?action={prefix}" if prefix else ""
        rows: list[dict[str, Any]] = (await self.get(f"/api/v1/admin/audit{query}")).json["items"]
        return rows


def user(number: int) -> str:
    return str(UUID(int=number, version=4))
