"""The latency benchmark runs whole daemons and says what it should; no test says how fast anything is."""

import json
import time
from urllib.request import Request, urlopen
from uuid import uuid4

from benchmarks import latency
from benchmarks.stub_circle import timed_stub

ORDER = {
    "blockchains": ["ETH-SEPOLIA"],
    "metadata": [{"name": "a", "refId": "b"}],
    "walletSetId": str(uuid4()),
    "accountType": "EOA",
}


def post_order(url: str) -> str:
    """Order a wallet of a stub; return its id."""
    headers = {"Content-Type": "application/json"}
    request = Request(f"{url}/v1/w3s/developer/wallets", json.dumps(ORDER).encode(), headers)  # noqa: S310 - ours
    with urlopen(request, timeout=60) as answer:  # noqa: S310 - the stub's own URL
        wallet_id: str = json.load(answer)["data"]["wallets"][0]["id"]
        return wallet_id


def test_a_timed_stub_tells_when_each_order_came_by_the_clock_of_this_process() -> None:
    with timed_stub() as (url, times):
        before = time.monotonic()
        made = [post_order(url), post_order(url)]
        after = time.monotonic()
        first, second = times.get(timeout=60), times.get(timeout=60)
    assert before <= first <= second <= after
    assert made[0] == made[1]


def test_latency_has_a_row_for_each_way_in_and_tells_where_the_time_went() -> None:
    told: list[str] = []
    options = latency.Options(rounds=1, warm=1, jobs=3, rest=0.01, peers=(), databases=("SQLite",))
    report = latency.measure(options, told.append)
    rows = {(row.metric, row.side): row for row in report.rows}
    ways = ("SQLite, HTTP", "SQLite, another process")
    assert set(rows) == {(metric, way) for metric in ("p50", "p99", "p99 / p50") for way in ways}
    assert all(0 < row.lowest <= row.median <= row.highest for row in rows.values())
    assert report.reference == "SQLite, HTTP"
    assert [note.split(",")[0] for note in report.notes] == ["SQLite", "SQLite"]
    parts = ("to accept", "accept", "to claim", "claim", "stored request", "to Circle")
    assert all(f"{part} " in note for note in report.notes for part in parts), report.notes
    assert told == ["round 1 of 1: SQLite, HTTP", "round 1 of 1: SQLite, another process"]
