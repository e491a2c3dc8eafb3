"""Records what became of wallets.

A wallet that exists at Circle is recorded whatever its job's status or epoch is, for it exists. A
failure counts only from the job's current holder: a zombie's may be older than the truth.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from operator import itemgetter
from typing import Any, TypeAlias
from uuid import UUID

from sqlalchemy import RowMapping, Select, String, Update, select, type_coerce, update

from wallet_provisioning.jobs.outcomes import Failed, Live
from wallet_provisioning.jobs.states import AuditStatus, JobStatus, WalletStatus
from wallet_provisioning.store.audit import (
    DUPLICATE_WALLET,
    WALLET_CREATED,
    WALLET_FAILED,
    AuditEntry,
    write_entries,
)
from wallet_provisioning.store.ids import new_id
from wallet_provisioning.store.job_rows import lock_jobs
from wallet_provisioning.store.request_rows import binds
from wallet_provisioning.store.sets import insert_rows, one_of, set_value, update_rows
from wallet_provisioning.store.settling import settle
from wallet_provisioning.store.tables import circle_requests, jobs, wallets
from wallet_provisioning.store.transaction import Transaction, moment_of
from wallet_provisioning.store.urls import Dialect
from wallet_provisioning.store.views import Fields
from wallet_provisioning.store.wallet_result import WalletResult
from wallet_provisioning.telemetry.events import DuplicateWallet

__all__ = ["WalletResult", "record_results"]

_Placed: TypeAlias = tuple[int, WalletResult]
_Key: TypeAlias = tuple[UUID, str]
_Fields: TypeAlias = dict[str, Any]

_FACTS = ("chain", "blockchain", "status", "address", "circle_wallet_id", "wallet_set_id", "account_type")


@dataclass(slots=True)
class _Plan:
    """What a set of results changes: rows by wallet, new rows, audit entries, results that counted."""

    moment: datetime
    updates: dict[str, _Fields]
    inserts: list[_Fields]
    entries: list[AuditEntry]
    counted: list[WalletResult]
    live: dict[_Key, str]


def record_results(tx: Transaction, results: Sequence[WalletResult]) -> tuple[WalletResult, ...]:
    """Record results; returns those that changed a row.

    A repeat, and a failure from one who lost the job, changes nothing. A second wallet at Circle for a
    live one is audited and told as `DuplicateWallet`, never taken over. Requests whose wallets have all
    ended are resolved. Raises `RowRefusedError`, with nothing done, where a wallet of Circle's is
    recorded for another user already: record the group one by one then.
    """
    if tx.dialect == "sqlite" or _names_one_twice(results):
        return _record_each(tx, results)
    plain = [(place, result) for place, result in enumerate(results) if isinstance(result.outcome, Live)]
    others = [(place, result) for place, result in enumerate(results) if isinstance(result.outcome, Failed)]
    if others:
        _lock_all(tx, results)
    counted = [*_record_others(tx, others), *_record_live(tx, plain)]
    return tuple(result for _, result in sorted(counted, key=itemgetter(0)))


def _lock_all(tx: Transaction, results: Sequence[WalletResult]) -> None:
    """Lock jobs before wallets, each in one go: what follows does it in parts, and might meet another."""
    lock_jobs(tx, [result.job_id for result in results if result.job_id is not None])
    _lock_wallets(tx, results)


def _names_one_twice(results: Sequence[WalletResult]) -> bool:
    return len({(result.user_id, result.chain) for result in results}) < len(results)


def _record_others(tx: Transaction, results: Sequence[_Placed]) -> list[_Placed]:
    counted = {id(result) for result in _record_each(tx, [result for _, result in results])}
    return [(place, result) for place, result in results if id(result) in counted]


def _record_live(tx: Transaction, results: Sequence[_Placed]) -> list[_Placed]:
    """Record wallets that went live all at once, and look closer at those that this left alone."""
    if not results:
        return []
    settled = settle(tx, [result for _, result in results], ())
    _resolve(tx, settled.open_requests)
    if not settled.left_alone:
        return list(results)
    places = {results[number - 1][0] for number in settled.left_alone}
    closer = _record_others(tx, [each for each in results if each[0] in places])
    return [*closer, *(each for each in results if each[0] not in places)]


def _record_each(tx: Transaction, results: Sequence[WalletResult]) -> tuple[WalletResult, ...]:
    """Read the rows, decide one by one, write what has changed."""
    if not results:
        return ()
    _lock_jobs_of_failures(tx, results)
    known = _lock_wallets(tx, results)
    moment = next((row["moment"] for row in known.values()), None) or tx.read_clock()
    plan = _plan(tx, known, results, moment)
    insert_rows(tx, wallets, plan.inserts)
    update_rows(tx, wallets, [{"id": id_, **fields} for id_, fields in plan.updates.items()])
    write_entries(tx, plan.entries, plan.moment)
    _resolve(tx, {result.request_id for result in plan.counted} - {None})
    return tuple(plan.counted)


def _lock_jobs_of_failures(tx: Transaction, results: Iterable[WalletResult]) -> None:
    """Hold the jobs whose epoch decides, so that none is claimed between the look and the write."""
    failing = {result.job_id for result in results if isinstance(result.outcome, Failed)} - {None}
    if failing:
        lock_jobs(tx, [job_id for job_id in failing if job_id is not None])


def _lock_wallets(tx: Transaction, results: Iterable[WalletResult]) -> dict[_Key, RowMapping]:
    wanted = {(result.user_id, result.chain) for result in results}
    users = {str(user_id): user_id for user_id, _ in wanted}
    parameters = {"user_ids": set_value(tx.dialect, users), **tx.moment}
    rows = tx.execute(_lock(tx.dialect), parameters).mappings()
    known = {(users[row["user_id"]], row["chain"]): row for row in rows}
    return {key: row for key, row in known.items() if key in wanted}


# Ids stay the texts that they are: they are compared and written down, and a UUID of each is dear.
_LOCKED = (
    *(wallets.c[name] for name in ("chain", "blockchain", "status", "address", "account_type")),
    *(wallets.c[name] for name in ("error_type", "error_message")),
    *(
        type_coerce(wallets.c[name], String).label(name)
        for name in ("id", "user_id", "circle_wallet_id", "wallet_set_id", "job_id")
    ),
)


@cache
def _lock(dialect: Dialect) -> Select[Any]:
    job = (
        jobs.c.status.label("job_status"),
        jobs.c.epoch.label("job_epoch"),
        jobs.c.revision,
        jobs.c.trace_id,
    )
    return (
        select(*_LOCKED, *job, moment_of(dialect).label("moment"))
        .outerjoin(jobs, jobs.c.id == wallets.c.job_id)
        .where(one_of(dialect, wallets.c.user_id, "user_ids"))
        .order_by(wallets.c.id)
        .with_for_update(of=wallets)
    )


def _plan(
    tx: Transaction, known: Mapping[_Key, RowMapping], results: Iterable[WalletResult], moment: datetime
) -> _Plan:
    plan = _Plan(moment=moment, updates={}, inserts=[], entries=[], counted=[], live=_live_ids(known))
    for result in results:
        row = known.get((result.user_id, result.chain))
        match result.outcome:
            case Live():
                _plan_live(tx, plan, result, result.outcome, row)
            case Failed():
                _plan_failed(plan, result, result.outcome, row)
    return plan


def _live_ids(known: Mapping[_Key, RowMapping]) -> dict[_Key, str]:
    return {
        key: row["circle_wallet_id"] for key, row in known.items() if row["status"] == WalletStatus.LIVE.value
    }


def _plan_live(
    tx: Transaction, plan: _Plan, result: WalletResult, outcome: Live, row: RowMapping | None
) -> None:
    key = (result.user_id, result.chain)
    kept = plan.live.get(key)
    wallet = str(outcome.circle_wallet_id)
    if kept == wallet:
        return
    if kept is not None:
        _report_duplicate(tx, plan, result, outcome, kept)
        return
    fields = _live_fields(outcome, plan.moment)
    wallet_id: str = str(new_id()) if row is None else row["id"]
    if row is None:
        plan.inserts.append(_new_row(result, wallet_id, fields))
    else:
        plan.updates[wallet_id] = {**fields, "status": WalletStatus.LIVE.value}
    plan.live[key] = wallet
    plan.counted.append(result)
    plan.entries.append(_created(result, outcome, row, wallet_id, fields))


def _plan_failed(plan: _Plan, result: WalletResult, outcome: Failed, row: RowMapping | None) -> None:
    if row is None or not _is_from_holder(result, row) or row["status"] != WalletStatus.CREATING.value:
        return
    if (result.user_id, result.chain) in plan.live:
        return
    is_final = not outcome.error_type.is_retryable
    fields = {
        "blockchain": row["blockchain"],
        "address": row["address"],
        "circle_wallet_id": row["circle_wallet_id"],
        "wallet_set_id": row["wallet_set_id"],
        "account_type": row["account_type"],
        "error_type": outcome.error_type.value,
        "error_message": outcome.message,
        "updated_at": plan.moment,
        "status": (WalletStatus.FAILED if is_final else WalletStatus.CREATING).value,
    }
    plan.updates[row["id"]] = fields
    plan.counted.append(result)
    plan.entries.append(_failed(result, outcome, row, fields))


def _is_from_holder(result: WalletResult, row: RowMapping) -> bool:
    return (
        result.job_id is not None
        and str(result.job_id) == row["job_id"]
        and result.epoch == row["job_epoch"]
        and row["job_status"] == JobStatus.IN_PROGRESS.value
    )


def _live_fields(outcome: Live, moment: datetime) -> _Fields:
    return {
        "blockchain": outcome.blockchain,
        "address": outcome.address,
        "circle_wallet_id": outcome.circle_wallet_id,
        "wallet_set_id": outcome.wallet_set_id,
        "account_type": outcome.account_type,
        "error_type": None,
        "error_message": None,
        "updated_at": moment,
    }


def _new_row(result: WalletResult, wallet_id: str, fields: _Fields) -> _Fields:
    return {
        **fields,
        "id": wallet_id,
        "user_id": result.user_id,
        "chain": result.chain,
        "status": WalletStatus.LIVE.value,
        "generation": 0,
        "alone": False,
        "job_id": result.job_id,
        "created_at": fields["updated_at"],
    }


def _created(
    result: WalletResult, outcome: Live, row: RowMapping | None, wallet_id: str, fields: _Fields
) -> AuditEntry:
    after = _facts({**fields, "status": WalletStatus.LIVE.value, "chain": result.chain}) | {
        "circle_request_id": outcome.circle_request_id,
        "adopted": outcome.adopted,
    }
    return AuditEntry(
        action=WALLET_CREATED,
        resource_type="wallet",
        resource_id=wallet_id,
        user_id=result.user_id,
        job_id=result.job_id,
        epoch=result.epoch,
        before=None if row is None else _facts(row),
        after=after,
        trace_id=None if row is None else row["trace_id"],
    )


def _failed(result: WalletResult, outcome: Failed, row: RowMapping, fields: _Fields) -> AuditEntry:
    fails_now = result.fails_job_at is not None and result.fails_job_at == row["revision"]
    is_final = fails_now or not outcome.error_type.is_retryable
    status = WalletStatus.FAILED.value if is_final else fields["status"]
    after = _facts({**fields, "chain": result.chain, "status": status})
    return AuditEntry(
        action=WALLET_FAILED,
        resource_type="wallet",
        resource_id=str(row["id"]),
        user_id=result.user_id,
        job_id=result.job_id,
        epoch=result.epoch,
        before=_facts(row),
        after={**after, "circle_request_id": outcome.circle_request_id},
        status=AuditStatus.FAILED if is_final else AuditStatus.RETRY_SCHEDULED,
        error_message=outcome.message,
        trace_id=row["trace_id"],
    )


def _facts(row: Fields) -> _Fields:
    has_error = row["error_type"] is not None
    facts = {name: row[name] for name in _FACTS}
    return {
        **{name: str(value) if isinstance(value, UUID) else value for name, value in facts.items()},
        "error": {"type": row["error_type"], "message": row["error_message"]} if has_error else None,
    }


def _report_duplicate(tx: Transaction, plan: _Plan, result: WalletResult, outcome: Live, kept: str) -> None:
    plan.entries.append(
        AuditEntry(
            action=DUPLICATE_WALLET,
            resource_type="wallet",
            resource_id=str(outcome.circle_wallet_id),
            user_id=result.user_id,
            job_id=result.job_id,
            epoch=result.epoch,
            before={"circle_wallet_id": kept},
            after={
                "circle_wallet_id": kept,
                "duplicate": str(outcome.circle_wallet_id),
                "circle_request_id": outcome.circle_request_id,
            },
            status=AuditStatus.FAILED,
            error_message=f"Circle holds a second wallet for {result.chain}",
        )
    )
    tx.tell_after_commit(
        DuplicateWallet(
            user_id=result.user_id,
            chain=result.chain,
            kept=UUID(kept),
            duplicate=outcome.circle_wallet_id,
        )
    )


def _resolve(tx: Transaction, touched: Collection[object]) -> None:
    """Close the requests whose wallets are all live or failed."""
    if touched:
        tx.execute(_close_ended(tx.dialect), {"request_ids": set_value(tx.dialect, touched)})


@cache
def _close_ended(dialect: Dialect) -> Update:
    waiting = binds(dialect, WalletStatus.CREATING)
    return (
        update(circle_requests)
        .where(one_of(dialect, circle_requests.c.id, "request_ids"))
        .where(circle_requests.c.state == "unresolved", ~waiting)
        .values(state="resolved")
    )
