"""The wallet set: made once by any number of daemons, and never by itself under a LIVE key."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from tests.acceptance.house import STATE, House, open_house, until
from tests.acceptance.outside import Circle, assert_one_wallet_each, open_circle
from tests.servers import PostgresServer

STAMPED = "SELECT wallet_set_id FROM deployment WHERE wallet_set_id IS NOT NULL"
SECRET = "ab" * 32
STRANGER = "0190f7a2-7c3e-4e6b-9f0a-3d1b2c4d5e6f"


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[str]:
    process = House(tmp_path, {}).run(
        "sandbox", "--port", "0", "--latency", "0ms", "--state", str(tmp_path / STATE)
    )
    assert process.stdout is not None
    yield process.stdout.readline().split()[-1]
    process.terminate()
    process.communicate(timeout=60)


@pytest.fixture
def circle(tmp_path: Path) -> Iterator[Circle]:
    with open_circle(tmp_path) as circle:
        yield circle


def account(sandbox: str, key: str = "TEST_API_KEY:id:secret") -> dict[str, str]:
    return {"CIRCLE_API_KEY": key, "CIRCLE_ENTITY_SECRET": SECRET, "CIRCLE_BASE_URL": sandbox}


def sets_at_circle(folder: Path) -> int:
    lines = (folder / STATE).read_text().splitlines()
    return sum(json.loads(line)["kind"] == "wallet_set" for line in lines)


def test_three_daemons_that_start_together_make_one_set(
    tmp_path: Path, sandbox: str, postgres: PostgresServer
) -> None:
    settings = {"DATABASE_URL": postgres.create_database(), **account(sandbox)}
    assert House(tmp_path, settings).command("migrate")[0] == 0
    houses = [House(tmp_path / str(number), settings) for number in range(3)]
    with ExitStack() as stack, ThreadPoolExecutor(3) as pool:
        for house in houses:
            house.folder.mkdir()
            stack.callback(house.close)
        list(pool.map(House.start, houses))
        jobs = [house.order() for house in houses for _ in range(3)]
        for job in jobs:
            assert houses[0].wait_for_job(job["id"], timeout=60)["status"] == "completed"
        sets = {row["wallet_set_id"] for row in houses[0].rows("SELECT wallet_set_id FROM managed_wallets")}
    assert len(sets) == 1
    assert sets_at_circle(tmp_path) == 1


def test_under_a_live_key_jobs_wait_until_an_operator_has_made_the_set(tmp_path: Path, sandbox: str) -> None:
    settings = {
        "DATABASE_URL": f"sqlite:///{tmp_path}/live.db",
        **account(sandbox, "LIVE_API_KEY:id:secret"),
    }
    with open_house(tmp_path, **settings) as house:
        until(lambda: _says(house, "wallet-set create"), 60, house.tail)
        job = house.order(str(uuid4()))
        until(lambda: house.get(f"admin/jobs/{job['id']}")["error_type"], 60, house.tail)
        waiting = house.get(f"admin/jobs/{job['id']}")
        assert (waiting["status"], waiting["error_type"]) == ("retry", "circuit_open")
        assert waiting["attempt_count"] == 0
        assert house.get("admin/workers/status")["worker"]["status"] == "degraded"
        assert sets_at_circle(tmp_path) == 0

        assert house.command("wallet-set", "show")[0] == 1
        code, made = house.command("wallet-set", "create", "--json")
        assert code == 0
        assert house.command("wallet-set", "create", "--json") == (0, made)
        assert house.command("wallet-set", "show", "--json") == (0, made)
        until(lambda: "wallet_set" not in checks(house) or None, 60, house.tail)
        assert sets_at_circle(tmp_path) == 1


def test_jobs_wait_while_circle_does_not_know_the_named_set_and_go_on_once_it_is_corrected(
    tmp_path: Path, circle: Circle
) -> None:
    settings = circle.settings()
    right = settings["CIRCLE_WALLET_SET_ID"]
    with open_house(tmp_path, **{**settings, "CIRCLE_WALLET_SET_ID": STRANGER}) as house:
        until(lambda: _says(house, f"no wallet set {STRANGER}"), 60, house.tail)
        jobs = [house.order()["id"] for _ in range(3)]
        assert_waiting(house, jobs, f"CIRCLE_WALLET_SET_ID: Circle knows no wallet set {STRANGER}")
        assert house.rows("SELECT wallet_set_id FROM deployment") == [{"wallet_set_id": None}]
        assert house.terminate() == 0
        house.settings["CIRCLE_WALLET_SET_ID"] = right
        assert_completes(house, circle, 3)


def test_a_stamped_set_that_circle_lost_is_changed_by_an_operator_while_nothing_was_made(
    tmp_path: Path, circle: Circle
) -> None:
    with ExitStack() as stack:
        (tmp_path / "other").mkdir()
        lost = stack.enter_context(open_circle(tmp_path / "other"))
        house = stack.enter_context(open_house(tmp_path, **lost.settings()))
        until(lambda: house.rows(STAMPED) or None, 60, house.tail)
        (stamped,) = house.rows(STAMPED)
        assert house.terminate() == 0

        del house.settings["CIRCLE_WALLET_SET_ID"]
        house.settings["CIRCLE_BASE_URL"] = circle.base_url
        house.start()
        jobs = [house.order()["id"] for _ in range(3)]
        assert_waiting(house, jobs, f"Circle knows no wallet set {stamped['wallet_set_id']}")
        house.settings["CIRCLE_WALLET_SET_ID"] = circle.settings()["CIRCLE_WALLET_SET_ID"]
        assert house.command("wallet-set", "change", "--reason", "too early")[0] == 1
        assert "stop them first" in house.tail()
        assert house.terminate() == 0

        assert house.command("daemon")[0] == 2
        assert "wallet-set change" in house.tail()
        assert house.command("wallet-set", "change", "--reason", "the sandbox was emptied")[0] == 0
        assert_completes(house, circle, 3)
        assert house.command("wallet-set", "show", "--json")[0] == 0


def assert_waiting(house: House, jobs: list[str], reason: str) -> None:
    """The breaker is open and says why; all jobs wait for it and none has used an attempt."""
    until(lambda: reason in str(breaker(house)["reason"]) or None, 60, lambda: str(breaker(house)))
    assert breaker(house)["breaker"] == "open"

    def all_wait() -> bool | None:
        found = [house.get(f"admin/jobs/{job}") for job in jobs]
        return {(job["status"], job["error_type"]) for job in found} == {("retry", "circuit_open")} or None

    until(all_wait, 60, house.tail)
    assert {house.get(f"admin/jobs/{job}")["attempt_count"] for job in jobs} == {0}
    assert house.get("admin/workers/status")["worker"]["status"] == "degraded"


def assert_completes(house: House, circle: Circle, wallets: int) -> None:
    """The daemon starts again, and every job ends well at its first attempt."""
    house.start()
    jobs = house.wait_for_jobs(wallets)
    assert {job["attempt_count"] for job in jobs} == {1}
    assert_one_wallet_each(circle, house, wallets)


def breaker(house: House) -> dict[str, Any]:
    (chain,) = house.get("admin/chains")["items"]
    found: dict[str, Any] = chain
    return found


def checks(house: House) -> dict[str, Any]:
    found: dict[str, Any] = house.client.get("/api/v1/admin/workers/health").json()["checks"]
    return found


def _says(house: House, words: str) -> bool | None:
    return words in checks(house).get("wallet_set", {}).get("detail", "") or None
