"""Three daemons: one is killed and started again, one stands still past its lease, at random times."""

import threading
import time
from argparse import Namespace
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path
from random import Random
from typing import Any

from tests.acceptance.fleet import Fleet, boot_of, freeze, open_fleet, stale_refusals, thaw
from tests.acceptance.house import House
from tests.acceptance.outside import assert_one_wallet_each, open_circle
from tests.servers import PostgresServer

_LEASE = 3.0
# So few jobs wait that a returned one is claimed at once: what is timed is the return, not the queue.
_AT_ONCE = 12


def run(folder: Path, wanted: Namespace) -> Iterator[str]:
    """Order until all jobs are accepted, strike meanwhile, and judge what is left."""
    settings = {"WORKER_LEASE": "3s", "WORKER_POLL_INTERVAL": "1h", "WORKER_MAX_CONCURRENCY": "10"}
    with (
        PostgresServer() as server,
        open_circle(folder, "--latency", "150ms") as circle,
        open_fleet(folder, server.create_database(), circle, **settings) as fleet,
    ):
        killed, frozen, healthy = fleet.start(3)
        strikes = _Strikes(fleet, killed, frozen, Random(wanted.seed))
        ordering = threading.Thread(target=_order, args=(healthy, fleet, wanted.jobs))
        began = time.monotonic()
        ordering.start()
        while ordering.is_alive():
            strikes.strike()
        ordering.join()
        fleet.wait_until_done(timeout=300)
        yield f"{wanted.jobs} jobs in {time.monotonic() - began:.0f} s, seed {wanted.seed}"
        yield from strikes.lines()
        yield from _claims(fleet)
        assert fleet.double_claims() == []
        assert_one_wallet_each(circle, healthy, wanted.jobs)
        strikes.assert_claimed_in_time()


def _order(house: House, fleet: Fleet, jobs: int) -> None:
    """Order some, wait until few are left, and go on."""
    with ThreadPoolExecutor(_AT_ONCE // 2) as pool:
        for done in range(0, jobs, _AT_ONCE // 2):
            list(pool.map(lambda _: house.order(), range(min(_AT_ONCE // 2, jobs - done))))
            while fleet.unfinished() > _AT_ONCE:
                time.sleep(0.02)


def _claims(fleet: Fleet) -> Iterator[str]:
    claims = fleet.rows("SELECT count(*) FROM audit_logs WHERE action = 'wallet-worker:provision_start'")
    rescued = fleet.rows("SELECT count(*) FROM audit_logs WHERE action = 'wallet-worker:job_rescued'")
    yield f"{claims[0][0]} claims, {rescued[0][0]} jobs returned from daemons that were dead or stood still"


class _Strikes:
    """Kills one daemon, freezes another, and keeps what each held at that moment."""

    def __init__(self, fleet: Fleet, killed: House, frozen: House, chance: Random) -> None:
        self._fleet = fleet
        self._killed = killed
        self._frozen = frozen
        self._chance = chance
        self._turns = count()
        self._kills = 0
        self._freezes = 0
        self._held: list[tuple[str, int, datetime]] = []

    def strike(self) -> None:
        time.sleep(self._chance.uniform(0.2, 2.0))
        if next(self._turns) % 2:
            self._freeze()
        else:
            self._kill()

    def lines(self) -> Iterator[str]:
        returned, late = sorted(self._waits("job_rescued", 0)), sorted(self._waits())
        yield f"killed {self._kills} times with {len(self._held)} jobs in hand, frozen {self._freezes} times"
        yield f"{stale_refusals(self._frozen):.0f} stale writes of the frozen one were refused and counted"
        for what, waits in (("returned", returned), ("claimed again", late)):
            if waits:
                median, longest = waits[len(waits) // 2].total_seconds(), waits[-1].total_seconds()
                yield f"{what} {median:.2f} s after it (median), {longest:.2f} s at most; lease {_LEASE} s"

    def assert_claimed_in_time(self) -> None:
        """Every job of the dead is claimed again a second after its lease at the latest."""
        assert max(self._waits(), default=timedelta()) <= timedelta(seconds=_LEASE + 1)

    def _waits(self, step: str = "provision_start", later: int = 1) -> list[timedelta]:
        """Return how long after the kill each job took this step, in the epoch that is so much later."""
        return [self._wait(job, epoch + later, at, step) for job, epoch, at in self._held]

    def _wait(self, job: str, epoch: int, killed_at: datetime, step: str) -> timedelta:
        rows: Any = self._fleet.rows(
            "SELECT created_at FROM audit_logs WHERE job_id = %s AND action = %s AND epoch = %s",
            job,
            f"wallet-worker:{step}",
            epoch,
        )
        assert rows, f"job {job} has no {step} in epoch {epoch}"
        return timedelta(seconds=(rows[0][0] - killed_at).total_seconds())

    def _kill(self) -> None:
        boot = boot_of(self._killed)
        self._killed.kill()
        rows: Any = self._fleet.rows(
            "SELECT id, epoch, clock_timestamp() FROM wallet_provisioning_jobs "
            "WHERE status = 'in_progress' AND lease_holder = %s",
            boot,
        )
        self._held += rows
        self._kills += 1
        self._killed.start()

    def _freeze(self) -> None:
        freeze(self._frozen)
        time.sleep(_LEASE + self._chance.uniform(0.5, 2.0))
        thaw(self._frozen)
        self._freezes += 1
