"""Operators look into a daemon that runs, and hold parts of it still."""

import json
from pathlib import Path
from typing import Any

from tests.acceptance.house import House, open_house, until

ADMIN = "/api/v1/admin"


def post(house: House, path: str, body: object = None) -> Any:
    answer = house.client.post(f"{ADMIN}/actors/{path}", json=body or {})
    assert answer.status_code == 202, answer.text
    return answer.json()


def get(house: House, path: str) -> Any:
    answer = house.client.get(f"{ADMIN}/{path}")
    assert answer.status_code == 200, answer.text
    return answer.json()


def wait_until_running(house: House, path: str) -> None:
    """Wait for an actor's start: the API serves before the last actor has started."""
    until(lambda: house.actor(path)["state"] == "running" or None, 30, house.tail)


def test_a_suspended_scheduler_claims_nothing_is_seen_everywhere_and_goes_on(tmp_path: Path) -> None:
    with open_house(tmp_path) as house:
        wait_until_running(house, "scheduler")
        assert post(house, "scheduler/trace", {"on": True})["on"]
        assert post(house, "scheduler/suspend")["suspended"]
        job = house.approve("ref-1")
        health = get(house, "workers/health")
        status = get(house, "workers/status")

        assert health["checks"]["suspended"] == {
            "ok": False,
            "detail": "scheduler: work waits until it is resumed",
        }
        assert (status["worker"]["status"], status["scheduler"]["is_running"]) == ("degraded", True)
        assert get(house, "actors/scheduler/state")["state"]["wave"] == 0
        assert get(house, f"jobs/{job['id']}")["status"] == "queued"
        assert not post(house, "scheduler/resume")["suspended"]
        assert house.wait_for_job(job["id"])["status"] == "completed"
        assert get(house, "workers/status")["worker"]["status"] == "operational"
        messages = {each["message"] for each in get(house, "actors/scheduler/trace")["items"]}
        assert "WorkKnown" in messages


def test_an_actor_that_hangs_is_silent_and_the_command_line_shows_the_tree(tmp_path: Path) -> None:
    with open_house(tmp_path) as house:
        wait_until_running(house, "listener")
        post(house, "listener/kill", {"mode": "hang"})
        answer = house.client.get(f"{ADMIN}/actors/listener/state")
        assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
        assert "busy with Kill" in answer.json()["detail"]

        code, output = house.command("actors", "--json", "--url", str(house.client.base_url))
        assert code == 0
        assert "listener" in {actor["path"] for actor in json.loads(output)["items"]}
        url = str(house.client.base_url)
        house.kill()
        assert house.command("actors", "--url", url)[0] == 3
