"""PostgreSQL goes away, crashes, or stands behind a pooler: nothing is lost, nothing restarts."""

import asyncio
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from tests.acceptance.fleet import Fleet, open_fleet, order_all, try_order
from tests.acceptance.house import House, open_house, until
from tests.acceptance.outside import Circle, assert_one_wallet_each, open_circle
from tests.pgbouncer import PGBOUNCER, PgBouncer
from tests.servers import PostgresServer
from wallet_provisioning.clock import SystemClock
from wallet_provisioning.store.database import Database
from wallet_provisioning.store.errors import StoreUnavailableError
from wallet_provisioning.store.wakeups import Wakeups, announce

needs_pgbouncer = pytest.mark.skipif(PGBOUNCER is None, reason="left out: pgbouncer is not installed")
ONCE_AN_HOUR = {"WORKER_POLL_INTERVAL": "1h"}
HANGS_AFTER = timedelta(seconds=15)


@pytest.fixture
def circle(tmp_path: Path) -> Iterator[Circle]:
    with open_circle(tmp_path) as circle:
        yield circle


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    with PostgresServer(durable=True) as server:
        yield server


# Away for a while.


@pytest.mark.timeout(300)
@pytest.mark.parametrize("way", ["direct", pytest.param("pooled", marks=needs_pgbouncer)])
def test_an_outage_costs_nothing_but_its_time(
    tmp_path: Path, circle: Circle, server: PostgresServer, way: str
) -> None:
    """The poll comes once an hour, so what is accepted by others afterwards shows that they are heard."""
    with fleet_by(way, tmp_path, circle, server) as fleet:
        (house,) = fleet.start(1)
        lives = incarnations(house)
        circle.hold("outage", "after")
        order_all(house, 12)
        circle.wait_held("outage")

        server.stop()
        circle.disturb()
        until(lambda: is_degraded(house), 60, house.tail)
        assert try_order(house, str(uuid4())) is None
        assert house.client.get("/healthz/live").status_code == 200
        server.start()

        fleet.wait_until_done()
        house.wait_for_job(str(fleet.accept()), timeout=60)
        house.wait_for_job(house.order()["id"], timeout=60)
        assert incarnations(house) == lives
        assert fleet.rows("SELECT DISTINCT attempt_count FROM wallet_provisioning_jobs") == [(1,)]
        assert_one_wallet_each(circle, house, 14)


@contextmanager
def fleet_by(way: str, folder: Path, circle: Circle, server: PostgresServer) -> Iterator[Fleet]:
    """A fleet that reaches the server itself, or through a pooler in transaction mode with no way past it."""
    with ExitStack() as stack:
        direct = server.create_database()
        settings = dict(ONCE_AN_HOUR)
        if way == "pooled":
            settings["DATABASE_URL"] = stack.enter_context(PgBouncer(server)).url(direct)
        yield stack.enter_context(open_fleet(folder, direct, circle, **settings))


def incarnations(house: House) -> dict[str, int]:
    return {each["path"]: each["incarnation"] for each in house.get("admin/actors")["items"]}


def is_degraded(house: House) -> bool | None:
    worker = house.client.get("/api/v1/admin/workers/health")
    return (worker.status_code == 503 and not worker.json()["checks"]["database"]["ok"]) or None


# Behind a pooler.


@needs_pgbouncer
async def test_announcements_are_heard_past_a_pooler_and_looked_for_behind_it(server: PostgresServer) -> None:
    direct = server.create_database()
    with PgBouncer(server) as pooler:
        database = Database(pooler.url(direct), clock=SystemClock())
        past, behind = Wakeups(direct, "postgresql"), Wakeups(pooler.url(direct), "postgresql")
        try:
            assert await asyncio.to_thread(database.has_pooler)
            assert [await past.next(), await behind.next()] == [None, None]
            heard = asyncio.create_task(past.next())
            await asyncio.to_thread(_announce, database)
            assert await asyncio.wait_for(heard, 60) == frozenset({""})
            assert await asyncio.wait_for(behind.next(), 60) is None
        finally:
            await past.aclose()
            await behind.aclose()
            database.close()


def _announce(database: Database) -> None:
    with database.write("test", "announce") as tx:
        announce(tx)


@needs_pgbouncer
def test_a_pooler_without_a_server_is_an_outage_before_an_actor_seems_to_hang(
    server: PostgresServer,
) -> None:
    """PgBouncer itself lets its clients wait for two minutes (`query_wait_timeout`)."""
    with PgBouncer(server) as pooler:
        ours = Database(pooler.url(server.create_database()), clock=SystemClock())
        ours.ping()
        server.stop()
        began = time.monotonic()
        for _ in range(2):  # by a connection that there was, and by a new one
            with pytest.raises(StoreUnavailableError):
                ours.ping()
        took = timedelta(seconds=time.monotonic() - began)
        server.start()
        until(lambda: is_reached(ours), 60, lambda: "")
        ours.close()
    assert took < HANGS_AFTER


def is_reached(database: Database) -> bool | None:
    try:
        database.ping()
    except StoreUnavailableError:
        return None
    return True


@needs_pgbouncer
def test_every_wait_has_an_end_behind_a_pooler_too(server: PostgresServer) -> None:
    names = ("statement_timeout", "lock_timeout", "jit", "TimeZone", "transaction_read_only")
    with PgBouncer(server, pool_size=1) as pooler:
        direct = server.create_database()
        ours = Database(pooler.url(direct), clock=SystemClock())
        found = [shown(ours, names) for _ in range(10)]
        server_side = PostgresServer.show(pooler.url(direct), "statement_timeout")
        ours.close()
    assert found == [["8s", "5s", "off", "UTC", "on"]] * 10
    assert server_side == "0", "what is set for one transaction must not stay for whoever comes next"


def shown(database: Database, names: tuple[str, ...]) -> list[str]:
    with database.read() as connection:
        return [str(connection.exec_driver_sql(f"SHOW {name}").scalar()) for name in names]


# What was acknowledged survives.


@pytest.mark.timeout(300)
def test_what_was_acknowledged_survives_crashes_of_daemon_and_database(
    tmp_path: Path, circle: Circle, server: PostgresServer
) -> None:
    with open_fleet(tmp_path, server.create_database(), circle, WORKER_LEASE="1s") as fleet:
        (house,) = fleet.start(1)
        acknowledged: set[str] = set()
        for _ in range(2):
            acknowledged |= ordered_until(house, server.crash)
            server.start()
            house.start()
        assert_survived(fleet, circle, acknowledged)


def ordered_until(house: House, *crashes: Callable[[], None]) -> set[str]:
    """Order, and crash everything in the middle; return the jobs that were acknowledged."""
    with ThreadPoolExecutor(4) as pool:
        orders = [pool.submit(try_order, house, str(uuid4())) for _ in range(60)]
        until(lambda: sum(each.done() for each in orders) >= 20 or None, 60, house.tail)
        for crash in crashes:
            crash()
        house.kill()
    return {job["id"] for each in orders if (job := each.result()) is not None}


def assert_survived(fleet: Fleet, circle: Circle, acknowledged: set[str]) -> None:
    """Every acknowledged job is there and completes; so do those whose acknowledgement was cut off."""
    fleet.wait_until_done()
    known = {str(id_) for (id_,) in fleet.rows("SELECT id FROM wallet_provisioning_jobs")}
    assert len(acknowledged) >= 40
    assert acknowledged <= known
    assert_one_wallet_each(circle, fleet.houses[0], len(known))


@pytest.mark.timeout(300)
def test_what_was_acknowledged_on_sqlite_survives_a_killed_daemon(tmp_path: Path, circle: Circle) -> None:
    with open_house(tmp_path, **circle.settings()) as house:
        acknowledged: set[str] = set()
        for _ in range(2):
            acknowledged |= ordered_until(house)
            house.start()
        jobs = house.wait_for_jobs(len(acknowledged))
        assert len(acknowledged) >= 40
        assert acknowledged <= {job["id"] for job in jobs}
        assert_one_wallet_each(circle, house, len(jobs))
