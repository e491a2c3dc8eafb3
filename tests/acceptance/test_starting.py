"""What a daemon refuses at its start, in one clear line and with the exit code that scripts know."""

import socket
import sqlite3
from contextlib import closing
from pathlib import Path

import httpx

from tests.acceptance.house import House, open_house, until
from tests.servers import PostgresServer


def refuse(folder: Path, *options: str, **settings: str) -> tuple[int, str]:
    folder.mkdir(exist_ok=True)
    house = House(folder, settings, *options)
    code, _ = house.command("daemon", *options)
    return code, house.log.read_text()


def test_a_second_daemon_on_the_same_file_is_refused(tmp_path: Path) -> None:
    with open_house(tmp_path) as house:
        code, output = house.command("daemon")
        assert code == 3
        assert output == ""
        assert "stop it, or use PostgreSQL" in house.tail()
        assert house.wait_for_job(house.order()["id"])["status"] == "completed"


def test_a_port_that_is_taken_is_refused(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        code, log = refuse(tmp_path, ADMIN_PORT=str(port))
    assert code == 3
    assert str(port) in log


def test_a_database_without_circle_needs_the_sandbox_to_be_asked_for(tmp_path: Path) -> None:
    code, log = refuse(tmp_path, DATABASE_URL=f"sqlite:///{tmp_path}/mine.db")
    assert code == 2
    assert "--sandbox" in log


def test_a_database_of_another_circle_environment_is_refused(tmp_path: Path) -> None:
    with open_house(tmp_path) as house:
        assert house.terminate() == 0
    code, log = refuse(
        tmp_path,
        DATABASE_URL=f"sqlite:///{tmp_path}/wallet-provisioning.db",
        CIRCLE_API_KEY="TEST_API_KEY:id:secret",
        CIRCLE_ENTITY_SECRET="ab" * 32,
        CIRCLE_BASE_URL="http://127.0.0.1:9",
    )
    assert code == 2
    assert "sandbox" in log
    assert "TEST_API_KEY" not in log
    assert "ab" * 32 not in log


def test_a_postgresql_schema_that_is_not_migrated_is_refused(
    tmp_path: Path, postgres: PostgresServer
) -> None:
    code, log = refuse(tmp_path, "--sandbox", DATABASE_URL=postgres.create_database())
    assert code == 3
    assert "wallet-provisioning migrate" in log


def test_a_file_that_a_later_release_migrated_is_worked_with(tmp_path: Path) -> None:
    with open_house(tmp_path) as house:
        assert house.terminate() == 0
    with closing(sqlite3.connect(tmp_path / "wallet-provisioning.db")) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    with open_house(tmp_path) as house:
        assert house.wait_for_job(house.order()["id"])["status"] == "completed"


def test_all_wrong_settings_are_told_at_once(tmp_path: Path) -> None:
    code, log = refuse(
        tmp_path, WORKER_LEASE="soon", WORKER_MAX_ATTEMPTS="0", WORKER_MAX_ATEMPTS="3", ADMIN_HOST="0.0.0.0"
    )
    assert code == 2
    assert all(
        name in log for name in ("WORKER_LEASE", "WORKER_MAX_ATTEMPTS", "WORKER_MAX_ATEMPTS", "ADMIN_HOST")
    )


def test_a_database_that_does_not_come_is_given_up_after_a_while(tmp_path: Path) -> None:
    code, log = refuse(
        tmp_path, "--sandbox", DATABASE_URL="postgresql://127.0.0.1:1/nowhere", WORKER_START_PATIENCE="1s"
    )
    assert code == 3
    assert log.count("waiting for the database, for up to 1s (WORKER_START_PATIENCE)") == 1
    assert "127.0.0.1" in log.splitlines()[-1]


def test_a_daemon_waits_for_its_database(tmp_path: Path) -> None:
    with PostgresServer() as server:
        url = server.create_database()
        port = _free_port()
        settings = {"DATABASE_URL": url, "ADMIN_PORT": str(port), "WORKER_START_PATIENCE": "5m"}
        house = House(tmp_path, settings, "--sandbox")
        assert house.command("migrate")[0] == 0
        server.stop()
        process = house.run("daemon", "--sandbox")
        try:
            _wait_for(house, "waiting for the database")
            probes = httpx.Client(base_url=f"http://127.0.0.1:{port}")
            with probes:
                assert probes.get("/healthz/live").status_code == 200
                assert probes.get("/healthz/ready").status_code == 503
                assert probes.get("/api/v1/admin/workers/health").status_code == 503
                status = probes.get("/api/v1/admin/workers/status").json()
                assert (status["worker"]["status"], status["scheduler"]["is_running"]) == ("degraded", False)
                assert status["metrics"]["total_jobs_processed"] is None
            server.start()
            assert process.stdout is not None
            assert "http://" in process.stdout.readline()
            with httpx.Client(base_url=f"http://127.0.0.1:{port}/api/v1/admin/workers") as workers:
                until(
                    lambda: workers.get("/status").json()["metrics"]["failed_jobs"] == 0 or None,
                    60,
                    house.tail,
                )
                assert workers.get("/status").json()["worker"]["status"] == "operational"
        finally:
            process.terminate()
            process.communicate(timeout=60)
        assert process.returncode == 0


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


def _wait_for(house: House, words: str) -> None:
    until(lambda: words in house.log.read_text() or None, 30, house.tail)
