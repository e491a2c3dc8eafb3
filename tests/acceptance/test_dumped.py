"""A PostgreSQL database that is dumped and restored into another server keeps seals, guards and totals."""

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.acceptance.house import House, until
from tests.acceptance.outside import Circle, open_circle
from tests.servers import POSTGRES_PROGRAMS, PostgresServer
from wallet_provisioning.clock import SystemClock
from wallet_provisioning.store.database import Database
from wallet_provisioning.store.folding import Folder
from wallet_provisioning.store.seals import seal_next
from wallet_provisioning.store.signing import Signer

SECRET_KEY = "5e" * 32
CHANGES = {
    "UPDATE wallet_provisioning_jobs SET status = 'failed'": "only together with its audit row",
    "DELETE FROM wallet_provisioning_jobs": "deleted by the retention only",
    "UPDATE audit_logs SET actor = 'nobody'": "never changed or deleted",
    "DELETE FROM audit_logs": "never changed or deleted",
    "TRUNCATE audit_seals": "never changed or deleted",
}


@pytest.fixture
def circle(tmp_path: Path) -> Iterator[Circle]:
    with open_circle(tmp_path) as circle:
        yield circle


@pytest.fixture
def new_server() -> Iterator[PostgresServer]:
    """A server whose counter of transactions begins anew."""
    with PostgresServer() as server:
        yield server


@pytest.mark.timeout(300)
def test_seals_guards_and_the_look_at_circle_survive_dump_and_restore(
    tmp_path: Path, circle: Circle, postgres: PostgresServer, new_server: PostgresServer
) -> None:
    url = postgres.create_database()
    house = House(tmp_path, circle.settings(DATABASE_URL=url, AUDIT_SIGNING_KEY=SECRET_KEY))
    assert house.command("migrate")[0] == 0
    house.start()
    try:
        # So that the old server is far ahead of the new one.
        spend_transactions(url, 3000)
        provision(house, 2)
        fold(url)
        provision(house, 1)
        rows = seal(url)
        dump = run("pg_dump", "--format=custom", url)
        lost = provision(house, 2)
        house.kill()

        restored = new_server.create_database()
        run("pg_restore", "--exit-on-error", "--dbname", restored, stdin=dump)
        house.settings["DATABASE_URL"] = restored
        assert house.command("daemon")[0] == 3
        assert "the database was restored from a dump; run `wallet-provisioning migrate` once" in house.tail()
        assert house.command("migrate")[0] == 0

        assert verified(house) == rows
        assert refusals(restored) == CHANGES
        house.start()
        assert counted(house) == 3
        job = house.order(lost[0])
        until(lambda: is_held(house) or None, 60, house.tail)
        assert house.command("reconcile", "--apply")[0] == 0
        assert house.wait_for_job(job["id"])["status"] == "completed"
        house.wait_for_job(house.order(lost[1])["id"])
        provision(house, 1)
        assert seal(restored) > rows
        assert verified(house) > rows
        assert sum(len(ids) for ids in circle.wallets().values()) == counted(house) == 6
    finally:
        house.close()


def provision(house: House, count: int) -> list[str]:
    """Provision new users; return them."""
    jobs = [house.order() for _ in range(count)]
    assert {house.wait_for_job(job["id"])["status"] for job in jobs} == {"completed"}
    return [job["user_id"] for job in jobs]


def spend_transactions(url: str, count: int) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        for _ in range(count):
            connection.execute("SELECT txid_current()")


def fold(url: str) -> None:
    """Add to the totals what was counted, under the old server's ids of transactions."""
    database = Database(url, clock=SystemClock())
    with database.write("test", "fold") as tx:
        assert Folder().fold(tx, enough=1) > 0
    database.close()


def counted(house: House) -> int:
    """Return how many jobs the daemon says were completed."""
    return int(house.get("admin/workers/status")["metrics"]["successful_jobs"])


def seal(url: str) -> int:
    """Seal all that is there; return how many rows that makes in all."""
    database = Database(url, clock=SystemClock())
    signer = Signer(SECRET_KEY)
    is_done = False
    while not is_done:
        with database.write("test", "seal") as tx:
            is_done = seal_next(tx, signer) is None
    database.close()
    with psycopg.connect(url) as connection:
        ((count,),) = connection.execute("SELECT sum(row_count) FROM audit_seals").fetchall()
    return int(count)


def verified(house: House) -> int:
    """Return how many sealed rows are as they were; there must be no other."""
    code, output = house.command("audit", "verify")
    assert code == 0, output
    return int(output.split()[0])


def refusals(url: str) -> dict[str, str]:
    """Return which of the changes are refused with the words that say why."""
    found = {}
    for statement, words in CHANGES.items():
        with psycopg.connect(url) as connection, pytest.raises(psycopg.Error) as refused:
            connection.execute(statement.encode())
        if words in str(refused.value):
            found[statement] = words
    return found


def is_held(house: House) -> bool:
    return "reconcile --apply" in house.client.get("/api/v1/admin/workers/health").text


def run(program: str, *arguments: str, stdin: bytes = b"") -> bytes:
    done: Any = subprocess.run(
        [POSTGRES_PROGRAMS / program, *arguments], input=stdin, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr.decode()
    output: bytes = done.stdout
    return output
