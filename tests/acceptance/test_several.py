"""Several daemons on one database: they share the work, and whoever dies or stands still costs nothing."""

from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from pathlib import Path

import pytest

from tests.acceptance.fleet import (
    Fleet,
    boot_of,
    freeze,
    open_fleet,
    order_all,
    stale_refusals,
    thaw,
)
from tests.acceptance.house import House, until
from tests.acceptance.outside import Circle, assert_one_wallet_each, open_circle
from tests.servers import PostgresServer

RATE = "wallet_provisioning_circle_budget_rate"


@pytest.fixture
def circle(tmp_path: Path) -> Iterator[Circle]:
    with open_circle(tmp_path) as circle:
        yield circle


@pytest.mark.timeout(300)
def test_one_is_killed_and_one_stands_still_past_its_lease(
    tmp_path: Path, circle: Circle, postgres: PostgresServer
) -> None:
    settings = {"WORKER_LEASE": "2s", "WORKER_POLL_INTERVAL": "1h"}
    with open_fleet(tmp_path, postgres.create_database(), circle, **settings) as fleet:
        killed, frozen, healthy = fleet.start(3)
        circle.hold("busy", "after")
        order_all(healthy, 60)
        held = until(lambda: all_hold(fleet), 60, healthy.tail)
        killed.kill()
        freeze(frozen)
        circle.disturb()
        order_all(healthy, 90)
        fleet.wait_until_done()
        before = trail(fleet)
        assert {status for _, status, *_ in before} == {"completed"}

        thaw(frozen)
        until(lambda: stale_refusals(frozen) >= 1 or None, 60, frozen.tail)
        assert frozen.wait_for_job(frozen.order()["id"])["status"] == "completed"

        assert trail(fleet)[: len(before)] == before
        assert fleet.double_claims() == []
        rescued = rescued_from(fleet, 1)
        assert rescued >= held[boot_of(killed)] + held[boot_of(frozen)]
        assert_one_wallet_each(circle, healthy, 151)


def test_without_redis_each_keeps_to_its_share_of_the_limits_at_circle(
    tmp_path: Path, circle: Circle, postgres: PostgresServer
) -> None:
    with open_fleet(tmp_path, postgres.create_database(), circle, CIRCLE_WALLET_RATE="12") as fleet:
        first, second = fleet.start(2)
        until(lambda: shares(fleet, first, 2), 60, first.tail)
        until(lambda: shares(fleet, second, 2), 60, second.tail)

        second.terminate()

        until(lambda: shares(fleet, first, 1), 60, first.tail)


def shares(fleet: Fleet, house: House, daemons: int) -> bool | None:
    """Return whether a daemon keeps to its part, as it knows it since its last call."""
    fleet.accept()
    lines = house.client.get("/metrics").text.splitlines()
    rates = [line for line in lines if line.startswith(RATE) and 'kind="wallets"' in line]
    return [float(line.rsplit(" ", 1)[1]) for line in rates] == [12 / daemons] or None


def all_hold(fleet: Fleet) -> dict[str, int] | None:
    """Return what each daemon holds, once each holds as much as it can."""
    holders = fleet.holders()
    return holders if sorted(holders.values()) == [5, 5, 5] else None


def trail(fleet: Fleet) -> list[tuple[object, ...]]:
    """Return every job as it stands, the oldest first."""
    return fleet.rows(
        "SELECT id, status, epoch, attempt_count, completed_at, updated_at "
        "FROM wallet_provisioning_jobs ORDER BY id"
    )


def rescued_from(fleet: Fleet, epoch: int) -> int:
    ((count,),) = fleet.rows(
        "SELECT count(DISTINCT job_id) FROM audit_logs "
        "WHERE action = 'wallet-worker:job_rescued' AND epoch = %s",
        epoch,
    )
    return int(str(count))


@pytest.mark.timeout(300)
def test_announcements_and_handed_back_jobs_reach_the_others_at_once(
    tmp_path: Path, circle: Circle, postgres: PostgresServer
) -> None:
    """The poll comes once an hour: whatever happens here, happens by NOTIFY."""
    settings = {"WORKER_POLL_INTERVAL": "1h", "WORKER_SHUTDOWN_TIMEOUT": "0s"}
    with open_fleet(tmp_path, postgres.create_database(), circle, **settings) as fleet:
        first, second = fleet.start(2)
        deaf = until(lambda: ears(fleet, 2), 60, first.tail)
        first.wait_for_job(str(fleet.accept()))

        fleet.rows(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE application_name = 'wallet-listener' AND datname = current_database()"
        )
        until(lambda: ears(fleet, 2, without=deaf), 60, first.tail)
        first.wait_for_job(str(fleet.accept()))

        circle.hold("busy", "after")
        job = str(fleet.accept())
        circle.wait_held("busy")
        (holder,) = fleet.holders()
        leaving, staying = (first, second) if holder == boot_of(first) else (second, first)
        assert leaving.terminate() == 0
        until(lambda: fleet.holders() == {boot_of(staying): 1} or None, 60, staying.tail)
        circle.disturb()
        done = staying.wait_for_job(job)
        assert (done["status"], done["attempt_count"]) == ("completed", 1)
        assert_one_wallet_each(circle, staying, 3)


def ears(fleet: Fleet, count: int, without: AbstractSet[int] = frozenset()) -> set[int] | None:
    found = fleet.ears()
    return found if len(found) == count and not found & without else None
