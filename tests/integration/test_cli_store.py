"""`migrate`, `provision` and `check` against real databases, a real Redis and a sandbox on a socket."""

import contextlib
import json
import sqlite3
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from tests.servers import PostgresServer, RedisServer
from wallet_provisioning.cli import main
from wallet_provisioning.clock import SystemClock
from wallet_provisioning.jobs import moves
from wallet_provisioning.jobs.errors import ErrorType
from wallet_provisioning.jobs.moves import ClaimedJob, Move
from wallet_provisioning.store import schema
from wallet_provisioning.store.claims import claim_jobs
from wallet_provisioning.store.database import Database
from wallet_provisioning.store.moves import apply_moves
from wallet_provisioning.store.stamp import stamp_environment

USER = "0190f7a2-7c3e-7e6b-9f0a-3d1b2c4d5e6f"
LEASE = timedelta(seconds=30)
NOWHERE = "postgresql://me:hidden@127.0.0.1:1/wallets"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "wallets.db"


@pytest.fixture
def sqlite(file: Path) -> dict[str, str]:
    return {"DATABASE_URL": f"sqlite:///{file}"}


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    with PostgresServer() as running:
        yield running


@pytest.fixture
def postgres(server: PostgresServer) -> Iterator[dict[str, str]]:
    url = server.create_database()
    yield {"DATABASE_URL": url}
    server.drop_database(url)


@pytest.fixture(params=["sqlite", "postgres"])
def database(request: pytest.FixtureRequest) -> dict[str, str]:
    """Either database, empty: what DATABASE_URL is set to."""
    environ: dict[str, str] = request.getfixturevalue(request.param)
    return environ


Written = pytest.CaptureFixture[str]


def put_in_the_future(file: Path, oldest_program: str | None = None) -> None:
    """Leave the file as a program of later days would, which may keep older ones off."""
    with contextlib.closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
        if oldest_program is not None:
            connection.execute("UPDATE schema_compatibility SET oldest_program = ?", (oldest_program,))


class TestMigrate:
    def test_the_schema_is_brought_up_once(self, database: dict[str, str], capsys: Written) -> None:
        assert main(["migrate", "--check"], database) == 1
        assert "no schema yet" in capsys.readouterr().out
        assert main(["migrate"], database) == 0
        assert main(["migrate", "--check"], database) == 0
        assert main(["migrate"], database) == 0
        assert "up to date" in capsys.readouterr().out

    def test_looking_makes_no_file(self, sqlite: dict[str, str], file: Path) -> None:
        main(["migrate", "--check"], sqlite)
        assert not file.exists()

    def test_a_database_out_of_reach_is_exit_code_3_and_shows_no_password(self, capsys: Written) -> None:
        assert main(["migrate"], {"DATABASE_URL": NOWHERE}) == 3
        written = capsys.readouterr()
        assert written.out == ""
        assert written.err != ""
        assert "hidden" not in written.err

    def test_a_file_that_is_no_database_is_exit_code_3(self, sqlite: dict[str, str], file: Path) -> None:
        file.write_bytes(b"no database at all" * 100)
        assert main(["migrate"], sqlite) == 3


class TestProvision:
    def test_a_job_is_accepted_and_shown(self, sqlite: dict[str, str], capsys: Written) -> None:
        assert main(["provision", USER], sqlite) == 0
        written = capsys.readouterr()
        assert USER in written.out
        assert all(chain in written.out for chain in ("queued", "ETH", "SOL", "APTOS", "creating"))
        assert written.err == "accepted\n"

    def test_json_is_the_job_of_the_api_and_nothing_else(
        self, sqlite: dict[str, str], capsys: Written
    ) -> None:
        assert main(["provision", USER, "--chains", "SOL,ETH", "--json"], sqlite) == 0
        job = json.loads(capsys.readouterr().out)
        assert (job["user_id"], job["status"], job["source"]) == (USER, "queued", "cli")
        assert job["chains"] == ["SOL", "ETH"]
        assert [wallet["chain"] for wallet in job["wallets"]] == ["SOL", "ETH"]

    def test_the_settings_decide_on_chains_and_attempts(
        self, sqlite: dict[str, str], capsys: Written
    ) -> None:
        environ = {**sqlite, "WORKER_CHAINS": "BASE", "WORKER_MAX_ATTEMPTS": "2"}
        assert main(["provision", USER, "--json"], environ) == 0
        job = json.loads(capsys.readouterr().out)
        assert (job["chains"], job["max_attempts"]) == (["BASE"], 2)

    def test_a_repeat_shows_the_first_job_and_merges_what_it_lacks(
        self, sqlite: dict[str, str], capsys: Written
    ) -> None:
        main(["provision", USER, "--chains", "ETH", "--json"], sqlite)
        first = json.loads(capsys.readouterr().out)
        main(["provision", USER, "--chains", "ETH", "--json"], sqlite)
        written = capsys.readouterr()
        assert json.loads(written.out)["id"] == first["id"]
        assert "already" in written.err
        main(["provision", USER, "--chains", "SOL", "--json"], sqlite)
        written = capsys.readouterr()
        assert json.loads(written.out)["chains"] == ["ETH", "SOL"]
        assert "now with SOL too" in written.err

    def test_it_is_audited_as_the_command_lines(self, sqlite: dict[str, str], file: Path) -> None:
        main(["provision", USER], sqlite)
        with sqlite3.connect(file) as connection:
            rows = connection.execute("SELECT actor, action FROM audit_logs").fetchall()
        connection.close()
        assert rows == [("cli", "wallet-worker:job_created")]

    @pytest.mark.parametrize("chains", ["DOGE", "NEAR", "ETH,", ""])
    def test_chains_that_are_not_served_are_wrong_usage(
        self, chains: str, sqlite: dict[str, str], capsys: Written
    ) -> None:
        assert main(["provision", USER, "--chains", chains], sqlite) == 2
        assert capsys.readouterr().out == ""

    def test_without_a_key_the_stamp_of_the_database_says_which_networks_are_meant(
        self, sqlite: dict[str, str], capsys: Written
    ) -> None:
        schema.migrate(sqlite["DATABASE_URL"])
        store = Database(sqlite["DATABASE_URL"], clock=SystemClock())
        with store.write("test", "stamp") as tx:
            stamp_environment(tx, "live", None)
        store.close()
        assert main(["provision", USER, "--chains", "ETH-SEPOLIA"], sqlite) == 2
        assert "test network" in capsys.readouterr().err

    @pytest.mark.parametrize("command", [["provision", USER], ["wallet-set", "show"], ["reconcile"]])
    def test_a_key_of_another_environment_is_exit_code_2(
        self, command: list[str], sqlite: dict[str, str], capsys: Written
    ) -> None:
        schema.migrate(sqlite["DATABASE_URL"])
        store = Database(sqlite["DATABASE_URL"], clock=SystemClock())
        with store.write("test", "stamp") as tx:
            stamp_environment(tx, "live", None)
        store.close()
        account = {"CIRCLE_API_KEY": "TEST_API_KEY:id:secret", "CIRCLE_ENTITY_SECRET": "5a" * 32}
        assert main(command, {**sqlite, **account}) == 2
        assert "belongs to the live environment" in capsys.readouterr().err

    def test_an_older_schema_on_postgresql_is_refused_and_left_alone(
        self, postgres: dict[str, str], capsys: Written
    ) -> None:
        assert main(["provision", USER], postgres) == 3
        assert "migrate" in capsys.readouterr().err
        assert main(["migrate", "--check"], postgres) == 1
        assert main(["migrate"], postgres) == 0
        assert main(["provision", USER], postgres) == 0

    def test_a_file_that_a_later_program_migrated_is_worked_with(
        self, sqlite: dict[str, str], file: Path, capsys: Written
    ) -> None:
        assert main(["migrate"], sqlite) == 0
        put_in_the_future(file)
        assert main(["provision", USER, "--json"], sqlite) == 0
        assert json.loads(capsys.readouterr().out.partition("\n")[2])["status"] == "queued"

    def test_a_file_that_a_later_program_keeps_to_itself_is_refused(
        self, sqlite: dict[str, str], file: Path, capsys: Written
    ) -> None:
        assert main(["migrate"], sqlite) == 0
        put_in_the_future(file, oldest_program="9998")
        assert main(["provision", USER], sqlite) == 3
        assert "update" in capsys.readouterr().err

    def test_a_database_out_of_reach_is_exit_code_3(self, capsys: Written) -> None:
        assert main(["provision", USER], {"DATABASE_URL": NOWHERE}) == 3
        assert "check DATABASE_URL" in capsys.readouterr().err

    def test_without_a_daemon_the_wait_ends_with_exit_code_3_and_says_why(
        self, sqlite: dict[str, str], capsys: Written
    ) -> None:
        assert main(["provision", USER, "--wait", "--timeout", "200ms"], sqlite) == 3
        written = capsys.readouterr()
        assert "queued" in written.out
        assert "not done after 200ms" in written.err
        assert "is one running" in written.err

    @pytest.mark.parametrize(
        ("end", "code", "status"),
        [
            (moves.complete, 0, "completed"),
            (lambda job: moves.fail(job, failure()), 1, "failed"),
        ],
    )
    def test_the_wait_follows_the_job_to_its_end(
        self,
        end: Callable[[ClaimedJob], Move],
        code: int,
        status: str,
        sqlite: dict[str, str],
        capsys: Written,
    ) -> None:
        schema.migrate(sqlite["DATABASE_URL"])
        worker = threading.Thread(target=work, args=(sqlite["DATABASE_URL"], end))
        worker.start()
        assert main(["provision", USER, "--wait", "--json"], sqlite) == code
        worker.join()
        assert json.loads(capsys.readouterr().out)["status"] == status


def failure() -> moves.Failure:
    return moves.Failure(error_type=ErrorType.CIRCLE_4XX, message="HTTP 400")


def work(url: str, end: Callable[[ClaimedJob], Move]) -> None:
    """Be a daemon for one job: wait for it, claim it, end it."""
    store = Database(url, clock=SystemClock())
    deadline = SystemClock().monotonic() + timedelta(seconds=30)
    claimed: tuple[ClaimedJob, ...] = ()
    while not claimed and SystemClock().monotonic() < deadline:
        with store.write("test", "claim") as tx:
            claimed = claim_jobs(tx, holder=uuid4(), limit=1, lease=LEASE, include_retries=True).jobs
        threading.Event().wait(0.02)
    with store.write("test", "end") as tx:
        apply_moves(tx, [end(job) for job in claimed])
    store.close()


def test_a_reconcile_that_has_nothing_to_compare_is_clean_and_says_so_to_scripts_too(
    sqlite: dict[str, str], capsys: Written
) -> None:
    assert main(["reconcile", "--sandbox", "--json"], sqlite) == 0
    written = capsys.readouterr()
    assert json.loads(written.out)["clean"] is True
    assert "no wallet set yet" in written.err


class TestCheck:
    def test_a_fresh_installation_is_well(self, tmp_path: Path, capsys: Written) -> None:
        environ = {"DATABASE_URL": f"sqlite:///{tmp_path / 'new.db'}"}
        assert main(["check", "--sandbox"], environ) == 0
        lines = capsys.readouterr().out.splitlines()
        assert [line.split()[:2] for line in lines] == [
            [name, "ok"] for name in ("settings", "database", "redis", "circle")
        ]
        assert "sandbox" in lines[3]
        assert list(tmp_path.iterdir()) == []

    def test_a_file_whose_folder_is_not_there_is_exit_code_3(self, tmp_path: Path, capsys: Written) -> None:
        lost = {"DATABASE_URL": f"sqlite:///{tmp_path}/nowhere/wallets.db"}
        assert main(["check", "--sandbox"], lost) == 3
        assert "folder" in capsys.readouterr().out
        assert not (tmp_path / "nowhere").exists()

    def test_wrong_settings_are_all_there_is_to_say(self, capsys: Written) -> None:
        assert main(["check"], {"DATABASE_URL": NOWHERE, "WORKER_LEASE": "x"}) == 2
        lines = capsys.readouterr().out.splitlines()
        assert [line.split()[:2] for line in lines] == [["settings", "wrong"]] * 2

    def test_what_is_out_of_reach_is_named_without_its_password(self, capsys: Written) -> None:
        environ = {"DATABASE_URL": NOWHERE, "REDIS_URL": "redis://:hidden@127.0.0.1:1/0"}
        assert main(["check", "--sandbox", "--json"], environ) == 3
        out = capsys.readouterr().out
        found = {line["name"]: line for line in json.loads(out)}
        assert found["database"]["state"] == found["redis"]["state"] == "unreachable"
        assert "127.0.0.1:1" in found["redis"]["detail"]
        assert "hidden" not in out

    def test_a_schema_that_is_not_up_to_date_is_exit_code_3(
        self, postgres: dict[str, str], capsys: Written
    ) -> None:
        assert main(["check", "--sandbox"], postgres) == 3
        assert "wallet-provisioning migrate" in capsys.readouterr().out
        main(["migrate"], postgres)
        assert main(["check", "--sandbox"], postgres) == 0

    def test_a_database_of_another_environment_is_exit_code_2(
        self, sqlite: dict[str, str], capsys: Written
    ) -> None:
        schema.migrate(sqlite["DATABASE_URL"])
        store = Database(sqlite["DATABASE_URL"], clock=SystemClock())
        with store.write("test", "stamp") as tx:
            stamp_environment(tx, "test", UUID(int=1))
        store.close()
        assert main(["check", "--sandbox"], sqlite) == 2
        assert "belongs to the test environment" in capsys.readouterr().out

    def test_a_redis_that_answers_is_well(self, sqlite: dict[str, str], capsys: Written) -> None:
        with RedisServer() as redis:
            assert main(["check", "--sandbox"], {**sqlite, "REDIS_URL": redis.url}) == 0
        assert "answers" in capsys.readouterr().out
