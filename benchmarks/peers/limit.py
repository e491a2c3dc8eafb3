"""The limit: two threads written for this one task, which know but `drain` of what `commands` has.

One thread claims two hundred jobs and has their wallets made, two hundred a request; the other commits
what came back, a group a transaction. No supervision, no guarantee, no log line and no metric.
"""

import http.client
import json
import queue
import threading
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import psycopg

from benchmarks.peers import work
from benchmarks.peers.commands import Order, leave, read_order

_GROUP = 200
_CLAIM = """
WITH due AS (SELECT id FROM peer_jobs WHERE status = 'queued' LIMIT %s FOR UPDATE SKIP LOCKED),
taken AS (UPDATE peer_jobs SET status = 'in_progress' FROM due WHERE peer_jobs.id = due.id
    RETURNING peer_jobs.id, user_id),
audited AS (INSERT INTO peer_audit (id, job_id, action, changes)
    SELECT gen_random_uuid()::text, id, 'provision_start', '{"before": {}, "after": {}}' FROM taken)
SELECT id, user_id FROM taken
"""
_COMMIT = """
WITH new AS (SELECT * FROM unnest(%s::text[], %s::text[], %s::text[], %s::text[], %s::text[])
    AS t (job_id, user_id, chain, address, circle_wallet_id)),
made AS (INSERT INTO peer_wallets (id, user_id, chain, address, circle_wallet_id)
    SELECT gen_random_uuid()::text, user_id, chain, address, circle_wallet_id FROM new),
told AS (INSERT INTO peer_audit (id, job_id, action, changes)
    SELECT gen_random_uuid()::text, job_id, 'wallet_created', jsonb_build_object('before', '{}'::jsonb,
        'after', jsonb_build_object('user_id', user_id, 'chain', chain, 'address', address,
            'circle_wallet_id', circle_wallet_id)) FROM new),
ended AS (UPDATE peer_jobs SET status = 'completed', completed_at = clock_timestamp()
    WHERE id = ANY (%s::text[]) RETURNING id)
INSERT INTO peer_audit (id, job_id, action, changes)
SELECT gen_random_uuid()::text, id, 'provision_complete', '{"before": {}, "after": {}}' FROM ended
"""


def _claim_and_ask(url: str, circle: str, results: "queue.Queue[list[Any]]") -> None:
    address = urlsplit(circle)
    wire = http.client.HTTPConnection(address.hostname or "", address.port)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SET jit = off")
        while jobs := connection.execute(_CLAIM, (_GROUP,)).fetchall():
            by_user = {user_id: job_id for job_id, user_id in jobs}
            rows = [row for chain in work.CHAINS for row in _ask(wire, chain, by_user)]
            results.put([jobs, rows])


def _ask(wire: http.client.HTTPConnection, chain: str, by_user: dict[str, str]) -> list[tuple[str, ...]]:
    order = work.order("", chain)
    metadata = [{"name": user_id, "refId": f"{chain} {user_id}"} for user_id in by_user]
    body = json.dumps({**order, "count": len(metadata), "metadata": metadata, "idempotencyKey": str(uuid4())})
    wire.request("POST", work.PATH, body, {"Content-Type": "application/json"})
    wallets = json.loads(wire.getresponse().read())["data"]["wallets"]
    return [(by_user[one["name"]], one["name"], chain, one["address"], one["id"]) for one in wallets]


def _commit(url: str, results: "queue.Queue[list[Any]]", watch: work.Watch) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SET jit = off")
        while True:
            jobs, rows = results.get()
            columns = [list(column) for column in zip(*rows, strict=True)]
            connection.execute(_COMMIT, (*columns, [job_id for job_id, _ in jobs]))
            if watch.finished(len(jobs)):
                return


def _main(order: Order) -> None:
    work.fill(order.url, order.stop + 3 * _GROUP)
    watch = work.Watch(order.warm, order.stop)
    results: queue.Queue[list[Any]] = queue.Queue(maxsize=4)
    asking = threading.Thread(target=_claim_and_ask, args=(order.url, order.circle, results), daemon=True)
    asking.start()
    _commit(order.url, results, watch)
    leave(watch.figures())


if __name__ == "__main__":
    _main(read_order())
