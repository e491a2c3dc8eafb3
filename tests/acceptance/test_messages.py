"""The onboarding service injects messages from a process of its own, through a real Redis."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any
from uuid import uuid4

import redis as redis_client

from tests.acceptance import producer
from tests.acceptance.house import House, open_house, until
from tests.acceptance.test_killed import assert_exactly_once
from tests.servers import RedisServer

DEAD_LETTERS = "dramatiq:wallet-provisioning.XQ"


def inject(redis: RedisServer, *messages: dict[str, Any]) -> None:
    subprocess.run(
        [sys.executable, producer.__file__, redis.url],
        input="\n".join(json.dumps(message) for message in messages),
        text=True,
        check=True,
        timeout=60,
    )


def test_fifty_injected_messages_make_fifty_jobs(tmp_path: Path, redis: RedisServer) -> None:
    with open_house(tmp_path, REDIS_URL=redis.url) as house:
        inject(redis, *({"user_id": str(uuid4())} for _ in range(50)))
        jobs = house.wait_for_jobs(50, timeout=90)
        assert len(jobs) == 50
        assert {job["source"] for job in jobs} == {"message"}
        assert_exactly_once(house, 50, jobs)


def test_messages_that_came_while_the_daemon_was_down_are_taken(tmp_path: Path, redis: RedisServer) -> None:
    with open_house(tmp_path, REDIS_URL=redis.url) as house:
        house.kill()
        user = str(uuid4())
        inject(redis, {"user_id": user}, {"user_id": user, "chains": ["ETH"]})
        house.start()
        (job,) = house.wait_for_jobs(1)
        assert job["user_id"] == user


def test_a_message_replayed_later_is_its_first_job(tmp_path: Path, redis: RedisServer) -> None:
    with open_house(tmp_path, REDIS_URL=redis.url) as house:
        message = {"user_id": str(uuid4()), "request_id": "onboarding-7"}
        inject(redis, message)
        house.wait_for_jobs(1)
        inject(redis, message, {"user_id": str(uuid4())})
        jobs = house.wait_for_jobs(2)
        assert len(jobs) == 2
        assert_exactly_once(house, 2, jobs)


def test_a_message_carries_its_trace_into_the_job(tmp_path: Path, redis: RedisServer) -> None:
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    with open_house(tmp_path, REDIS_URL=redis.url) as house:
        traceparent = f"00-{trace}-00f067aa0ba902b7-01"
        inject(redis, {"user_id": str(uuid4()), "options": {"traceparent": traceparent}})
        (job,) = house.wait_for_jobs(1)
        assert job["trace_id"] == trace


def test_a_message_that_cannot_be_valid_is_a_dead_letter_with_its_reason(
    tmp_path: Path, redis: RedisServer
) -> None:
    client = redis_client.Redis.from_url(redis.url)
    with open_house(tmp_path, REDIS_URL=redis.url) as house, client:
        before = client.zcard(DEAD_LETTERS)
        inject(
            redis,
            {"user_id": "nobody"},
            {"user_id": str(uuid4()), "chains": ["DOGE"]},
            {"user_id": str(uuid4()), "colour": "green"},
            {"user_id": str(uuid4())},
        )
        house.wait_for_jobs(1)
        until(lambda: client.zcard(DEAD_LETTERS) == before + 3 or None, 30, house.tail)
        rejected = house.get("admin/audit", action="wallet-worker:message_rejected")["items"]
        assert len(rejected) == 3
        assert all(row["error_message"] for row in rejected)
        assert len(house.jobs()) == 1


def test_the_intake_actor_comes_back_when_it_is_killed(tmp_path: Path, redis: RedisServer) -> None:
    with open_house(tmp_path, REDIS_URL=redis.url) as house:
        inject(redis, *({"user_id": str(uuid4())} for _ in range(10)))
        house.kill_actor("intake")
        house.wait_for_incarnation("intake", 2)
        inject(redis, *({"user_id": str(uuid4())} for _ in range(10)))
        assert_exactly_once(house, 20, house.wait_for_jobs(20, timeout=90))


def test_a_redis_that_goes_away_degrades_the_daemon_and_nothing_else(tmp_path: Path) -> None:
    with RedisServer(append_only=True) as redis, open_house(tmp_path, REDIS_URL=redis.url) as house:
        redis.stop()
        until(lambda: _status(house) == "degraded" or None, 30, house.tail)
        assert house.wait_for_job(house.order()["id"])["status"] == "completed"
        redis.start()
        until(lambda: _status(house) == "operational" or None, 60, house.tail)
        inject(redis, {"user_id": str(uuid4())})
        house.wait_for_jobs(2)
        assert house.actor("intake")["incarnation"] == 1


def _status(house: House) -> str:
    status: str = house.get("admin/workers/status")["worker"]["status"]
    return status
