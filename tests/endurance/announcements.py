"""How soon a NOTIFY wakes the daemons, and how many claims find nothing because others were faster."""

import time
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.acceptance.fleet import Fleet, empty_claims, open_fleet
from tests.acceptance.house import until
from tests.acceptance.outside import open_circle
from tests.servers import PostgresServer

_WAKES_WITHIN_MS = 50.0
_DAEMONS = 3


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
        assert median <= _WAKES_WITHIN_MS, "announcements wake too late"


def _one_by_one(fleet: Fleet, jobs: int) -> list[float]:
    for _ in range(jobs):
        fleet.accept()
        fleet.wait_until_done()
    rows: Any = fleet.rows(
        "SELECT 1000 * EXTRACT(epoch FROM started_at - created_at) FROM wallet_provisioning_jobs"
    )
    return sorted(float(wait) for (wait,) in rows)[1:]


def _told(fleet: Fleet, jobs: int, when: str) -> str:
    counts = [empty_claims(house) for house in fleet.houses]
    claims, empty = (sum(each) for each in zip(*counts, strict=True))
    return f"{when}: {jobs} jobs, {claims} claims by {_DAEMONS} daemons, {empty} of them found nothing"
