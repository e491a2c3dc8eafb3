"""The daemon as a whole: status, totals, health and the probes, with the database there and away."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.support_api import House
from wallet_provisioning.http.api.control import Check
from wallet_provisioning.http.api.totals import KnownTotals
from wallet_provisioning.store.errors import StoreUnavailableError

WORKERS = "/api/v1/admin/workers/"


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with House(tmp_path) as opened:
        yield opened


def lose_database(folder: Path) -> None:
    """Put something in the way that is no database."""
    for path in folder.glob("house.db*"):
        path.unlink()
    (folder / "house.db").mkdir()


async def test_the_status_object_is_that_of_the_contract(house: House) -> None:
    assert (await house.get(WORKERS + "status")).json == {
        "worker": {"type": "wallet_provisioning", "status": "operational"},
        "scheduler": {
            "is_running": True,
            "poll_interval": "30s",
            "max_concurrency": 5,
            "active_jobs": 0,
        },
        "metrics": {
            "total_jobs_processed": 0,
            "successful_jobs": 0,
            "failed_jobs": 0,
            "average_duration_ms": None,
            "last_processed_at": None,
            "errors_by_type": {},
        },
    }


async def test_the_metrics_object_adds_what_is_unfinished(house: House) -> None:
    await house.accept()
    metrics = (await house.get(WORKERS + "metrics")).json
    status = (await house.get(WORKERS + "status")).json
    assert metrics["jobs_by_status"] == {"queued": 1, "in_progress": 0, "retry": 0}
    assert metrics["oldest_due_job_age_ms"] >= 0
    assert metrics["active_jobs"] == 0
    assert status["metrics"].items() <= metrics.items()


async def test_a_daemon_with_all_it_needs_is_healthy(house: House) -> None:
    told = await house.get(WORKERS + "health")
    assert told.status == 200
    assert told.json == {
        "status": "healthy",
        "checks": {
            "scheduler": {"ok": True, "detail": "running"},
            "circle.ETH": {"ok": True, "detail": "closed"},
            "database": {"ok": True, "detail": "sqlite"},
        },
    }


async def test_a_scheduler_that_is_not_running_is_unhealthy(house: House) -> None:
    house.daemon.running = False
    told = await house.get(WORKERS + "health")
    assert (told.status, told.json["status"]) == (503, "unhealthy")
    assert told.json["checks"]["scheduler"]["ok"] is False


async def test_a_breaker_that_is_open_is_shown_but_is_no_illness(house: House) -> None:
    house.daemon.ailing = {"circle.SOL": Check(ok=False, detail="open")}
    told = await house.get(WORKERS + "health")
    assert told.status == 200
    assert told.json["checks"]["circle.SOL"] == {"ok": False, "detail": "open"}


async def test_a_database_that_is_away_is_unhealthy_unready_and_unavailable(
    house: House, tmp_path: Path
) -> None:
    lose_database(tmp_path)
    house.database.close()
    health = await house.get(WORKERS + "health")
    assert (health.status, health.json["checks"]["database"]["ok"]) == (503, False)
    ready = await house.get("/healthz/ready")
    assert (ready.status, ready.code) == (503, "unavailable")
    jobs = await house.get("/api/v1/admin/jobs")
    assert (jobs.status, jobs.code, jobs.headers["Retry-After"]) == (503, "unavailable", "1")
    assert (await house.get("/healthz/live")).status == 200
    assert (await house.post("/api/v1/admin/actors/writer/kill")).status == 503
    assert house.daemon.kills == []


async def test_the_status_is_told_with_the_last_totals_while_the_database_is_away(
    house: House, tmp_path: Path
) -> None:
    lose_database(tmp_path)
    house.database.close()
    told = await house.get(WORKERS + "status")
    assert (told.status, told.json["metrics"]["total_jobs_processed"]) == (200, 0)


async def test_totals_are_kept_recent_though_nobody_asks() -> None:
    answers = [StoreUnavailableError("away"), 3, TimeoutError(), 7, StoreUnavailableError("away")]
    is_over, known = asyncio.Event(), KnownTotals()

    class Door:
        async def read(self, _question: object) -> object:
            answer = answers.pop(0)
            if not answers:
                is_over.set()
            if isinstance(answer, Exception):
                raise answer
            return answer

    door: Any = Door()
    keeping = asyncio.create_task(known.keep(door, every=0.0))
    await is_over.wait()
    keeping.cancel()
    answers.append(StoreUnavailableError("away"))
    last: Any = await known.read(door)
    assert last == 7


async def test_a_ready_daemon_says_so(house: House) -> None:
    told = await house.get("/healthz/ready")
    assert (told.status, told.json) == (200, {"status": "ready"})


async def test_a_daemon_that_starts_or_drains_is_alive_but_not_ready(house: House) -> None:
    house.daemon.ready = False
    starting = await house.get("/healthz/ready")
    house.daemon.ready, house.daemon.draining = True, True
    draining = await house.get("/healthz/ready")
    assert [starting.code, draining.code] == ["unavailable", "unavailable"]
    assert "starting" in starting.json["detail"]
    assert "draining" in draining.json["detail"]
    assert (await house.get("/healthz/live")).json == {"status": "live"}


async def test_a_draining_daemon_still_accepts_since_the_row_is_the_truth(house: House) -> None:
    house.daemon.draining = True
    assert (await house.accept())["status"] == "queued"


async def test_prometheus_gets_its_text_with_its_type(house: House) -> None:
    told = await house.get("/metrics?collect[]=jobs")
    assert told.status == 200
    assert told.headers["Content-Type"] == "text/plain; version=1.0.0; charset=utf-8"
    assert told.text == "wallet_provisioning_active_jobs 0\n"


async def test_a_head_request_is_answered_like_a_get_without_its_body(house: House) -> None:
    told = await house.ask("HEAD", "/healthz/live")
    assert (told.status, told.text) == (200, "")


async def test_the_daemons_word_on_its_scheduler_outweighs_a_check_that_is_late(house: House) -> None:
    house.daemon.ailing = {"scheduler": Check(ok=True, detail="running a moment ago")}
    house.daemon.running = False
    assert (await house.get(WORKERS + "health")).status == 503
