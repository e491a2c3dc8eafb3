"""A database that was replaced by an old backup creates nothing until it knows again what Circle holds."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from tests.acceptance.house import House, open_house, until

KEY, SECRET = "TEST_API_KEY:id:secret", "ab" * 32


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[str]:
    """The simulator in a process of its own; its state lies where the house looks for it."""
    helper = House(tmp_path, {})
    process = helper.run(
        "sandbox",
        "--port",
        "0",
        "--latency",
        "0ms",
        "--state",
        str(tmp_path / "wallet-provisioning-sandbox.jsonl"),
    )
    assert process.stdout is not None
    yield process.stdout.readline().split()[-1]
    process.terminate()
    process.communicate(timeout=60)


def settings_for(sandbox: str, folder: Path, key: str = KEY) -> dict[str, str]:
    return {
        "DATABASE_URL": f"sqlite:///{folder}/wallet-provisioning.db",
        "CIRCLE_API_KEY": key,
        "CIRCLE_ENTITY_SECRET": SECRET,
        "CIRCLE_BASE_URL": sandbox,
    }


def provision(house: House, count: int) -> dict[str, set[str]]:
    """Provision new users; return each one's wallets at Circle."""
    users = [str(uuid4()) for _ in range(count)]
    for job in [house.order(user) for user in users]:
        assert house.wait_for_job(job["id"])["status"] == "completed"
    return {user: wallets_of(house, user) for user in users}


def wallets_of(house: House, user: str) -> set[str]:
    items = house.get(f"onboarding/users/{user}/wallets")["items"]
    return {wallet["circle_wallet_id"] for wallet in items}


def reconcile(house: House, *options: str) -> tuple[int, dict[str, Any]]:
    code, output = house.command("reconcile", "--json", *options)
    assert output, house.tail()
    return code, json.loads(output)


def test_after_an_old_backup_nothing_is_created_until_reconcile_has_taken_over(
    tmp_path: Path, sandbox: str
) -> None:
    with open_house(tmp_path, **settings_for(sandbox, tmp_path)) as house:
        kept = provision(house, 3)
        assert house.terminate() == 0
        backup = tmp_path / "backup.db"
        shutil.copy(tmp_path / "wallet-provisioning.db", backup)
        house.start()
        lost = provision(house, 3)
        house.kill()
        for rest in tmp_path.glob("wallet-provisioning.db*"):
            rest.unlink()
        shutil.copy(backup, tmp_path / "wallet-provisioning.db")
        house.start()
        before = house.wallets_at_circle()
        assert sum(before.values()) == 18

        user = next(iter(lost))
        job = house.order(user)
        until(lambda: _is_held(house) or None, 60, house.tail)
        until(lambda: house.get(f"admin/jobs/{job['id']}")["error_type"], 60, house.tail)
        waiting = house.get(f"admin/jobs/{job['id']}")
        assert (waiting["status"], waiting["error_type"]) == ("retry", "circuit_open")
        assert waiting["attempt_count"] == 0
        assert house.get("admin/workers/status")["worker"]["status"] == "degraded"
        assert house.wallets_at_circle() == before

        code, report = reconcile(house)
        assert code == 1
        assert report["found"] == {**dict.fromkeys(report["found"], 0), "adoptable": 3, "unclaimed": 6}
        assert {row["circle_wallet_id"] for row in report["findings"]} == set().union(*lost.values())

        code, report = reconcile(house, "--apply")
        assert (code, report["hold"], report["clean"]) == (0, "released", True)
        assert house.wait_for_job(job["id"])["status"] == "completed"
        for other in lost:
            assert house.wait_for_job(house.order(other)["id"])["status"] == "completed"
            assert wallets_of(house, other) == lost[other]
        for user, wallets in kept.items():
            assert wallets_of(house, user) == wallets
        assert house.wallets_at_circle() == before
        assert reconcile(house)[0] == 0


def _is_held(house: House) -> bool:
    answer = house.client.get("/api/v1/admin/workers/health")
    return "reconcile --apply" in answer.text
