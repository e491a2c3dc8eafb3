"""How soon a NOTIFY wakes the daemons, and how many claims find nothing because others were faster.

A flood of announcements without any job shows what they cost alone: claims, and the daemons' CPU.
"""

import time
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import psycopg

from tests.acceptance.fleet import Fleet, empty_claims, open_fleet
from tests.acceptance.house import until
from tests.acceptance.outside import open_circle
from tests.servers import PostgresServer

_WAKES_WITHIN_MS = 50.0
_DAEMONS = 3
_FLOOD = 5.0
_PER_SECOND = 1000


def run(folder: Path, wanted: Namespace) -> Iterator[str]:
    """Accept one job after the other from outside, and then many at once."""
    with (
        PostgresServer() as server,
        open_circle(folder) as circle,
        open_fleet(folder, server.create_database(), circle, WORKER_POLL_INTERVAL="1h") as fleet,
    ):
        fleet.start(_DAEMONS)
        until(lambda: len(fleet.ears()) == _DAEMONS or None, 60, fleet.houses[0].tail)
        fleet.accept()
        fleet.wait_until_done()
        alone = min(wanted.jobs, 100)
        waits = _one_by_one(fleet, alone)
        median, most = waits[len(waits) // 2], waits[int(len(waits) * 0.99)]
        yield f"one by one: claimed {median:.1f} ms after the commit (median), {most:.1f} ms (99 %)"
        yield _told(fleet, alone, "one by one")
        began = time.monotonic()
        for _ in range(wanted.jobs):
            fleet.accept()
        fleet.wait_until_done(timeout=300)
        yield f"{wanted.jobs} in a row: done after {time.monotonic() - began:.1f} s"
        yield _told(fleet, alone + wanted.jobs, "in all")
        yield _flood(fleet)
        assert median <= _WAKES_WITHIN_MS, "announcements wake too late"


def _one_by_one(fleet: Fleet, jobs: int) -> list[float]:
    for _ in range(jobs):
        fleet.accept()
        fleet.wait_until_done()
    rows: Any = fleet.rows(
        "SELECT 1000 * EXTRACT(epoch FROM started_at - created_at) FROM wallet_provisioning_jobs"
    )
    return sorted(float(wait) for (wait,) in rows)[1:]


def _flood(fleet: Fleet) -> str:
    processes = [psutil.Process(house.process.pid) for house in fleet.houses if house.process is not None]
    began, claims, cpu = time.monotonic(), _claims(fleet)[0], _cpu(processes)
    sent = 0
    with psycopg.connect(fleet.url, autocommit=True) as connection:
        while time.monotonic() - began < _FLOOD:
            connection.execute("SELECT pg_notify('wallet_jobs', '')")
            sent += 1
            time.sleep(max(0.0, began + sent / _PER_SECOND - time.monotonic()))
    took, made, spent = time.monotonic() - began, _claims(fleet)[0] - claims, _cpu(processes) - cpu
    return (
        f"{sent / took:.0f} announcements a second and no job: {made / took:.0f} claims a second "
        f"by {_DAEMONS} daemons, {made / sent:.2f} an announcement, {spent / took:.2f} s of CPU a second"
    )


def _cpu(processes: list[psutil.Process]) -> float:
    return sum(sum(process.cpu_times()[:2]) for process in processes)


def _claims(fleet: Fleet) -> tuple[int, int]:
    counts = [empty_claims(house) for house in fleet.houses]
    claims, empty = (sum(each) for each in zip(*counts, strict=True))
    return claims, empty


def _told(fleet: Fleet, jobs: int, when: str) -> str:
    claims, empty = _claims(fleet)
    return f"{when}: {jobs} jobs, {claims} claims by {_DAEMONS} daemons, {empty} of them found nothing"
