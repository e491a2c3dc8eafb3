"""The main job, as a newcomer sees it: one callback, three live wallets, the whole trail."""

from pathlib import Path
from uuid import UUID, uuid4

import pytest

from tests.acceptance.house import House, open_house
from tests.servers import PostgresServer

TRAIL = "SELECT * FROM audit_logs WHERE action LIKE '%wallet-worker%' ORDER BY created_at DESC"
RETRIES = """
    SELECT user_id, status, attempt_count, error_message, next_retry_at FROM wallet_provisioning_jobs
      WHERE status = 'retry' ORDER BY next_retry_at ASC
"""
OF_USER = """
    SELECT action, resource_type, changes, status, error_message, created_at FROM audit_logs
      WHERE user_id = :user AND action LIKE '%wallet%' ORDER BY created_at DESC
"""


def provision_one(house: House) -> None:
    job = house.wait_for_job(house.approve("ref-1")["id"])
    assert job["status"] == "completed"
    assert [(each["chain"], each["blockchain"]) for each in job["wallets"]] == [
        ("ETH", "ETH-SEPOLIA"),
        ("SOL", "SOL-DEVNET"),
        ("APTOS", "APTOS-TESTNET"),
    ]
    assert {each["status"] for each in job["wallets"]} == {"live"}
    assert len({UUID(each["circle_wallet_id"]) for each in job["wallets"]}) == 3
    assert all(each["address"] for each in job["wallets"])
    actions = [row["action"] for row in job["timeline"]]
    assert actions[:2] == ["wallet-worker:job_created", "wallet-worker:provision_start"]
    assert actions.count("wallet-worker:wallet_created") == 3
    assert actions[-1] == "wallet-worker:provision_complete"
    assert {row["trace_id"] for row in job["timeline"]} == {job["trace_id"]}
    assert sum(house.wallets_at_circle().values()) == 3
    trail, retries, users = (house.rows(query, user=job["user_id"]) for query in (TRAIL, RETRIES, OF_USER))
    assert [row["resource_type"] for row in trail].count("wallet_set") == 1
    assert len(trail) == 7
    assert retries == []
    assert len(users) == 6


def test_one_callback_makes_three_wallets_on_the_embedded_database(tmp_path: Path) -> None:
    with open_house(tmp_path) as house:
        provision_one(house)


def test_one_callback_makes_three_wallets_on_postgresql(tmp_path: Path, postgres: PostgresServer) -> None:
    url = postgres.create_database()
    house = House(tmp_path, {"DATABASE_URL": url}, "--sandbox")
    assert house.command("migrate")[0] == 0
    with open_house(tmp_path, "--sandbox", DATABASE_URL=url) as running:
        provision_one(running)


def test_a_repeated_callback_answers_the_same_and_makes_nothing(tmp_path: Path) -> None:
    with open_house(tmp_path) as house:
        first = house.wait_for_job(house.approve("ref-1")["id"])
        again = house.approve("ref-1")
        assert again["id"] == first["id"]
        assert len(house.jobs()) == 1
        assert sum(house.wallets_at_circle().values()) == 3


def test_a_job_is_started_by_its_acceptance_and_not_by_the_poll(tmp_path: Path) -> None:
    with open_house(tmp_path, WORKER_POLL_INTERVAL="1h") as house:
        house.wait_for_job(house.approve("warm-up")["id"])
        jobs = [house.wait_for_job(house.order()["id"]) for _ in range(3)]
        assert {job["status"] for job in jobs} == {"completed"}


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_a_job_of_the_command_line_is_started_by_a_running_daemon(
    tmp_path: Path, database: str, postgres: PostgresServer
) -> None:
    settings = {"WORKER_POLL_INTERVAL": "1h"}
    options: tuple[str, ...] = ()
    if database == "postgresql":
        settings["DATABASE_URL"] = postgres.create_database()
        options = ("--sandbox",)
        assert House(tmp_path, settings).command("migrate")[0] == 0
    with open_house(tmp_path, *options, **settings) as house:
        code, output = house.command("provision", str(uuid4()), "--wait", "--timeout", "30s", "--json")
        assert code == 0, house.tail()
        assert '"completed"' in output


def test_what_was_made_survives_a_restart(tmp_path: Path) -> None:
    with open_house(tmp_path) as house:
        job = house.wait_for_job(house.approve("ref-1")["id"])
        assert house.terminate() == 0
        house.start()
        assert house.get(f"admin/jobs/{job['id']}")["wallets"] == job["wallets"]
        other = house.wait_for_job(house.approve("ref-2")["id"])
        assert {each["wallet_set_id"] for each in [*job["wallets"], *other["wallets"]]} == {
            job["wallets"][0]["wallet_set_id"]
        }
        status = house.get("admin/workers/status")
        assert status["metrics"]["successful_jobs"] == 2
