"""Cut at every point of a wallet's way: there is one wallet each in the end, here and at Circle, the same.

The daemons and the sandbox are real processes. The sandbox holds a call at a gate, before or after it
carried it out, so that the daemon is killed exactly there; database locks hold it where only it can be.
"""

import json
import signal
import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest

from tests.acceptance.house import House, open_house, until
from tests.acceptance.outside import CREATE, Circle, assert_one_wallet_each, open_circle, wait_for_lines
from tests.acceptance.test_messages import inject
from tests.servers import PostgresServer, RedisServer

COMMIT_LOCK = 20261124
CALLED = {"event": "circle_called", "operation": "create_wallet"}


@pytest.fixture(scope="module")
def shared_circle(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Circle]:
    with open_circle(tmp_path_factory.mktemp("circle")) as circle:
        yield circle


@pytest.fixture
def circle(shared_circle: Circle) -> Iterator[Circle]:
    yield shared_circle
    shared_circle.disturb()


def finish(circle: Circle, house: House, jobs: int = 1) -> None:
    """Start the daemon again at an undisturbed Circle, and see what comes of it all."""
    circle.disturb()
    house.start()
    house.wait_for_jobs(jobs, timeout=120)
    assert_one_wallet_each(circle, house, jobs)


# Killed.


def test_killed_before_the_request_leaves(tmp_path: Path, circle: Circle) -> None:
    with open_house(tmp_path, **circle.settings()) as house:
        house.wait_for_job(house.order()["id"])
        house.kill()
        circle.hold("key", "before", operation="public_key")
        house.start()
        house.order()
        circle.wait_held("key")
        assert house.rows("SELECT state FROM circle_requests ORDER BY id")[1:] == [{"state": "unresolved"}]
        house.kill()
        finish(circle, house, 2)


@pytest.mark.parametrize("when", ["before", "after"])
def test_killed_while_circle_has_the_request(tmp_path: Path, circle: Circle, when: str) -> None:
    with open_house(tmp_path, **circle.settings()) as house:
        gate = f"kill-{when}"
        known = len(circle.wallets())
        circle.hold(gate, when)
        house.order()
        circle.wait_held(gate)
        assert len(circle.wallets()) - known == (when == "after")
        house.kill()
        finish(circle, house)


def test_killed_between_the_answer_and_our_commit(tmp_path: Path, circle: Circle) -> None:
    with open_house(tmp_path, **circle.settings()) as house:
        circle.hold("answer", "after")
        house.order()
        circle.wait_held("answer")
        lock = sqlite3.connect(tmp_path / "wallet-provisioning.db", isolation_level=None)
        lock.execute("BEGIN IMMEDIATE")
        circle.open("answer")
        wait_for_lines(house, {**CALLED, "http_status": 201})
        house.kill()
        lock.close()
        assert house.rows("SELECT status FROM managed_wallets") == [{"status": "creating"}]
        finish(circle, house)


@pytest.mark.parametrize("fate", ["rolled_back", "committed"])
def test_killed_during_our_commit(
    tmp_path: Path, circle: Circle, postgres: PostgresServer, fate: str
) -> None:
    with ExitStack() as stack:
        house, database = stack.enter_context(on_postgres(tmp_path, circle, postgres))
        stack.callback(house.close)
        house.start()
        database.execute("SELECT pg_advisory_lock(%s)", [COMMIT_LOCK])
        wait_at_commit(database)
        house.order()
        pid = until(lambda: backend_in_commit(database), 60, house.tail)
        house.kill()
        if fate == "rolled_back":
            database.execute("SELECT pg_terminate_backend(%s)", [pid])
        database.execute("SELECT pg_advisory_unlock(%s)", [COMMIT_LOCK])
        until(lambda: has_ended(database, pid) or None, 60, house.tail)
        expected = "live" if fate == "committed" else "creating"
        assert house.rows("SELECT status FROM managed_wallets") == [{"status": expected}]
        finish(circle, house)


@contextmanager
def on_postgres(
    folder: Path, circle: Circle, postgres: PostgresServer
) -> Iterator[tuple[House, psycopg.Connection]]:
    """A house that is not started yet, and a connection to its database."""
    url = postgres.create_database()
    house = House(folder, circle.settings(DATABASE_URL=url, WORKER_LEASE="2s", WORKER_POLL_INTERVAL="200ms"))
    assert house.command("migrate")[0] == 0
    with psycopg.connect(url, autocommit=True) as database:
        yield house, database


def wait_at_commit(database: psycopg.Connection) -> None:
    """Have the commit of a live wallet wait for a lock: a deferred trigger runs within COMMIT."""
    database.execute(
        f"""
        CREATE FUNCTION wait_at_commit() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN PERFORM pg_advisory_xact_lock({COMMIT_LOCK}); RETURN NULL; END $$;
        CREATE CONSTRAINT TRIGGER wait_at_commit AFTER UPDATE ON managed_wallets
          DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NEW.status = 'live')
          EXECUTE FUNCTION wait_at_commit()
        """
    )


def backend_in_commit(database: psycopg.Connection) -> int | None:
    query = "SELECT pid FROM pg_stat_activity WHERE query = 'COMMIT' AND wait_event = 'advisory'"
    found = database.execute(query).fetchone()
    return None if found is None else int(found[0])


def has_ended(database: psycopg.Connection, pid: int) -> bool:
    return database.execute("SELECT 1 FROM pg_stat_activity WHERE pid = %s", [pid]).fetchone() is None


# Alive, and too late.


def test_a_daemon_that_was_frozen_past_its_lease_writes_nothing_stale(
    tmp_path: Path, circle: Circle, postgres: PostgresServer
) -> None:
    (tmp_path / "other").mkdir()
    with ExitStack() as stack:
        frozen, database = stack.enter_context(on_postgres(tmp_path, circle, postgres))
        stack.callback(frozen.close)
        frozen.start()
        assert frozen.process is not None
        stack.callback(frozen.process.send_signal, signal.SIGCONT)
        other = stack.enter_context(open_house(tmp_path / "other", **unstarted(frozen)))
        job_id = order_held_by(frozen, other, circle)
        frozen.process.send_signal(signal.SIGSTOP)
        assert other.wait_for_job(job_id, timeout=60)["status"] == "completed"
        before = trail(database)
        frozen.process.send_signal(signal.SIGCONT)
        circle.open("freeze")
        wait_for_lines(frozen, CALLED, {"event": "transaction_ended", "reason": "record_results"})
        jobs = [job_id, frozen.order()["id"]]
        assert {frozen.wait_for_job(each)["status"] for each in jobs} == {"completed"}
        assert trail(database)[: len(before)] == before
        assert trail(database, job_id) == [row for row in before if row[0] == job_id]
        assert_one_wallet_each(circle, other, 2)


def unstarted(house: House) -> dict[str, str]:
    return {**house.settings, "WORKER_ENABLE_RETRIES": "true"}


def order_held_by(first: House, other: House, circle: Circle) -> str:
    """Have the first daemon ask Circle for a wallet, whose answer is held; the other one rests meanwhile."""
    assert other.process is not None
    other.process.send_signal(signal.SIGSTOP)
    try:
        circle.disturb({"kind": "hold", "gate": "freeze", "when": "after", "times": 1, **CREATE})
        job = first.order()
        circle.wait_held("freeze")
    finally:
        other.process.send_signal(signal.SIGCONT)
    return str(job["id"])


def trail(database: psycopg.Connection, job_id: str | None = None) -> list[tuple[object, ...]]:
    """Return what is audited of all jobs or one, and the wallets' times."""
    query = (
        "SELECT job_id::text, action, actor, id::text FROM audit_logs WHERE job_id IS NOT NULL ORDER BY id"
    )
    rows = database.execute(query).fetchall()
    return [row for row in rows if job_id in {None, row[0]}]


# Cut, spoilt, refused.

ONCE = {"times": 1, **CREATE}
CUTS: list[list[dict[str, object]]] = [
    [{"kind": "cut", "when": "before", **ONCE}],
    [{"kind": "cut", "when": "after", **ONCE}],
    [{"kind": "truncate", "keep": 0.5, **ONCE}],
    [{"kind": "truncate", "keep": 0, **ONCE}],
    [{"kind": "slow_body", "for_ms": 100, **ONCE}],
    *([{"kind": "malformed", "form": form, **ONCE}] for form in ("torn", "page", "empty")),
    [{"kind": "status", "status": 500, "when": "before", **ONCE}],
    [{"kind": "status", "status": 502, "when": "after", **ONCE}],
    [{"kind": "rate_limit", "retry_after_ms": 0, "retry_after": "date", **ONCE}],
    [{"kind": "refuse", "code": 156004, **ONCE}],
    [{"kind": "cut", "when": "after", **ONCE}, {"kind": "expire_keys"}],
    [{"kind": "cut", "when": "after", **ONCE}, {"kind": "expire_keys"}, {"kind": "lag", "for_ms": 800}],
]


def test_whatever_becomes_of_the_connection_or_the_answer(tmp_path: Path, circle: Circle) -> None:
    with open_house(tmp_path, **circle.settings()) as house:
        house.wait_for_job(house.order()["id"])
        for faults in CUTS:
            circle.disturb(*faults)
            job = house.wait_for_job(house.order()["id"], timeout=60)
            assert job["status"] == "completed", (faults, job)
            assert circle.hits() > 0, faults
        assert_one_wallet_each(circle, house, len(CUTS) + 1)


def test_a_key_that_circle_forgot_makes_no_second_wallet(tmp_path: Path, circle: Circle) -> None:
    settings = circle.settings(WORKER_REPLAY_WINDOW="0s")
    with open_house(tmp_path, **settings) as house:
        house.wait_for_job(house.order()["id"])
        circle.disturb({"kind": "cut", "when": "after", **ONCE}, {"kind": "forget_keys"})
        assert house.wait_for_job(house.order()["id"], timeout=60)["status"] == "completed"
        assert_one_wallet_each(circle, house, 2)


def test_a_key_that_circle_refuses_though_nothing_was_made(tmp_path: Path, circle: Circle) -> None:
    with open_house(tmp_path, **circle.settings()) as house:
        house.wait_for_job(house.order()["id"])
        circle.disturb({"kind": "refuse", "code": 156020, "times": 2, **CREATE})
        assert house.wait_for_job(house.order()["id"], timeout=60)["status"] == "completed"
        assert house.rows("SELECT max(generation) AS g FROM managed_wallets") == [{"g": 1}]
        assert_one_wallet_each(circle, house, 2)


# Asked for more than once.


def test_a_hundred_callbacks_at_once_while_circle_is_at_work(tmp_path: Path, circle: Circle) -> None:
    with open_house(tmp_path, **circle.settings()) as house, ThreadPoolExecutor(20) as pool:
        references = [f"ref-{number}" for number in range(100)]
        submit(house, str(uuid4()), references)
        circle.hold("crowd", "after")
        first = house.approve(references[0])
        circle.wait_held("crowd")
        jobs = list(pool.map(house.approve, references))
        circle.disturb()
        assert {job["id"] for job in jobs} == {first["id"]}
        house.wait_for_jobs(1)
        assert_one_wallet_each(circle, house, 1)


def submit(house: House, user_id: str, references: list[str]) -> None:
    """Submit a user's KYC, as the onboarding does: only in sandbox mode a callback may name unknown ones."""
    with sqlite3.connect(house.folder / "wallet-provisioning.db") as database:
        moment = "2026-11-24 00:00:00.000000"
        rows = [(reference, user_id, "pending", "[]", moment, moment) for reference in references]
        database.executemany(
            "INSERT INTO kyc_submissions (provider_ref, user_id, status, rejection_reasons, created_at,"
            " updated_at) VALUES (?, ?, ?, ?, ?, ?)",
            rows,
        )
    database.close()


def test_a_message_that_is_replayed_after_its_job_is_done(
    tmp_path: Path, circle: Circle, redis: RedisServer
) -> None:
    with open_house(tmp_path, **circle.settings(REDIS_URL=redis.url)) as house:
        message = {"user_id": str(uuid4()), "request_id": f"onboarding-{uuid4()}"}
        inject(redis, message)
        (job,) = house.wait_for_jobs(1)
        inject(redis, message, message, {"user_id": str(uuid4())})
        assert json.dumps(job) in [json.dumps(each) for each in house.wait_for_jobs(2)]
        assert_one_wallet_each(circle, house, 2)
