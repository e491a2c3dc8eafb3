"""Another program's messages become jobs: its own dramatiq, a real Redis, a real store."""

import json
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
from uuid import uuid4

import pytest
import redis
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider

from tests.servers import PostgresServer, RedisServer
from wallet_provisioning.clock import SystemClock
from wallet_provisioning.intake.broker import InvalidRedisUrlError
from wallet_provisioning.intake.consumer import MessageIntake
from wallet_provisioning.intake.desk import IntakeParts
from wallet_provisioning.intake.options import IntakeOptions
from wallet_provisioning.jobs.chains import Environment, Served
from wallet_provisioning.store.database import Database
from wallet_provisioning.store.reports import AuditFilter, JobFilter, list_audit, list_jobs
from wallet_provisioning.store.schema import migrate
from wallet_provisioning.store.views import AuditView, JobView
from wallet_provisioning.telemetry.events import (
    DependencyBack,
    DependencyLost,
    Event,
    JobAccepted,
    MessageTaken,
)

if TYPE_CHECKING:
    from wallet_provisioning.store.accepting import Accepted

PATIENCE = 40.0
SOON = timedelta(seconds=10)
QUEUE = "dramatiq:wallet-provisioning"
TRACE = "0af7651916cd43dd8448eb211c80319c"

PRODUCER = """
import json, sys
import dramatiq
from dramatiq.brokers.redis import RedisBroker

broker = RedisBroker(url=sys.argv[1])
dramatiq.set_broker(broker)

@dramatiq.actor(queue_name="wallet-provisioning")
def provision_wallets(user_id, chains=None, request_id=None):
    raise NotImplementedError

@dramatiq.actor(queue_name="wallet-provisioning")
def delete_wallets(user_id):
    raise NotImplementedError

tasks = {"provision_wallets": provision_wallets, "delete_wallets": delete_wallets}
for line in sys.stdin:
    wanted = json.loads(line)
    tasks[wanted.pop("task", "provision_wallets")].send_with_options(**wanted)
"""


@pytest.fixture(scope="module", autouse=True)
def _tracing() -> None:
    """Spans need a provider, as the program sets one."""
    if not isinstance(trace.get_tracer_provider(), TracerProvider):
        trace.set_tracer_provider(TracerProvider(shutdown_on_exit=False))


@pytest.fixture
def server() -> Iterator[RedisServer]:
    server = RedisServer(append_only=True)
    # Tests that run side by side would all try the same first port, and take each other's while one is
    # stopped.
    server._port = free_port()
    with server:
        yield server


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class House:
    """A store and an intake, with what they told."""

    def __init__(self, redis_url: str, database_url: str, threads: int = 2) -> None:
        self.redis_url = redis_url
        self.told: list[Event] = []
        self.accepted: list[Accepted] = []
        self.database = Database(database_url, clock=SystemClock(), emit=self.told.append)
        options = IntakeOptions(
            redis_url=redis_url,
            threads=threads,
            poll=timedelta(milliseconds=20),
            longest_pause=timedelta(seconds=1),
            upkeep=timedelta(seconds=1),
        )
        parts = IntakeParts(
            database=self.database,
            served=Served(("ETH", "SOL"), Environment.TEST),
            accepted=self.accepted.append,
            emit=self.told.append,
            clock=SystemClock(),
        )
        self.intake = MessageIntake(options, parts)

    def close(self) -> None:
        self.intake.stop(SOON)
        self.database.close()

    def jobs(self) -> list[JobView]:
        with self.database.read() as connection:
            return list(list_jobs(connection, JobFilter(), limit=200, cursor=None).items)

    def rejections(self) -> list[AuditView]:
        with self.database.read() as connection:
            wanted = AuditFilter(action_prefix="wallet-worker:message_rejected")
            return list(list_audit(connection, wanted, limit=200, cursor=None).items)

    def outcomes(self) -> list[str]:
        return [event.outcome for event in self.told if isinstance(event, MessageTaken)]

    def heard(self, kind: type[Event], name: str) -> bool:
        return any(isinstance(event, kind) and getattr(event, "name", "") == name for event in self.told)


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    url = f"sqlite:///{tmp_path / 'wallets.db'}"
    migrate(url)
    return url


@pytest.fixture
def house(server: RedisServer, database_url: str) -> Iterator[House]:
    house = House(server.url, database_url)
    house.intake.start()
    yield house
    house.close()


def send(redis_url: str, *messages: dict[str, Any]) -> None:
    """Send messages from another process, with a dramatiq of its own."""
    subprocess.run(
        [sys.executable, "-c", PRODUCER, redis_url],
        input="\n".join(json.dumps(message) for message in messages),
        text=True,
        check=True,
        timeout=60,
    )


def wanted(user_id: object = None, **more: object) -> dict[str, Any]:
    return {"kwargs": {"user_id": str(user_id or uuid4()), **more}}


def wait_until(is_there: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not is_there():
        if time.monotonic() > deadline:
            pytest.fail(f"not there after {PATIENCE} s")
        time.sleep(0.02)


class Queue:
    """The queue as Redis holds it."""

    def __init__(self, url: str) -> None:
        self._client = redis.Redis.from_url(url)

    def unfinished(self) -> int:
        """Return how many messages are neither acknowledged nor dead, delayed ones too."""
        return self._length(f"{QUEUE}.msgs") + self._length(f"{QUEUE}.DQ.msgs")

    def dead(self) -> int:
        return self._length(f"{QUEUE}.XQ.msgs")

    def waiting(self) -> int:
        return self._client.llen(QUEUE)

    def put(self, data: bytes, message_id: str = "raw") -> None:
        """Put a message as it stands, as no dramatiq would."""
        self._client.hset(f"{QUEUE}.msgs", message_id, data)
        self._client.rpush(QUEUE, message_id)

    def steal(self, worker: str) -> int:
        """Take all that waits in the name of a process that died long ago."""
        ids = cast("list[bytes]", self._client.lrange(QUEUE, 0, -1))
        self._client.delete(QUEUE)
        self._client.sadd(f"dramatiq:__acks__.{worker}.wallet-provisioning", *ids)
        self._client.zadd("dramatiq:__heartbeats__", {worker: 1})
        return len(ids)

    def cut_everybody_off(self) -> int:
        """Return how many connections were cut."""
        return self._client.client_kill_filter(_type="normal", skipme=True)

    def close(self) -> None:
        self._client.close()

    def _length(self, key: str) -> int:
        return self._client.hlen(key)


@pytest.fixture
def queue(server: RedisServer) -> Iterator[Queue]:
    queue = Queue(server.url)
    yield queue
    queue.close()


def test_a_message_becomes_a_job_in_its_producers_trace(house: House, queue: Queue) -> None:
    user = uuid4()
    traceparent = f"00-{TRACE}-b7ad6b7169203331-01"

    send(house.redis_url, {**wanted(user, chains=["SOL"], request_id="r1"), "traceparent": traceparent})
    wait_until(lambda: queue.unfinished() == 0 and house.outcomes())

    [job] = house.jobs()
    assert (job.user_id, job.chains, job.source, job.trace_id) == (user, ("SOL",), "message", TRACE)
    assert [accepted.job.id for accepted in house.accepted] == [job.id]
    assert house.outcomes() == ["accepted"]
    assert [event.created for event in house.told if isinstance(event, JobAccepted)] == [True]


def test_a_broken_trace_is_no_reason_to_refuse(house: House, queue: Queue) -> None:
    send(house.redis_url, {**wanted(), "traceparent": "of no form"}, {**wanted(), "traceparent": 7})
    wait_until(lambda: len(house.outcomes()) == 2)

    assert house.outcomes() == ["accepted", "accepted"]
    assert all(job.trace_id for job in house.jobs())
    assert queue.dead() == 0


def test_the_same_user_and_the_same_request_are_one_job(house: House) -> None:
    user = uuid4()

    send(house.redis_url, *[wanted(user) for _ in range(5)], *[wanted(request_id="same")] * 5)
    wait_until(lambda: len(house.outcomes()) == 10)

    assert len(house.jobs()) == 2
    assert sorted(house.outcomes()) == ["accepted"] * 2 + ["repeated"] * 8


def test_a_delayed_message_comes_when_it_is_due(house: House, queue: Queue) -> None:
    send(house.redis_url, {**wanted(), "delay": 300})
    wait_until(lambda: house.outcomes() == ["accepted"])

    wait_until(lambda: queue.unfinished() == 0)
    assert len(house.jobs()) == 1


def message(**changes: object) -> bytes:
    """Return a message in dramatiq's form."""
    plain: dict[str, object] = {
        "queue_name": "wallet-provisioning",
        "actor_name": "provision_wallets",
        "args": [],
        "kwargs": {"user_id": str(uuid4())},
        "options": {"redis_message_id": "raw"},
        "message_id": "m-1",
        "message_timestamp": 0,
    }
    return json.dumps(plain | changes).encode()


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        ({"args": [str(uuid4())]}, "keyword arguments only"),
        ({"kwargs": {}}, "user_id: Field required"),
        ({"kwargs": {"user_id": "x"}}, "valid UUID"),
        ({"kwargs": {"user_id": str(uuid4()), "self": 1}}, "self: Extra inputs"),
        ({"kwargs": {"user_id": str(uuid4()), "chains": ["DOGE"]}}, "no chain of Circle's"),
        ({"kwargs": {"user_id": str(uuid4()), "request_id": "a\0b"}}, "without NUL"),
        ({"task": "delete_wallets", "kwargs": {"user_id": str(uuid4())}}, "the only one is"),
    ],
)
def test_what_cannot_be_valid_goes_to_the_dead_letters_at_once_with_its_reason_audited(
    house: House, queue: Queue, sent: dict[str, Any], reason: str
) -> None:
    send(house.redis_url, sent, wanted())
    wait_until(lambda: sorted(house.outcomes()) == ["accepted", "rejected"])
    wait_until(lambda: queue.dead() == 1 and queue.unfinished() == 0)

    [row] = house.rejections()
    assert reason in str(row.error_message)
    assert (row.actor, row.resource_type, row.status) == ("intake", "message", "failed")
    assert len(house.jobs()) == 1


@pytest.mark.parametrize(
    "data",
    [
        b"\xff\xfe no text",
        b"{}",
        b"[1, 2]",
        b'"text"',
        message(kwargs=["user_id"]),
        message(options=None),
        message(options={}),
        message(options={"redis_message_id": 7}),
        message(message_id=None),
        message(actor_name=7),
    ],
)
def test_what_is_no_message_at_all_is_dead_and_takes_nothing_with_it(
    house: House, queue: Queue, data: bytes
) -> None:
    house.intake.stop(SOON)
    queue.put(data)
    send(house.redis_url, *[wanted() for _ in range(3)])
    house.intake.start()
    wait_until(lambda: sorted(house.outcomes()) == ["accepted"] * 3 + ["rejected"])
    wait_until(lambda: queue.dead() == 1 and queue.unfinished() == 0)

    [row] = house.rejections()
    assert "can't be read as a message of dramatiq's" in str(row.error_message)
    assert row.resource_id == "raw"


def test_a_message_that_names_another_queue_or_a_time_is_taken_all_the_same(
    house: House, queue: Queue
) -> None:
    options = {"redis_message_id": "raw", "eta": 99_999_999_999_999, "wallet_provisioning.given": "x"}
    queue.put(message(queue_name="elsewhere", options=options))

    wait_until(lambda: queue.unfinished() == 0 and house.outcomes())
    assert house.outcomes() == ["accepted"]


def test_a_message_under_a_foreign_name_is_not_taken_for_ever(house: House, queue: Queue) -> None:
    queue.put(message(options={"redis_message_id": "another"}), "mine")

    wait_until(lambda: queue.dead() == 1)
    assert queue.unfinished() == 0
    assert "rejected" in house.outcomes()


class Lock:
    """Holds the writers of a SQLite file off."""

    def __init__(self, database_url: str) -> None:
        self._connection = sqlite3.connect(
            database_url.removeprefix("sqlite:///"), isolation_level=None, check_same_thread=False
        )

    def __enter__(self) -> None:
        self._connection.execute("BEGIN IMMEDIATE")

    def __exit__(self, *_: object) -> None:
        self._connection.execute("ROLLBACK")
        self._connection.close()


def test_a_message_is_acknowledged_only_after_its_job_is_committed(
    house: House, queue: Queue, database_url: str
) -> None:
    with Lock(database_url):
        send(house.redis_url, wanted())
        wait_until(lambda: queue.waiting() == 0)
        assert queue.unfinished() == 1
        assert house.jobs() == []

    wait_until(lambda: queue.unfinished() == 0)
    assert len(house.jobs()) == 1


def test_a_stop_gives_back_what_is_not_finished(server: RedisServer, queue: Queue, database_url: str) -> None:
    house = House(server.url, database_url)
    send(house.redis_url, *[wanted() for _ in range(30)])
    with Lock(database_url):
        house.intake.start()
        wait_until(lambda: queue.waiting() < 30)
        house.intake.stop(timedelta(milliseconds=100))
        assert queue.waiting() == queue.unfinished() == 30

    house.intake.start()
    wait_until(lambda: queue.unfinished() == 0)
    assert len(house.jobs()) == 30
    house.close()


def test_an_outage_of_the_store_loses_and_buries_nothing(server: RedisServer, queue: Queue) -> None:
    hopeless = {"max_retries": 0, "max_age": 1, "time_limit": 1}
    with PostgresServer() as postgres:
        url = postgres.create_database()
        migrate(url)
        house = House(server.url, url)
        house.intake.start()
        postgres.stop()
        send(house.redis_url, *[{**wanted(), **hopeless} for _ in range(10)], {"args": ["wrong"]})
        wait_until(lambda: house.outcomes().count("postponed") > 10)
        assert queue.unfinished() == 11
        assert queue.dead() == 0
        assert house.heard(DependencyLost, "database")

        postgres.start()
        wait_until(lambda: queue.unfinished() == 0)
        assert len(house.jobs()) == 10
        assert queue.dead() == len(house.rejections()) == 1
        house.close()


def test_redis_may_go_and_come_back(house: House, server: RedisServer) -> None:
    send(house.redis_url, *[wanted() for _ in range(5)])
    wait_until(lambda: len(house.jobs()) == 5)

    server.stop()
    wait_until(lambda: house.heard(DependencyLost, "redis"))
    assert not house.heard(DependencyBack, "redis")
    server.start()
    send(house.redis_url, *[wanted() for _ in range(5)])
    wait_until(lambda: len(house.jobs()) == 10)

    assert house.heard(DependencyBack, "redis")


def test_what_is_in_hand_while_redis_is_away_is_settled_when_it_is_back(
    house: House, server: RedisServer, database_url: str
) -> None:
    with Lock(database_url):
        send(house.redis_url, *[wanted() for _ in range(3)], {"args": ["wrong"]})
        queue = Queue(house.redis_url)
        wait_until(lambda: queue.waiting() == 0)
        queue.close()
        server.stop()
    wait_until(lambda: len(house.jobs()) == 3)

    server.start()
    queue = Queue(house.redis_url)
    wait_until(lambda: queue.unfinished() == 0)
    assert queue.dead() == len(house.rejections()) == 1
    queue.close()


def test_connections_that_break_again_and_again_lose_nothing(house: House, queue: Queue) -> None:
    send(house.redis_url, *[{**wanted(), "delay": 2 * n} for n in range(200)])
    for _ in range(20):
        wait_until(lambda: queue.cut_everybody_off() > 0)

    wait_until(lambda: queue.unfinished() == 0)
    assert len(house.jobs()) == 200


def test_what_a_dead_process_had_taken_is_taken_over(
    server: RedisServer, queue: Queue, database_url: str
) -> None:
    house = House(server.url, database_url)
    send(house.redis_url, *[wanted() for _ in range(3)])
    assert queue.steal("dead-worker") == 3

    house.intake.start()

    wait_until(lambda: len(house.jobs()) == 3)
    house.close()


def test_redis_need_not_be_there_to_start(server: RedisServer, database_url: str) -> None:
    server.stop()
    house = House(server.url, database_url)
    house.intake.start()
    wait_until(lambda: house.heard(DependencyLost, "redis"))

    server.start()
    send(house.redis_url, wanted())

    wait_until(lambda: len(house.jobs()) == 1)
    house.close()


def test_a_stop_while_redis_is_away_comes_to_an_end(house: House, server: RedisServer) -> None:
    server.stop()
    wait_until(lambda: house.heard(DependencyLost, "redis"))

    begun = time.monotonic()
    house.intake.stop(timedelta(seconds=2))

    assert time.monotonic() - begun < 10


def test_starting_and_stopping_again_and_again_leaves_nothing_behind(house: House, queue: Queue) -> None:
    house.intake.stop(SOON)
    before = threading.active_count()
    for round_number in range(10):
        house.intake.start()
        if round_number % 2:
            house.intake.start()
        house.intake.stop(SOON)
        house.intake.stop(SOON)
    assert threading.active_count() == before

    house.intake.start()
    send(house.redis_url, wanted())
    wait_until(lambda: len(house.jobs()) == 1 and queue.unfinished() == 0)


def test_a_wrong_address_is_refused_in_one_line(database_url: str) -> None:
    with pytest.raises(InvalidRedisUrlError, match="REDIS_URL must be redis://HOST"):
        House("127.0.0.1:6379", database_url)


def test_the_address_is_not_shown() -> None:
    assert "hunter2" not in repr(IntakeOptions(redis_url="redis://:hunter2@h/0"))
