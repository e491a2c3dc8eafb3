"""One chain of Circle is down for a while: the others go on, and nobody's attempts burn meanwhile."""

from collections.abc import Iterator, Sequence
from itertools import takewhile
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.fleet import order_all
from tests.acceptance.house import House, Job, open_house, until
from tests.acceptance.outside import CREATE, Circle, assert_one_wallet_each, entries, open_circle

WAITS = ("retry", "circuit_open")
CHAINS = ("ETH", "SOL", "APTOS")
DOWN = {"chain": "ETH-SEPOLIA", **CREATE}
FAULTS: list[dict[str, Any]] = [
    {"kind": "status", "status": 503, "when": "after", "share": 0.3, **DOWN},
    {"kind": "cut", "when": "after", "share": 0.3, **DOWN},
    {"kind": "status", "status": 500, "when": "before", **DOWN},
]


@pytest.fixture
def circle(tmp_path: Path) -> Iterator[Circle]:
    with open_circle(tmp_path) as circle:
        yield circle


def test_the_other_chains_go_on_and_only_the_opening_failures_use_attempts(
    tmp_path: Path, circle: Circle
) -> None:
    with open_house(
        tmp_path, **circle.settings(WORKER_CHAINS=",".join(CHAINS), WORKER_MAX_ATTEMPTS="10")
    ) as house:
        house.wait_for_job(house.order()["id"])
        circle.disturb(*FAULTS)
        early = order_all(house, 12)
        until(lambda: breaker(house, "ETH") == "open" or None, 60, house.tail)

        late = order_all(house, 12)
        waiting = until(lambda: all_wait(house, [*early, *late]), 60, house.tail)
        assert {waiting[job["id"]]["attempt_count"] for job in late} == {0}
        assert sum(job["attempt_count"] for job in waiting.values()) <= opening_failures(house)
        assert [breaker(house, chain) for chain in CHAINS[1:]] == ["closed", "closed"]

        circle.disturb()
        done = {job["id"]: job["attempt_count"] for job in house.wait_for_jobs(25)}
        assert {id_: done[id_] for id_ in waiting} == {
            id_: job["attempt_count"] + 1 for id_, job in waiting.items()
        }
        assert_one_wallet_each(circle, house, 75)


def breaker(house: House, chain: str) -> str:
    shown = house.get("admin/chains")["items"]
    return next(str(each["breaker"]) for each in shown if each["chain"] == chain)


def all_wait(house: House, ordered: Sequence[Job]) -> dict[str, Job] | None:
    """Return the jobs once each waits for the breaker alone: its other wallets live."""
    jobs = {job["id"]: house.get(f"admin/jobs/{job['id']}") for job in ordered}
    are_waiting = all((job["status"], job["error_type"]) == WAITS for job in jobs.values())
    wallets = [wallet for job in jobs.values() for wallet in job["wallets"] if wallet["chain"] != "ETH"]
    are_live = {wallet["status"] for wallet in wallets} == {"live"}
    return jobs if are_waiting and are_live else None


def opening_failures(house: House) -> int:
    """Return how many wallets were in calls that failed before the breaker let its first probe through."""
    before = takewhile(lambda line: line.get("after") != "half_open", entries(house.log))
    calls = (line for line in before if line.get("event") == "circle_called" and line["chain"] == "ETH")
    return sum(line["wallets"] for line in calls if line["outcome"] != "success")
