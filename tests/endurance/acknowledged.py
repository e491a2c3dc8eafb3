"""Daemon and database crash in a loop; whatever a client was promised must be there in the end."""

import json
import subprocess
import sys
import threading
import time
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path
from random import Random
from uuid import uuid4

from tests.acceptance import producer
from tests.acceptance.fleet import Fleet, open_fleet, try_order
from tests.acceptance.house import House, until
from tests.acceptance.outside import assert_one_wallet_each, open_circle
from tests.servers import PostgresServer, RedisServer


def run(folder: Path, wanted: Namespace) -> Iterator[str]:
    """Order over HTTP, by command and by message, crash both, start both, and count at the end."""
    chance = Random(wanted.seed)
    with (
        PostgresServer(durable=True) as server,
        RedisServer(append_only=True) as redis,
        open_circle(folder) as circle,
        open_fleet(folder, server.create_database(), circle, WORKER_LEASE="1s", REDIS_URL=redis.url) as fleet,
    ):
        (house,) = fleet.start(1)
        client = _Client(house, redis)
        for _ in range(wanted.rounds):
            with client:
                time.sleep(chance.uniform(0.3, 2.0))
                server.crash()
                house.kill()
            server.start()
            house.start()
        until(lambda: client.users() <= _users(fleet) or None, 120, house.tail)
        fleet.wait_until_done(timeout=300)
        ((jobs,),) = fleet.rows("SELECT count(*) FROM wallet_provisioning_jobs")
        yield f"{wanted.rounds} crashes; acknowledged {client.told()}; {jobs} jobs stand and all completed"
        assert_one_wallet_each(circle, house, int(str(jobs)))


def _users(fleet: Fleet) -> set[str]:
    return {str(user) for (user,) in fleet.rows("SELECT user_id FROM wallet_provisioning_jobs")}


class _Client:
    """Asks on all three ways until told to stop, and writes down each acknowledgement."""

    def __init__(self, house: House, redis: RedisServer) -> None:
        self._house = house
        self._redis = redis
        self._over = threading.Event()
        self._acknowledged: dict[str, set[str]] = {"http": set(), "cli": set(), "message": set()}
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> None:
        self._over.clear()
        ways = (self._order, self._order, self._provision, self._inject)
        self._threads = [threading.Thread(target=way) for way in ways]
        for thread in self._threads:
            thread.start()

    def __exit__(self, *error: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def users(self) -> set[str]:
        return set().union(*self._acknowledged.values())

    def told(self) -> str:
        return ", ".join(f"{len(users)} by {way}" for way, users in self._acknowledged.items())

    def _order(self) -> None:
        while not self._over.is_set():
            user = str(uuid4())
            if try_order(self._house, user) is not None:
                self._acknowledged["http"].add(user)

    def _provision(self) -> None:
        while not self._over.is_set():
            user = str(uuid4())
            code, _ = self._house.command("provision", user)
            if code == 0:
                self._acknowledged["cli"].add(user)

    def _inject(self) -> None:
        """A message counts from its injection on: Redis keeps it until the daemon acknowledges it."""
        while not self._over.is_set():
            users = [str(uuid4()) for _ in range(5)]
            subprocess.run(
                [sys.executable, producer.__file__, self._redis.url],
                input="\n".join(json.dumps({"user_id": user}) for user in users),
                text=True,
                check=True,
                timeout=60,
            )
            self._acknowledged["message"].update(users)
