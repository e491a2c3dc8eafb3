"""Collects what a run left behind: the sandbox's file past all clients, the store, the log."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

from wallet_provisioning.chaos.facts import AuditRow, CircleWallet, StoredJob, StoredWallet
from wallet_provisioning.clock import Clock
from wallet_provisioning.store import reports
from wallet_provisioning.store.database import Connection, Database
from wallet_provisioning.store.reports import AuditFilter, JobFilter, Page, WalletFilter
from wallet_provisioning.store.views import AuditView, JobView, WalletView

_STATE = "wallet-provisioning-sandbox.jsonl"
_DATABASE = "wallet-provisioning.db"
_PAGE = 200
# What a run causes on purpose, and what the rest of the audit looks at anyway.
_EXPECTED_ERRORS = frozenset({"actor_ended", "job_moved"})
_LOST = "dead_letter"

View = TypeVar("View", JobView, WalletView, AuditView)


def wallets_at_circle(folder: Path) -> tuple[CircleWallet, ...]:
    """Return all wallets of the sandbox's state file; a line that was torn off was never answered for."""
    *lines, _ = (folder / _STATE).read_text().split("\n")
    records = map(json.loads, lines)
    made = (record["wallets"] for record in records if record["kind"] == "wallets")
    return tuple(_circle_wallet(wallet) for wallets in made for wallet in wallets)


def stored(
    folder: Path, clock: Clock
) -> tuple[tuple[StoredJob, ...], tuple[StoredWallet, ...], tuple[AuditRow, ...]]:
    """Return all jobs, wallets and audit rows of the store, the audit oldest first.

    Raises a `StoreError`.
    """
    url = f"sqlite:///{folder / _DATABASE}"
    with closing(Database(url, clock=clock, pool_size=1)) as database, database.read() as connection:
        jobs = _all(lambda cursor: reports.list_jobs(connection, JobFilter(), _PAGE, cursor))
        wallets = _all(lambda cursor: reports.list_wallets(connection, WalletFilter(), _PAGE, cursor))
        audit = [*_all(lambda cursor: _audit(connection, cursor))]
        return (
            tuple(map(_job, jobs)),
            tuple(map(_wallet, wallets)),
            tuple(map(_row, reversed(audit))),
        )


def read_log(log: Path) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the log's errors that nobody expects, and its lines on messages that found no actor.

    The last line of a process that was killed may be torn; it is left out.
    """
    *lines, _ = log.read_text(errors="replace").split("\n")
    entries = [(line, _entry(line)) for line in lines]
    errors = (line for line, entry in entries if _is_unexpected(entry))
    losses = (line for line, entry in entries if entry.get("event") == _LOST)
    return tuple(errors), tuple(losses)


def _entry(line: str) -> dict[str, Any]:
    try:
        entry: dict[str, Any] = json.loads(line)
    except ValueError:
        return {"level": "error", "event": "not a line of the log"}
    return entry


def _is_unexpected(entry: dict[str, Any]) -> bool:
    return entry.get("level") in {"error", "critical"} and entry.get("event") not in _EXPECTED_ERRORS


def _all(page_after: Callable[[str | None], Page[View]]) -> Iterator[View]:
    cursor: str | None = None
    while True:
        page = page_after(cursor)
        yield from page.items
        cursor = page.next
        if cursor is None:
            return


def _audit(connection: Connection, cursor: str | None) -> Page[AuditView]:
    return reports.list_audit(connection, AuditFilter(), _PAGE, cursor)


def _circle_wallet(wallet: dict[str, Any]) -> CircleWallet:
    chain, _, user_id = wallet["name"].partition(" ")
    return CircleWallet(id=UUID(wallet["id"]), user_id=UUID(user_id), chain=chain, address=wallet["address"])


def _job(job: JobView) -> StoredJob:
    error = " ".join(filter(None, [job.error_type, job.error_message]))
    return StoredJob(id=job.id, user_id=job.user_id, status=job.status.value, error=error)


def _wallet(wallet: WalletView) -> StoredWallet:
    return StoredWallet(
        user_id=wallet.user_id,
        chain=wallet.chain,
        status=wallet.status.value,
        circle_id=wallet.circle_wallet_id,
        address=wallet.address,
    )


def _row(row: AuditView) -> AuditRow:
    after = row.changes.get("after") or {}
    return AuditRow(
        action=row.action,
        resource_type=row.resource_type,
        resource_id=row.resource_id,
        job_id=row.job_id,
        reason=after.get("reason") or "",
        note=_note(row, after),
    )


def _note(row: AuditView, after: Mapping[str, Any]) -> str:
    """Return the error's text; a crash without a job is told in the words of one with a job."""
    error = row.error_message or ""
    if row.resource_type != "actor" or not error:
        return error
    return f"{row.resource_id} ended by {after.get('reason')}: {error}"
