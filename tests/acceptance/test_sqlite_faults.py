"""An embedded database that can't be used: a clear line and exit code 3 at the start, later a state."""

import os
import resource
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path
from uuid import uuid4

from tests.acceptance.house import LAUNCHER, House, open_house, until
from wallet_provisioning.store.schema import migrate

FILE = "wallet-provisioning.db"
_FULL = 1 << 16


def fails_to_start(folder: Path) -> str:
    """Start a daemon that must refuse with exit code 3; return its last line."""
    house = House(folder, {})
    try:
        code, output = house.command("daemon")
        assert (code, output) == (3, ""), house.tail()
        return house.tail().splitlines()[-1]
    finally:
        house.close()


def worker_state(house: House) -> str:
    return str(house.get("admin/workers/status")["worker"]["status"])


def test_a_file_that_is_no_database_is_refused_in_a_line(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text("dear diary, " * 1000)
    assert "the file is no SQLite database; name another file in DATABASE_URL" in fails_to_start(tmp_path)
    assert (tmp_path / FILE).read_text().startswith("dear diary")


def test_a_damaged_file_is_refused_in_a_line(tmp_path: Path) -> None:
    migrate(f"sqlite:///{tmp_path / FILE}")
    with (tmp_path / FILE).open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * 200_000)
    assert "the file is damaged; stop the daemon and restore a backup" in fails_to_start(tmp_path)


# Root may write everything. Without this one capability (CAP_DAC_OVERRIDE) it is asked like anybody else.
_LIKE_ANYBODY = """
import ctypes, os, sys
drop_from_bounding_set, override_rights = 24, 1
ctypes.CDLL(None).prctl(drop_from_bounding_set, override_rights, 0, 0, 0)
os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
"""


def test_a_file_that_may_not_be_written_is_refused_in_a_line(tmp_path: Path) -> None:
    migrate(f"sqlite:///{tmp_path / FILE}")
    (tmp_path / FILE).chmod(0o444)
    tmp_path.chmod(0o555)
    done = subprocess.run(
        [sys.executable, "-c", _LIKE_ANYBODY, str(LAUNCHER), "migrate"],
        env={"PATH": os.environ["PATH"], "DATABASE_URL": f"sqlite:///{tmp_path / FILE}"},
        capture_output=True,
        text=True,
        check=False,
    )
    tmp_path.chmod(0o755)

    assert done.returncode == 3, done.stderr
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert "read-only; let this user write to the file and its folder" in done.stderr


def test_a_new_file_is_for_its_user_alone(tmp_path: Path) -> None:
    with open_house(tmp_path) as house:
        house.wait_for_job(house.approve("kyc-1")["id"])
        for name in (FILE, f"{FILE}-wal", f"{FILE}-shm"):
            assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600, name


def test_a_full_disk_is_a_state_and_nothing_that_was_acknowledged_is_lost(tmp_path: Path) -> None:
    with open_house(tmp_path) as house:
        assert house.process is not None
        first = house.wait_for_job(house.approve("kyc-1")["id"])
        # Less than the log that SQLite appends to, more than what the daemon says meanwhile.
        assert (tmp_path / f"{FILE}-wal").stat().st_size > _FULL
        resource.prlimit(house.process.pid, resource.RLIMIT_FSIZE, (_FULL, resource.RLIM_INFINITY))

        answer = until(lambda: _refusal(house), 60, house.tail)
        assert answer["code"] == "unavailable"
        until(lambda: worker_state(house) == "degraded" or None, 60, house.tail)
        assert house.process.poll() is None
        assert "can't be used" in unhealthy(house)

        resource.prlimit(
            house.process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
        )
        until(lambda: worker_state(house) == "operational" or None, 60, house.tail)
        assert house.get(f"admin/jobs/{first['id']}")["status"] == "completed"
        assert house.wait_for_job(house.approve("kyc-2")["id"])["status"] == "completed"
        assert "can't be used: " in house.log.read_text()
    assert _is_sound(tmp_path / FILE)


def unhealthy(house: House) -> str:
    """Return what is wrong with the database of a daemon that says of itself that it can't work."""
    answer = house.client.get("/api/v1/admin/workers/health")
    check = answer.json()["checks"]["database"]
    assert (answer.status_code, check["ok"]) == (503, False)
    return str(check["detail"])


def test_a_file_that_another_program_holds_locked_is_a_state_and_no_restart_is_spent(tmp_path: Path) -> None:
    with open_house(tmp_path) as house:
        house.wait_for_job(house.order()["id"])
        before = house.get("admin/actors")["items"]
        other = sqlite3.connect(tmp_path / FILE, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")

        asking = house.run("provision", str(uuid4()))
        until(lambda: worker_state(house) == "degraded" or None, 60, house.tail)
        assert "another program holds the database file locked" in unhealthy(house)
        assert (asking.communicate(timeout=60)[0], asking.returncode) == ("", 3)
        told = [line for line in house.log.read_text().splitlines() if not line.startswith("{")]
        assert told == ["another program holds the database file locked; close that program"]

        other.execute("ROLLBACK")
        other.close()
        assert house.wait_for_job(house.order()["id"])["status"] == "completed"
        until(lambda: worker_state(house) == "operational" or None, 60, house.tail)
        after = house.get("admin/actors")["items"]
        assert [each["incarnation"] for each in after] == [each["incarnation"] for each in before]


def _refusal(house: House) -> dict[str, str] | None:
    """Ask for wallets until the disk is full; whoever is told 202 has a job."""
    answer = house.client.post(
        "/api/v1/onboarding/jobs", json={"user_id": "0190f7a2-7c3e-7e6b-9f0a-3d1b2c4d5e6f"}
    )
    problem: dict[str, str] = answer.json()
    return problem if answer.status_code == 503 else None


def _is_sound(file: Path) -> bool:
    connection = sqlite3.connect(file)
    try:
        return bool(connection.execute("PRAGMA integrity_check").fetchone() == ("ok",))
    finally:
        connection.close()
