"""What operators do with one actor: look into it, hold it still, watch its messages."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.support_api import House
from wallet_provisioning.supervision.deadletters import DeadLetter
from wallet_provisioning.supervision.incidents import Why
from wallet_provisioning.supervision.snapshot import ChildState, Crash, EndReason

ACTORS = "/api/v1/admin/actors"
COMMANDS = [("suspend", None), ("resume", None), ("trace", {"on": True})]


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with House(tmp_path) as opened:
        yield opened


@pytest.mark.parametrize(("written", "path"), [("circle/ETH", "circle/ETH"), ("jobs%2F1", "jobs/1")])
async def test_an_actors_state_is_shown(house: House, written: str, path: str) -> None:
    assert (await house.get(f"{ACTORS}/{written}/state")).json == {
        "path": path,
        "incarnation": 1,
        "is_stopping": False,
        "state": {"jobs": ["a", 1, None]},
        "error": None,
    }


async def test_an_actor_that_hangs_gives_no_answer_and_that_is_told(house: House) -> None:
    house.daemon.hung = {"writer"}
    told = await house.get(f"{ACTORS}/writer/state")
    assert (told.status, told.code) == (503, "unavailable")
    assert "busy with Do" in told.json["detail"]


async def test_an_actor_is_suspended_and_resumed(house: House) -> None:
    told = await house.post(f"{ACTORS}/scheduler/suspend", {"reason": "a drill"})
    assert (told.status, told.json["suspended"], told.json["state"]) == (202, True, "running")
    items = {one["path"]: one for one in (await house.get(ACTORS)).json["items"]}
    assert [path for path, one in items.items() if one["suspended"]] == ["scheduler"]
    told = await house.post(f"{ACTORS}/scheduler/resume")
    assert (told.status, told.json["suspended"]) == (202, False)


async def test_every_command_is_audited(house: House) -> None:
    await house.post(f"{ACTORS}/writer/suspend", {"reason": "a drill"})
    await house.post(f"{ACTORS}/writer/resume")
    await house.post(f"{ACTORS}/writer/trace", {"on": True, "reason": "slow"})
    rows = await house.audit("admin:")
    assert [(row["action"], row["actor"], row["resource_id"], row["changes"]["after"]) for row in rows] == [
        ("admin:trace_actor", "admin@loopback", "writer", {"on": True, "reason": "slow"}),
        ("admin:resume_actor", "admin@loopback", "writer", {"reason": None}),
        ("admin:suspend_actor", "admin@loopback", "writer", {"reason": "a drill"}),
    ]


async def test_a_supervisor_is_not_suspended_and_nothing_is_audited(house: House) -> None:
    told = await house.post(f"{ACTORS}/jobs/suspend")
    assert (told.status, told.code) == (409, "conflict")
    assert "supervisor" in told.json["detail"]
    assert await house.audit("admin:") == []


async def test_an_actor_that_does_not_run_is_not_suspended(house: House) -> None:
    house.daemon.tree["writer"] = replace(house.daemon.tree["writer"], state=ChildState.RESTARTING)
    told = await house.post(f"{ACTORS}/writer/suspend")
    assert (told.status, told.json["detail"]) == (
        409,
        "writer is restarting; only an actor that runs can be suspended",
    )


async def test_messages_are_noted_from_when_it_is_asked_for(house: House) -> None:
    nothing = {"path": "writer", "on": False, "items": []}
    assert (await house.get(f"{ACTORS}/writer/trace")).json == nothing
    told = await house.post(f"{ACTORS}/writer/trace", {"on": True})
    message = {"message": "Do", "lane": "work", "incarnation": 1, "waited_ms": 2.0, "handled_ms": None}
    assert (told.status, told.json) == (202, {"path": "writer", "on": True, "items": [message]})
    assert (await house.get(f"{ACTORS}/writer/trace")).json["on"] is True
    assert (await house.post(f"{ACTORS}/writer/trace", {"on": False})).json == nothing


@pytest.mark.parametrize("body", [{}, {"on": "yes"}, {"on": None}, {"on": 1}])
async def test_a_trace_is_on_or_off_and_nothing_else(house: House, body: dict[str, object]) -> None:
    assert (await house.post(f"{ACTORS}/writer/trace", body)).blamed == ["on"]
    assert await house.audit("admin:") == []


@pytest.mark.parametrize(("command", "body"), COMMANDS)
async def test_an_unknown_actor_is_not_found_and_nothing_is_audited(
    house: House, command: str, body: object
) -> None:
    told = await house.post(f"{ACTORS}/nobody/{command}", body)
    assert (told.status, told.code) == (404, "not_found")
    assert await house.audit("admin:") == []


@pytest.mark.parametrize("question", ["state", "trace"])
async def test_nothing_is_known_of_an_unknown_actor(house: House, question: str) -> None:
    assert (await house.get(f"{ACTORS}/nobody/{question}")).code == "not_found"


async def test_dead_letters_are_listed_without_their_values(house: House) -> None:
    assert (await house.get("/api/v1/admin/dead-letters")).json == {"items": []}
    house.daemon.lost = (
        DeadLetter(
            at=datetime(2026, 1, 31, 12, tzinfo=UTC),
            path="jobs/1",
            message="Assign",
            shown="Assign(job)",
            why=Why.STOPPED,
            sender="scheduler",
            trace_id=None,
        ),
    )
    assert (await house.get("/api/v1/admin/dead-letters")).json["items"] == [
        {
            "at": "2026-01-31T12:00:00.000000Z",
            "path": "jobs/1",
            "message": "Assign",
            "shown": "Assign(job)",
            "why": "stopped",
            "sender": "scheduler",
            "trace_id": None,
        }
    ]


async def test_the_last_crash_shows_its_message_and_its_stack(house: House) -> None:
    crash = Crash(
        at=datetime(2026, 1, 31, 12, tzinfo=UTC),
        reason=EndReason.CRASH,
        error="ValueError: no",
        message="Assign",
        incarnation=1,
        trace_id=None,
        shown="Assign(job)",
        stack="Traceback …",
    )
    house.daemon.tree["writer"] = replace(house.daemon.tree["writer"], last_crash=crash, dead_letters=3)
    items = {one["path"]: one for one in (await house.get(ACTORS)).json["items"]}
    assert items["writer"]["dead_letters"] == 3
    assert items["writer"]["last_crash"]["shown"] == "Assign(job)"
    assert items["writer"]["last_crash"]["stack"] == "Traceback …"
