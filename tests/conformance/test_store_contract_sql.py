"""The three queries that users already run, word for word, on both databases."""

import json
import sqlite3
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row
from sqlalchemy import text

from tests.support_store import TIMEOUT, accept, apply, claim, finish, request
from wallet_provisioning.jobs import moves
from wallet_provisioning.store.database import Database

AUDIT = """SELECT * FROM audit_logs WHERE action LIKE '%wallet-worker%' ORDER BY created_at DESC;"""
RETRIES = """SELECT user_id, status, attempt_count, error_message, next_retry_at FROM wallet_provisioning_jobs
      WHERE status = 'retry' ORDER BY next_retry_at ASC;"""
HISTORY = """SELECT action, resource_type, changes, status, error_message, created_at FROM audit_logs
      WHERE user_id = :user AND action LIKE '%wallet%' ORDER BY created_at DESC;"""


def run(url: str, query: str, **parameters: str) -> list[dict[str, Any]]:
    """Run a query as a user does: through the bare driver, knowing nothing of our types."""
    if url.startswith("sqlite"):
        connection = sqlite3.connect(url.removeprefix("sqlite:///"))
        connection.row_factory = sqlite3.Row
        rows = [dict(row) for row in connection.execute(query, parameters)]
        connection.close()
        return rows
    with psycopg.connect(url, row_factory=dict_row) as plain:
        return plain.execute(
            query.replace(":user", "%(user)s").replace("'%", "'%%").replace("%'", "%%'")
            if parameters
            else query,
            parameters or None,
        ).fetchall()


@pytest.fixture
def history(database: Database) -> list[str]:
    for _ in range(3):
        accept(database, request(chains=("ETH",)))
    one, two, three = claim(database)
    finish(database, one)
    apply(database, moves.schedule_retry(two, TIMEOUT, timedelta(minutes=9)))
    apply(database, moves.schedule_retry(three, TIMEOUT, timedelta(minutes=2)))
    return [str(job.user_id) for job in (one, two, three)]


def test_the_audit_query_lists_the_workers_rows_newest_first(database_url: str, history: list[str]) -> None:
    rows = run(database_url, AUDIT)

    assert rows[0]["action"] == "wallet-worker:provision_failed"
    assert rows[-1]["action"] == "wallet-worker:job_created"
    assert [row["created_at"] for row in rows] == sorted((row["created_at"] for row in rows), reverse=True)
    assert {"id", "user_id", "actor", "resource_id", "changes", "status", "trace_id"} <= set(rows[0])
    assert {row["user_id"] for row in rows} == set(history)


def test_the_retry_query_lists_what_is_due_next_first(database_url: str, history: list[str]) -> None:
    rows = run(database_url, RETRIES)

    assert [row["user_id"] for row in rows] == [history[2], history[1]]
    assert rows[0]["error_message"] == "ETH: no answer"
    assert (rows[0]["status"], rows[0]["attempt_count"]) == ("retry", 1)
    assert rows[0]["next_retry_at"] < rows[1]["next_retry_at"]


def test_the_history_query_takes_a_users_id_as_text(database_url: str, history: list[str]) -> None:
    rows = run(database_url, HISTORY, user=history[0])

    assert [row["action"].partition(":")[2] for row in rows] == [
        "provision_complete",
        "wallet_created",
        "provision_start",
        "job_created",
    ]
    changes = rows[0]["changes"]
    decoded = json.loads(changes) if isinstance(changes, str) else changes
    assert (decoded["before"]["status"], decoded["after"]["status"]) == ("in_progress", "completed")


@pytest.mark.parametrize("query", [AUDIT, RETRIES, HISTORY])
def test_the_queries_run_through_sqlalchemy_too(database: Database, history: list[str], query: str) -> None:
    with database.read() as connection:
        parameters = {"user": history[0]} if ":user" in query else {}
        assert connection.execute(text(query), parameters).all()
