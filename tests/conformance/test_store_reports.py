from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from urllib.parse import quote
from uuid import UUID, uuid4

import pytest

from tests.support_store import (
    BAD_INPUT,
    TIMEOUT,
    accept,
    apply,
    claim_new,
    finish,
    live,
    record,
    request,
    result,
)
from wallet_provisioning.jobs import moves
from wallet_provisioning.jobs.errors import ErrorType
from wallet_provisioning.jobs.states import AuditStatus, JobStatus, WalletStatus
from wallet_provisioning.store import reports
from wallet_provisioning.store.audit import write_audit
from wallet_provisioning.store.database import Database
from wallet_provisioning.store.errors import InvalidCursorError
from wallet_provisioning.store.reports import AuditFilter, JobFilter, Page, WalletFilter


def job_ids(database: Database, wanted: JobFilter) -> list[UUID]:
    with database.read() as connection:
        return [job.id for job in reports.list_jobs(connection, wanted).items]


def wallet_chains(database: Database, wanted: WalletFilter) -> list[str]:
    with database.read() as connection:
        return sorted(wallet.chain for wallet in reports.list_wallets(connection, wanted).items)


def audit_actions(database: Database, wanted: AuditFilter) -> list[str]:
    with database.read() as connection:
        return [row.action.partition(":")[2] for row in reports.list_audit(connection, wanted).items]


def test_an_unknown_job_is_none(database: Database) -> None:
    with database.read() as connection:
        assert reports.get_job(connection, uuid4()) is None
        assert reports.user_wallets(connection, uuid4()) == ()
        assert reports.job_timeline(connection, uuid4()) == ()


def test_pages_lead_through_all_jobs_newest_first(database: Database) -> None:
    ids = [accept(database, request(chains=("ETH",))).job.id for _ in range(7)]
    seen: list[UUID] = []
    cursor: str | None = None
    sizes = []
    with database.read() as connection:
        while True:
            page = reports.list_jobs(connection, JobFilter(), limit=3, cursor=cursor)
            seen += [job.id for job in page.items]
            sizes.append(len(page.items))
            cursor = page.next
            if cursor is None:
                break

    assert seen == ids[::-1]
    assert sizes == [3, 3, 1]


def test_a_page_that_ends_the_list_exactly_has_no_next(database: Database) -> None:
    for _ in range(2):
        accept(database)
    with database.read() as connection:
        assert reports.list_jobs(connection, JobFilter(), limit=2).next is None
        assert reports.list_jobs(connection, JobFilter(user_id=uuid4())).items == ()


def test_jobs_that_come_in_while_someone_pages_disturb_no_page(database: Database) -> None:
    ids = [accept(database).job.id for _ in range(4)]
    with database.read() as connection:
        first = reports.list_jobs(connection, JobFilter(), limit=2)
    accept(database)
    with database.read() as connection:
        second = reports.list_jobs(connection, JobFilter(), limit=2, cursor=first.next)

    assert [job.id for job in (*first.items, *second.items)] == ids[::-1]


@pytest.mark.parametrize("cursor", ["", "abc", "1", "\0", "0190aaaa-0000-7000-8000-00000000000g"])
def test_a_cursor_that_no_list_gave_out_is_refused(database: Database, cursor: str) -> None:
    with database.read() as connection:
        for listing in (
            lambda: reports.list_jobs(connection, JobFilter(), cursor=cursor),
            lambda: reports.list_wallets(connection, WalletFilter(), cursor=cursor),
            lambda: reports.list_audit(connection, AuditFilter(), cursor=cursor),
        ):
            refuses_cursor(listing)


def test_a_cursor_leads_on_in_its_own_list_alone(database: Database) -> None:
    for _ in range(2):
        accept(database)
    with database.read() as connection:
        lists: dict[str, Callable[[str | None], Page[Any]]] = {
            "jobs": lambda cursor: reports.list_jobs(connection, JobFilter(), 1, cursor),
            "wallets": lambda cursor: reports.list_wallets(connection, WalletFilter(), 1, cursor),
            "audit": lambda cursor: reports.list_audit(connection, AuditFilter(), 1, cursor),
        }
        for name, listing in lists.items():
            cursor = listing(None).next
            assert cursor is not None
            assert listing(cursor).items
            assert cursor == quote(cursor, safe="")
            for wrong in (cursor.upper(), cursor.partition(".")[2], cursor + " "):
                refuses_cursor(partial(listing, wrong))
            for other in lists.keys() - {name}:
                refuses_cursor(partial(lists[other], cursor))


def refuses_cursor(listing: Callable[[], object]) -> None:
    with pytest.raises(InvalidCursorError) as caught:
        listing()
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize("limit", [0, -1, 201])
def test_a_page_has_1_to_200_items(database: Database, limit: int) -> None:
    with database.read() as connection, pytest.raises(ValueError, match="1 to 200"):
        reports.list_jobs(connection, JobFilter(), limit=limit)


def test_jobs_are_filtered_by_each_field(database: Database) -> None:
    failed = claim_new(database, request(chains=("ETH", "SOL")))
    apply(database, moves.fail(failed, TIMEOUT))
    queued = accept(database, request(chains=("APTOS",))).job

    assert job_ids(database, JobFilter(status=JobStatus.FAILED)) == [failed.id]
    assert job_ids(database, JobFilter(user_id=queued.user_id)) == [queued.id]
    assert job_ids(database, JobFilter(chain="SOL")) == [failed.id]
    assert job_ids(database, JobFilter(chain="SO")) == []
    assert job_ids(database, JobFilter(chain='"\0')) == []
    assert job_ids(database, JobFilter(error_type=ErrorType.TIMEOUT)) == [failed.id]
    assert job_ids(database, JobFilter(status=JobStatus.QUEUED, chain="APTOS")) == [queued.id]
    assert job_ids(database, JobFilter(created_after=queued.created_at)) == [queued.id]
    assert job_ids(database, JobFilter(created_before=queued.created_at)) == [failed.id]


def test_jobs_of_a_list_bring_their_wallets(database: Database) -> None:
    job = claim_new(database, request(chains=("SOL", "ETH")))
    finish(database, job)
    accept(database, request(job.user_id, ("APTOS",)))

    with database.read() as connection:
        newest, oldest = reports.list_jobs(connection, JobFilter()).items

    assert [wallet.chain for wallet in newest.wallets] == ["APTOS"]
    assert [wallet.chain for wallet in oldest.wallets] == ["SOL", "ETH"]
    assert {wallet.status for wallet in oldest.wallets} == {WalletStatus.LIVE}


def test_wallets_are_filtered_by_each_field(database: Database) -> None:
    job = claim_new(database)
    record(database, result(job, live()), result(job, BAD_INPUT, "SOL"))
    later = datetime.now(UTC) + timedelta(days=1)

    assert wallet_chains(database, WalletFilter(status=WalletStatus.LIVE)) == ["ETH"]
    assert wallet_chains(database, WalletFilter(chain="SOL")) == ["SOL"]
    assert wallet_chains(database, WalletFilter(chain="\0")) == []
    assert wallet_chains(database, WalletFilter(error_type=ErrorType.CIRCLE_4XX)) == ["SOL"]
    assert wallet_chains(database, WalletFilter(user_id=job.user_id)) == ["APTOS", "ETH", "SOL"]
    assert wallet_chains(database, WalletFilter(created_after=later)) == []
    assert wallet_chains(database, WalletFilter(created_before=later)) == ["APTOS", "ETH", "SOL"]


def test_audit_rows_are_filtered_by_each_field(database: Database) -> None:
    job = claim_new(database)
    apply(database, moves.schedule_retry(job, TIMEOUT, timedelta()))
    accept(database)

    assert audit_actions(database, AuditFilter(action_prefix="wallet-worker:provision_")) == [
        "provision_failed",
        "provision_start",
    ]
    assert audit_actions(database, AuditFilter(action_prefix="%")) == []
    assert audit_actions(database, AuditFilter(action_prefix="wallet_worker")) == []
    assert audit_actions(database, AuditFilter(action_prefix="\0")) == []
    assert audit_actions(database, AuditFilter(status=AuditStatus.RETRY_SCHEDULED)) == ["provision_failed"]
    assert len(audit_actions(database, AuditFilter(user_id=job.user_id))) == 3
    assert len(audit_actions(database, AuditFilter(job_id=job.id))) == 3
    assert len(audit_actions(database, AuditFilter())) == 4


def test_audit_rows_are_filtered_by_the_chain_that_they_name(database: Database) -> None:
    job = claim_new(database)
    record(database, result(job, live()), result(job, BAD_INPUT, "SOL"))
    with database.write("cli", "test") as tx:
        write_audit(tx, action="admin:breaker_opened", resource_type="chain", resource_id="SOL")

    assert audit_actions(database, AuditFilter(chain="ETH")) == ["wallet_created", "job_created"]
    assert audit_actions(database, AuditFilter(chain="SOL")) == [
        "breaker_opened",
        "wallet_failed",
        "job_created",
    ]
    assert audit_actions(database, AuditFilter(chain="OP")) == []
    assert audit_actions(database, AuditFilter(chain="\0")) == []


def test_audit_rows_are_filtered_by_the_error_that_they_tell_of(database: Database) -> None:
    job = claim_new(database)
    apply(database, moves.schedule_retry(job, TIMEOUT, timedelta()))

    assert audit_actions(database, AuditFilter(error_type=ErrorType.TIMEOUT)) == ["provision_failed"]
    assert audit_actions(database, AuditFilter(error_type=ErrorType.CRASH)) == []


def test_a_timeline_is_in_order_and_of_one_job(database: Database) -> None:
    job = claim_new(database)
    accept(database)
    finish(database, job)

    with database.read() as connection:
        rows = reports.job_timeline(connection, job.id)

    assert [row.action.partition(":")[2] for row in rows] == [
        "job_created",
        "provision_start",
        *["wallet_created"] * 3,
        "provision_complete",
    ]
    assert [row.created_at for row in rows] == sorted(row.created_at for row in rows)


def test_times_are_aware_and_in_utc(database: Database) -> None:
    job = accept(database).job

    assert job.created_at.tzinfo is UTC
    assert abs(datetime.now(UTC) - job.created_at) < timedelta(minutes=1)
