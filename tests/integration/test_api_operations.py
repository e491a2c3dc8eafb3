"""What operators do: look at jobs, wallets, actors, chains and the audit, and give commands."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.support_api import NOBODY, OTHER, House, user
from wallet_provisioning.http.api.control import ChainView
from wallet_provisioning.http.api.parts import ApiOptions
from wallet_provisioning.telemetry.events import JobMoved

JOBS = "/api/v1/admin/jobs"
ACTORS = "/api/v1/admin/actors"


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with House(tmp_path) as opened:
        yield opened


async def test_jobs_are_listed_from_the_newest_page_by_page(house: House) -> None:
    made = [(await house.accept(user(number)))["id"] for number in range(5)]
    first = (await house.get(f"{JOBS}?limit=3")).json
    second = (await house.get(f"{JOBS}?limit=3&cursor={first['next']}")).json
    assert [job["id"] for job in first["items"] + second["items"]] == made[::-1]
    assert second["next"] is None


async def test_jobs_are_filtered(house: House) -> None:
    mine = await house.accept(chains=["SOL"])
    other = await house.accept(OTHER)
    await house.post(f"{JOBS}/{other['id']}/cancel")

    async def ids(query: str) -> list[str]:
        return [job["id"] for job in (await house.get(f"{JOBS}?{query}")).json["items"]]

    later = (datetime.now(UTC) + timedelta(hours=1)).isoformat().replace("+", "%2B")
    assert await ids("status=queued") == [mine["id"]]
    assert await ids(f"user_id={OTHER}") == [other["id"]]
    assert await ids("chain=ETH") == [other["id"]]
    assert await ids("chain=ETH-SEPOLIA") == [other["id"]]
    assert await ids("error_type=timeout") == []
    assert await ids(f"created_after={later}") == []
    assert await ids(f"created_before={later}") == [other["id"], mine["id"]]
    assert await ids("created_after=2026-01-01T00:00:00Z&status=cancelled") == [other["id"]]


@pytest.mark.parametrize("path", [JOBS, "/api/v1/admin/wallets", "/api/v1/admin/audit"])
@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("limit=ten", "limit"),
        ("limit=5&limit=6", "limit"),
        ("cursor=nonsense", "cursor"),
        ("cursor=", "cursor"),
        ("status=done", "status"),
        ("status=", "status"),
        ("user_id=me", "user_id"),
        ("created_after=yesterday", "created_after"),
        ("created_before=2026-01-01T00:00:00+00:00", "created_before"),
        ("order=asc", "order"),
        ("%F0%9F%98%80=1", "\N{GRINNING FACE}"),
    ],
)
async def test_a_wrong_parameter_is_named(house: House, path: str, query: str, field: str) -> None:
    told = await house.get(f"{path}?{query}")
    assert (told.status, told.blamed) == (400, [field])


async def test_a_cursor_of_another_list_is_refused(house: House) -> None:
    for number in range(2):
        await house.post("/api/v1/onboarding/jobs", {"user_id": user(number)})
    cursor = (await house.get(f"{JOBS}?limit=1")).json["next"]
    assert (await house.get(f"{JOBS}?limit=1&cursor={cursor}")).status == 200
    for path in ("/api/v1/admin/wallets", "/api/v1/admin/audit"):
        told = await house.get(f"{path}?cursor={cursor}")
        assert (told.status, told.code, told.blamed) == (400, "invalid_request", ["cursor"])


@pytest.mark.parametrize("query", ["limit", "&", "limit=%FF", "a=1&" * 60])
async def test_a_query_that_can_not_be_read_is_refused(house: House, query: str) -> None:
    assert (await house.get(f"{JOBS}?{query}")).code == "invalid_request"


@pytest.mark.parametrize("path", ["/api/v1/admin/workers/status", ACTORS, f"{JOBS}/{NOBODY}"])
async def test_a_call_that_takes_no_parameters_refuses_them(house: House, path: str) -> None:
    assert (await house.get(f"{path}?verbose=1")).blamed == ["verbose"]


async def test_a_job_is_shown_with_its_timeline(house: House) -> None:
    made = await house.accept()
    shown = (await house.get(f"{JOBS}/{made['id']}")).json
    timeline = shown.pop("timeline")
    assert shown == made
    assert [row["action"] for row in timeline] == ["wallet-worker:job_created"]
    assert timeline[0]["job_id"] == made["id"]


@pytest.mark.parametrize("call", ["", "/retry", "/cancel"])
async def test_an_unknown_job_is_not_found(house: House, call: str) -> None:
    told = await house.ask("POST" if call else "GET", f"{JOBS}/{NOBODY}{call}")
    assert (told.status, told.code) == (404, "not_found")


@pytest.mark.parametrize("call", ["", "/retry", "/cancel"])
async def test_a_job_id_that_is_none_is_refused(house: House, call: str) -> None:
    assert (await house.ask("POST" if call else "GET", f"{JOBS}/17{call}")).blamed == ["id"]


async def test_a_job_is_cancelled_and_started_again(house: House) -> None:
    job = await house.accept()
    cancelled = await house.post(f"{JOBS}/{job['id']}/cancel", {"reason": "a mistake"})
    retried = await house.post(f"{JOBS}/{job['id']}/retry")
    assert (cancelled.status, cancelled.json["status"]) == (202, "cancelled")
    assert (retried.status, retried.json["status"]) == (202, "queued")
    audited = await house.audit("admin:")
    assert [(row["action"], row["actor"]) for row in audited] == [
        ("admin:retry_job", "admin@loopback"),
        ("admin:cancel_job", "admin@loopback"),
    ]
    assert "a mistake" in str(audited[1]["changes"])
    moved = [event for event in house.events if isinstance(event, JobMoved)]
    assert [(one.move, one.status, one.actor) for one in moved] == [
        ("cancel", "cancelled", "admin@loopback"),
        ("retry_now", "queued", "admin@loopback"),
    ]


async def test_a_state_that_forbids_a_command_is_a_conflict(house: House) -> None:
    job = await house.accept()
    assert (await house.post(f"{JOBS}/{job['id']}/retry")).code == "conflict"
    await house.post(f"{JOBS}/{job['id']}/cancel")
    told = await house.post(f"{JOBS}/{job['id']}/cancel")
    assert (told.status, told.code) == (409, "conflict")
    assert "cancelled" in told.json["detail"]


async def test_a_reason_must_be_a_text(house: House) -> None:
    job = await house.accept()
    assert (await house.post(f"{JOBS}/{job['id']}/cancel", {"reason": 7})).blamed == ["reason"]
    assert (await house.get(f"{JOBS}/{job['id']}")).json["status"] == "queued"


async def test_wallets_are_listed_and_filtered(house: House) -> None:
    await house.accept(chains=["SOL"])
    await house.accept(OTHER, chains=["ETH"])

    async def chains(query: str) -> list[str]:
        return [one["chain"] for one in (await house.get(f"/api/v1/admin/wallets?{query}")).json["items"]]

    assert await chains("") == ["ETH", "SOL"]
    assert await chains("chain=SOL") == ["SOL"]
    assert await chains(f"user_id={OTHER}&status=creating") == ["ETH"]
    assert await chains("status=live") == []
    assert await chains("error_type=timeout") == []


async def test_the_audit_is_filtered_by_the_beginning_of_the_action(house: House) -> None:
    job = await house.accept()
    await house.post(f"{JOBS}/{job['id']}/cancel")
    assert [row["action"] for row in await house.audit("wallet-worker:job")] == ["wallet-worker:job_created"]
    assert [row["action"] for row in await house.audit("admin:")] == ["admin:cancel_job"]
    assert await house.audit("_dmin") == []
    assert len(await house.audit("wallet-worker:&chain=ETH-SEPOLIA")) == 1
    assert await house.audit("wallet-worker:&chain=OP") == []
    assert await house.audit("wallet-worker:&error_type=timeout") == []
    assert await house.audit("%25") == []


async def test_the_tree_is_listed_parents_before_children(house: House) -> None:
    items = (await house.get(ACTORS)).json["items"]
    assert [one["path"] for one in items][:4] == ["/", "writer", "circle", "circle/ETH"]
    assert items[0]["kind"] == "supervisor"


@pytest.mark.parametrize(
    ("written", "path"),
    [
        ("writer", "writer"),
        ("circle/ETH", "circle/ETH"),
        ("circle%2FETH", "circle/ETH"),
        ("circle%2fETH", "circle/ETH"),
        ("jobs/1", "jobs/1"),
        ("/", "/"),
        ("%2F", "/"),
    ],
)
async def test_an_actor_is_killed_under_its_path(house: House, written: str, path: str) -> None:
    told = await house.post(f"{ACTORS}/{written}/kill")
    assert told.status == 202
    assert (told.json["path"], told.json["incarnation"]) == (path, 1)
    assert house.daemon.kills == [(path, "crash", None)]
    items = {one["path"]: one for one in (await house.get(ACTORS)).json["items"]}
    assert items[path]["incarnation"] == 2


@pytest.mark.parametrize("mode", ["crash", "hang", "stop"])
async def test_a_kill_is_audited_with_its_mode_and_reason(house: House, mode: str) -> None:
    await house.post(f"{ACTORS}/jobs/1/kill", {"mode": mode, "reason": "a drill"})
    assert house.daemon.kills == [("jobs/1", mode, "a drill")]
    (row,) = await house.audit("admin:")
    assert (row["action"], row["actor"], row["resource_id"]) == (
        "admin:kill_actor",
        "admin@loopback",
        "jobs/1",
    )
    assert row["changes"]["after"] == {"mode": mode, "reason": "a drill"}


@pytest.mark.parametrize("path", ["nobody", "circle/DOGE", "jobs/99", "circle%2F", "%00", "//"])
async def test_an_unknown_actor_is_not_found_and_nothing_is_audited(house: House, path: str) -> None:
    told = await house.post(f"{ACTORS}/{path}/kill")
    assert (told.status, told.code) == (404, "not_found")
    assert await house.audit("admin:") == []


@pytest.mark.parametrize(
    ("body", "field"), [({"mode": "maim"}, "mode"), ({"mode": None}, "mode"), ({"kill": True}, "kill")]
)
async def test_a_wrong_kill_kills_nothing(house: House, body: dict[str, object], field: str) -> None:
    assert (await house.post(f"{ACTORS}/writer/kill", body)).blamed == [field]
    assert house.daemon.kills == []


async def test_nothing_is_made_to_hang_under_a_live_key(house: House) -> None:
    house.daemon.is_live = True
    told = await house.post(f"{ACTORS}/writer/kill", {"mode": "hang"})
    assert (told.status, told.code) == (403, "forbidden")
    assert house.daemon.kills == []
    assert (await house.post(f"{ACTORS}/writer/kill", {"mode": "crash"})).status == 202


async def test_the_scheduler_is_restarted(house: House) -> None:
    told = await house.post("/api/v1/admin/workers/restart")
    assert (told.status, told.json) == (202, {"path": "scheduler", "incarnation": 2})
    (row,) = await house.audit("admin:")
    assert (row["action"], row["resource_id"]) == ("admin:restart_scheduler", "scheduler")


async def test_a_scheduler_that_is_not_there_can_not_be_restarted_now(house: House) -> None:
    del house.daemon.tree["scheduler"]
    assert (await house.post("/api/v1/admin/workers/restart")).code == "unavailable"


async def test_chains_are_listed_with_their_breakers(house: House) -> None:
    opened = datetime(2026, 1, 31, 12, tzinfo=UTC)
    house.daemon.breakers = (
        ChainView(chain="SOL", breaker="open", opened_at=opened, reason="5 timeouts", in_flight=0, waiting=7),
    )
    assert (await house.get("/api/v1/admin/chains")).json == {
        "items": [
            {
                "chain": "SOL",
                "breaker": "open",
                "opened_at": "2026-01-31T12:00:00.000000Z",
                "reason": "5 timeouts",
                "in_flight": 0,
                "waiting": 7,
                "forced": None,
            }
        ]
    }


async def test_operators_with_a_token_are_named_as_such(tmp_path: Path) -> None:
    headers = {"Authorization": "Bearer full"}
    async with House(tmp_path, ApiOptions(admin_token="full")) as house:
        await house.post(f"{ACTORS}/writer/kill", headers=headers)
        rows = (await house.get("/api/v1/admin/audit?action=admin:", headers=headers)).json["items"]
    assert [row["actor"] for row in rows] == ["admin"]


async def test_more_requests_than_may_wait_are_asked_to_come_back(tmp_path: Path) -> None:
    async with House(tmp_path, ApiOptions(threads=1, backlog=2)) as house:
        told = await asyncio.gather(*[house.get(JOBS) for _ in range(30)])
    refused = [one for one in told if one.status != 200]
    assert refused
    assert {one.code for one in refused} == {"rate_limited"}
    assert {one.headers["Retry-After"] for one in refused} == {"1"}
