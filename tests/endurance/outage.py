"""The database is away for minutes while jobs are in every stage."""

import time
from argparse import Namespace
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from uuid import uuid4

from tests.acceptance.fleet import Fleet, open_fleet, order_all, try_order
from tests.acceptance.house import House, until
from tests.acceptance.outside import assert_one_wallet_each, open_circle
from tests.pgbouncer import PgBouncer
from tests.servers import PostgresServer

_AGAIN = 5.0


def run(folder: Path, wanted: Namespace) -> Iterator[str]:
    """Take it away, ask meanwhile, bring it back, and see how soon work goes on."""
    with ExitStack() as stack:
        server = stack.enter_context(PostgresServer(durable=True))
        circle = stack.enter_context(open_circle(folder, "--latency", "100ms"))
        direct = server.create_database()
        settings = {"WORKER_POLL_INTERVAL": "1h"}
        if wanted.pooled:
            settings["DATABASE_URL"] = stack.enter_context(PgBouncer(server)).url(direct)
            settings["DATABASE_LISTEN_URL"] = direct
        fleet = stack.enter_context(open_fleet(folder, direct, circle, **settings))
        houses = fleet.start(2)
        lives = [_lives(house) for house in houses]
        order_all(houses[0], 100)
        began = time.monotonic()
        (server.freeze if wanted.frozen else server.stop)()
        yield f"the database is away with {wanted.seconds:.0f} s to go"
        refused = 0
        while time.monotonic() - began < wanted.seconds:
            time.sleep(1)
            refused += try_order(houses[0], str(uuid4())) is None
            assert all(house.process is not None and house.process.poll() is None for house in houses)
        (server.thaw if wanted.frozen else server.start)()
        yield f"it was away for {time.monotonic() - began:.0f} s; {refused} orders were refused meanwhile"
        yield from _goes_on(fleet, houses)
        for house, before in zip(houses, lives, strict=True):
            again = {path for path, life in _lives(house).items() if life > before[path]}
            crashes = [house.actor(path)["last_crash"]["error"] for path in again]
            assert not again, f"started again: {again}, {crashes}"
        ((jobs,),) = fleet.rows("SELECT count(*) FROM wallet_provisioning_jobs")
        assert fleet.rows("SELECT DISTINCT attempt_count FROM wallet_provisioning_jobs") == [(1,)]
        assert_one_wallet_each(circle, houses[0], int(str(jobs)))


def _goes_on(fleet: Fleet, houses: list[House]) -> Iterator[str]:
    back = time.monotonic()
    until(lambda: len(fleet.ears()) == len(houses) or None, 60, houses[0].tail)
    heard = time.monotonic() - back
    until(lambda: _accepts(houses[0]), 60, houses[0].tail)
    accepts = time.monotonic() - back
    fleet.wait_until_done()
    done = time.monotonic() - back
    yield f"back: {heard:.1f} s to listen, {accepts:.1f} s to accept, {done:.1f} s to end all jobs"
    assert max(heard, accepts) <= _AGAIN, "work went on too late"
    fleet.accept()
    began = time.monotonic()
    fleet.wait_until_done()
    yield f"a job of another process was heard of and done in {(time.monotonic() - began) * 1000:.0f} ms"


def _accepts(house: House) -> bool | None:
    return True if try_order(house, str(uuid4())) is not None else None


def _lives(house: House) -> dict[str, int]:
    return {each["path"]: each["incarnation"] for each in house.get("admin/actors")["items"]}
