"""Whatever is killed, every job ends, and no wallet is made twice or lost."""

import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random
from uuid import uuid4

import psutil
import pytest

from tests.acceptance.house import House, Job, open_house, until
from tests.servers import PostgresServer

PATHS = [
    "writer",
    "circle",
    "circle/ETH",
    "circle/SOL",
    "circle/APTOS",
    "jobs",
    "jobs/1",
    "jobs/5",
    "scheduler",
    "rescuer",
    "listener",
]


def assert_exactly_once(house: House, users: int, jobs: list[Job] | None = None) -> None:
    """Each user has one wallet a chain, here and at Circle, and they are the same."""
    counts = house.wallets_at_circle()
    assert set(counts.values()) == {1}, [key for key, count in counts.items() if count > 1]
    assert len(counts) == 3 * users
    rows = house.rows("SELECT user_id, chain, status, circle_wallet_id FROM managed_wallets")
    assert {row["status"] for row in rows} == {"live"}
    assert len({row["circle_wallet_id"] for row in rows}) == 3 * users
    created = house.rows("SELECT count(*) AS n FROM audit_logs WHERE action = 'wallet-worker:wallet_created'")
    assert created == [{"n": 3 * users}]
    if jobs is not None:
        assert {job["status"] for job in jobs} == {"completed"}


def order_many(house: House, count: int) -> list[Job]:
    with ThreadPoolExecutor(8) as pool:
        return list(pool.map(lambda _: house.order(), range(count)))


@pytest.mark.timeout(300)
def test_kill_9_in_the_middle_of_jobs_makes_no_second_wallet(tmp_path: Path) -> None:
    chance = Random(20261124)
    with open_house(tmp_path, WORKER_BASE_BACKOFF="500ms", CIRCLE_WALLET_RATE="10") as house:
        users = 0
        for _ in range(5):
            order_many(house, 20)
            users += 20
            threading.Event().wait(chance.uniform(0.0, 0.8))
            house.kill()
            house.start()
        jobs = house.wait_for_jobs(users, timeout=120)
        assert_exactly_once(house, users, jobs)
        assert {job["crash_count"] for job in jobs} == {0}
        assert {job["attempt_count"] for job in jobs} == {1}


@pytest.mark.timeout(300)
@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_each_actor_killed_under_load_comes_back_alone_and_every_job_completes(
    tmp_path: Path, database: str, postgres: PostgresServer
) -> None:
    settings = {"WORKER_BASE_BACKOFF": "500ms"}
    options: tuple[str, ...] = ()
    if database == "postgresql":
        settings["DATABASE_URL"] = postgres.create_database()
        options = ("--sandbox",)
        assert House(tmp_path, settings).command("migrate")[0] == 0
    with open_house(tmp_path, *options, **settings) as house:
        before = {each["path"]: each["incarnation"] for each in house.get("admin/actors")["items"]}
        users = 0
        for path in PATHS:
            order_many(house, 6)
            users += 6
            killed = house.kill_actor(path)
            assert killed["path"] == path
            house.wait_for_incarnation(path, before[path] + 1)
        jobs = house.wait_for_jobs(users, timeout=120)
        assert_exactly_once(house, users, jobs)
        after = {each["path"]: each for each in house.get("admin/actors")["items"]}
        assert {path: after[path]["incarnation"] - before[path] for path in after} == {
            path: int(path in PATHS) for path in after
        }
        assert all(after[path]["last_crash"]["reason"] == "crash" for path in PATHS)


def test_an_actor_that_hangs_is_given_up_and_its_successor_goes_on(tmp_path: Path) -> None:
    with open_house(tmp_path) as house:
        house.wait_for_job(house.order()["id"])
        house.kill_actor("circle/ETH", "hang")
        job = house.order()
        actor = house.wait_for_incarnation("circle/ETH", 2, timeout=40)
        assert actor["last_crash"]["reason"] == "hang"
        assert actor["zombies"] == 1
        assert house.wait_for_job(job["id"])["status"] == "completed"


def test_the_supervisor_of_all_ends_the_process_when_it_is_killed(tmp_path: Path) -> None:
    with open_house(tmp_path) as house:
        order_many(house, 5)
        house.kill_actor("/")
        assert house.wait() == 1
        held = house.rows("SELECT id FROM wallet_provisioning_jobs WHERE status = 'in_progress'")
        assert held == []
        house.start()
        assert_exactly_once(house, 5, house.wait_for_jobs(5))


def test_the_sandbox_ends_with_a_killed_daemon(tmp_path: Path) -> None:
    with open_house(tmp_path) as house:
        assert house.process is not None
        children = psutil.Process(house.process.pid).children(recursive=True)
        assert children
        house.kill()
        _, alive = psutil.wait_procs(children, timeout=10)
        assert not alive


def test_a_killed_sandbox_comes_back_with_its_wallets(tmp_path: Path) -> None:
    with open_house(tmp_path, WORKER_BASE_BACKOFF="200ms") as house:
        house.wait_for_job(house.order()["id"])
        assert house.process is not None
        for child in psutil.Process(house.process.pid).children(recursive=True):
            child.kill()
        house.wait_for_job(house.order()["id"], timeout=60)
        assert_exactly_once(house, 2, house.wait_for_jobs(2))


def test_a_clean_stop_hands_back_what_it_could_not_finish(tmp_path: Path) -> None:
    with open_house(tmp_path, WORKER_SHUTDOWN_TIMEOUT="0s") as house:
        jobs = order_many(house, 30)
        assert house.terminate() == 0
        rows = house.rows("SELECT status, attempt_count, crash_count FROM wallet_provisioning_jobs")
        assert len(rows) == len(jobs)
        assert {row["status"] for row in rows} <= {"queued", "completed"}
        assert all(row["attempt_count"] == 0 for row in rows if row["status"] == "queued")
        house.start()
        assert_exactly_once(house, 30, house.wait_for_jobs(30))


def test_a_clean_stop_lets_jobs_in_hand_end(tmp_path: Path) -> None:
    with open_house(tmp_path) as house:
        order_many(house, 5)
        assert house.terminate() == 0
        rows = house.rows("SELECT status FROM wallet_provisioning_jobs")
        assert {row["status"] for row in rows} <= {"queued", "completed"}


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_second_signal_ends_the_daemon_at_once(tmp_path: Path, number: int, code: int) -> None:
    with open_house(tmp_path, "--sandbox", DATABASE_URL=f"sqlite:///{tmp_path}/slow.db") as house:
        order_many(house, 40)
        assert house.process is not None
        house.process.send_signal(number)
        until(lambda: "draining" in house.tail() or None, 10, house.tail)
        house.process.send_signal(number)
        assert house.wait(10) == code


def test_a_hundred_callbacks_at_once_make_one_job(tmp_path: Path) -> None:
    with open_house(tmp_path) as house, ThreadPoolExecutor(20) as pool:
        user = str(uuid4())
        jobs = list(pool.map(lambda number: house.approve(f"ref-{number}", user), range(100)))
        assert len({job["id"] for job in jobs}) == 1
        assert_exactly_once(house, 1, house.wait_for_jobs(1))
