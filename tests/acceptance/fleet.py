"""Several daemons on one PostgreSQL database, with a Circle that outlives them all."""

import json
import signal
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import UUID, uuid4

import httpx
import psycopg

from tests.acceptance.house import House, Job, until
from tests.acceptance.outside import Circle, entries
from wallet_provisioning.clock import SystemClock
from wallet_provisioning.store.accepting import JobRequest, accept_job
from wallet_provisioning.store.database import Database

STALE = "wallet_provisioning_stale_refusals_total"


class Fleet:
    """Daemons in folders of their own; whoever asks the database itself does so past all of them."""

    def __init__(self, folder: Path, url: str, circle: Circle, settings: Mapping[str, str]) -> None:
        self.url = url
        self.houses: list[House] = []
        self._folder = folder
        # One daemon's settings are another's: they share the wallet set.
        self._settings = circle.settings(**{"DATABASE_URL": url, **settings})
        self._outside = Database(url, clock=SystemClock(), pool_size=4)

    def start(self, count: int, **settings: str) -> list[House]:
        """Start so many daemons more, at once."""
        new: list[House] = []
        for _ in range(count):
            folder = self._folder / f"daemon-{len(self.houses) + len(new)}"
            folder.mkdir()
            new.append(House(folder, {**self._settings, **settings}))
        if not self.houses:
            assert new[0].command("migrate")[0] == 0
        self.houses += new
        with ThreadPoolExecutor(count) as pool:
            list(pool.map(House.start, new))
        return new

    def close(self) -> None:
        """End whatever still runs."""
        self._outside.close()
        for house in self.houses:
            thaw(house)
            house.close()

    def accept(self) -> UUID:
        """Accept a job as a process of its own does that is no daemon: nobody is told but by NOTIFY."""
        request = JobRequest(user_id=uuid4(), chains=("ETH",), source="cli")
        with self._outside.write("test", "accept_job") as tx:
            return accept_job(tx, request).job.id

    def rows(self, statement: str, *values: object) -> list[tuple[object, ...]]:
        """Run a statement on the database itself."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            return connection.execute(statement.encode(), values or None).fetchall()

    def holders(self) -> dict[str, int]:
        """Return how many jobs each daemon holds, by its boot id."""
        counted = self.rows(
            "SELECT lease_holder, count(*) FROM wallet_provisioning_jobs "
            "WHERE status = 'in_progress' GROUP BY lease_holder"
        )
        return {str(holder): int(str(count)) for holder, count in counted}

    def unfinished(self) -> int:
        """Return how many jobs have not ended."""
        ((count,),) = self.rows(
            "SELECT count(*) FROM wallet_provisioning_jobs "
            "WHERE status NOT IN ('completed', 'failed', 'cancelled')"
        )
        return int(str(count))

    def wait_until_done(self, timeout: float = 100) -> None:
        """Wait until every job has ended."""
        until(lambda: self.unfinished() == 0 or None, timeout, self.houses[-1].tail)

    def ears(self) -> set[int]:
        """Return the server processes that daemons listen on."""
        rows = self.rows(
            "SELECT pid FROM pg_stat_activity WHERE application_name = 'wallet-listener' "
            "AND datname = current_database() AND query LIKE 'LISTEN%'"
        )
        return {int(str(pid)) for (pid,) in rows}

    def double_claims(self) -> list[tuple[object, ...]]:
        """Return the epochs of jobs that were claimed twice: there must be none."""
        return self.rows(
            "SELECT job_id, epoch FROM audit_logs WHERE action = 'wallet-worker:provision_start' "
            "GROUP BY job_id, epoch HAVING count(*) > 1"
        )


@contextmanager
def open_fleet(folder: Path, url: str, circle: Circle, **settings: str) -> Iterator[Fleet]:
    """A fleet without daemons yet."""
    fleet = Fleet(folder, url, circle, settings)
    try:
        yield fleet
    finally:
        fleet.close()


def order_all(house: House, count: int) -> list[Job]:
    """Order for so many users at once."""
    with ThreadPoolExecutor(8) as pool:
        return list(pool.map(lambda _: house.order(), range(count)))


def boot_of(house: House) -> str:
    """Return the id that a daemon holds jobs under."""
    texts = [str(line.get("text", "")) for line in entries(house.log)]
    started = [text for text in texts if " started as " in text]
    return started[-1].split(" started as ")[1].split(":")[0]


def freeze(house: House) -> None:
    """Have a daemon stand still, as a machine does that is suspended."""
    assert house.process is not None
    house.process.send_signal(signal.SIGSTOP)


def thaw(house: House) -> None:
    """Have it go on, if it still lives."""
    if house.process is not None and house.process.poll() is None:
        house.process.send_signal(signal.SIGCONT)


def stale_refusals(house: House) -> float:
    """Return how often a daemon counts that it was refused for having lost a job."""
    lines = house.client.get("/metrics").text.splitlines()
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(STALE))


def empty_claims(house: House) -> tuple[int, int]:
    """Return how many claims a daemon made, and how many of them found nothing."""
    counts = [int(line["count"]) for line in entries(house.log) if line.get("event") == "jobs_claimed"]
    return len(counts), counts.count(0)


def try_order(house: House, user_id: str) -> Job | None:
    """Order as a client does that writes down what was acknowledged: None where it wasn't."""
    # RuntimeError: a killed daemon's client is closed while others still ask by it.
    with suppress(httpx.HTTPError, json.JSONDecodeError, RuntimeError):
        answer = house.client.post("/api/v1/onboarding/jobs", json={"user_id": user_id}, timeout=5)
        if answer.status_code == 202:
            job: Job = answer.json()
            return job
    return None
