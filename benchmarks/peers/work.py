"""The work that every peer does for a job: bare psycopg, which suits them best, and httpx.

A job has an audit row from the start. Its begin is audited; for each chain a wallet is asked for, then
its row and its audit row are written; at the end the job is completed and that is audited. Nothing is
stored before it is sent, and no lease, epoch or breaker is looked at: the peers do less than we do.
"""

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

CHAINS = ("ETH", "SOL", "APTOS")
PATH = "/v1/w3s/developer/wallets"
WALLET_SET = str(uuid4())

TABLES = """
CREATE TABLE peer_jobs (id text PRIMARY KEY, user_id text NOT NULL, status text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(), completed_at timestamptz);
CREATE TABLE peer_wallets (id text PRIMARY KEY, user_id text NOT NULL, chain text NOT NULL,
    address text NOT NULL, circle_wallet_id text NOT NULL UNIQUE, UNIQUE (user_id, chain));
CREATE TABLE peer_audit (id text PRIMARY KEY, job_id text NOT NULL, action text NOT NULL,
    changes jsonb NOT NULL, created_at timestamptz NOT NULL DEFAULT clock_timestamp());
CREATE INDEX peer_audit_job ON peer_audit (job_id, id);
"""
FILL = """
WITH made AS (
    INSERT INTO peer_jobs (id, user_id, status)
    SELECT gen_random_uuid()::text, gen_random_uuid()::text, 'queued' FROM generate_series(1, %s)
    RETURNING id, user_id
), audited AS (
    INSERT INTO peer_audit (id, job_id, action, changes)
    SELECT gen_random_uuid()::text, id, 'job_created', '{"after": {"status": "queued"}}' FROM made
)
SELECT id, user_id FROM made
"""
AUDIT = (
    "INSERT INTO peer_audit (id, job_id, action, changes) "
    "VALUES (%(id)s, %(job_id)s, %(action)s, %(changes)s::text::jsonb)"
)
WALLET = (
    "INSERT INTO peer_wallets (id, user_id, chain, address, circle_wallet_id) "
    "VALUES (%(id)s, %(user_id)s, %(chain)s, %(address)s, %(circle_wallet_id)s)"
)
MOVE = "UPDATE peer_jobs SET status = %(status)s, completed_at = clock_timestamp() WHERE id = %(id)s"

Step = list[tuple[str, dict[str, Any]]]


def fill(url: str, count: int) -> list[tuple[str, str]]:
    """Make the tables and so many jobs; returns each job's id and user."""
    import psycopg  # noqa: PLC0415 - the environment of each peer has its own

    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(TABLES)
        return [(str(job_id), str(user_id)) for job_id, user_id in connection.execute(FILL, (count,))]


def begin(job_id: str) -> Step:
    """Return what is written when the job begins."""
    return [(MOVE, {"id": job_id, "status": "in_progress"}), _audit(job_id, "provision_start", {})]


def order(user_id: str, chain: str) -> dict[str, Any]:
    """Return the request for one wallet."""
    return {
        "idempotencyKey": str(uuid4()),
        "walletSetId": WALLET_SET,
        "blockchains": [f"{chain}-TEST"],
        "accountType": "EOA",
        "count": 1,
        "metadata": [{"name": user_id, "refId": f"{chain} {user_id}"}],
        "entitySecretCiphertext": "x" * 684,
    }


def keep(job_id: str, user_id: str, chain: str, answer: dict[str, Any]) -> Step:
    """Return what is written of a wallet that was made."""
    wallet = answer["data"]["wallets"][0]
    row = {
        "id": str(uuid4()),
        "user_id": user_id,
        "chain": chain,
        "address": wallet["address"],
        "circle_wallet_id": wallet["id"],
    }
    return [(WALLET, row), _audit(job_id, "wallet_created", row)]


def end(job_id: str) -> Step:
    """Return what is written when the job is done."""
    return [(MOVE, {"id": job_id, "status": "completed"}), _audit(job_id, "provision_complete", {})]


def _audit(job_id: str, action: str, after: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    changes = json.dumps({"before": {}, "after": after})
    return AUDIT, {"id": str(uuid4()), "job_id": job_id, "action": action, "changes": changes}


@dataclass(slots=True)
class Watch:
    """Counts jobs that are done; the figures are those between two of them. Safe on any thread."""

    warm: int
    stop: int
    done: int = 0
    marks: list[tuple[int, float, float]] = field(default_factory=list)

    def finished(self, count: int = 1) -> bool:
        """Count; return True once all that was to be measured is."""
        self.done += count
        wanted = (self.warm, self.stop)
        if len(self.marks) < len(wanted) and self.done >= wanted[len(self.marks)]:
            self.marks.append((self.done, time.perf_counter(), time.process_time()))
        return len(self.marks) == len(wanted)

    def figures(self) -> str:
        """Return what was measured, for whoever started this process."""
        (before, began, burnt), (after, ended, used) = self.marks
        return json.dumps({"jobs": after - before, "seconds": ended - began, "cpu": used - burnt})


def in_groups(jobs: Sequence[tuple[str, str]], size: int) -> Iterator[Sequence[tuple[str, str]]]:
    """Yield the jobs in groups."""
    for start in range(0, len(jobs), size):
        yield jobs[start : start + size]
