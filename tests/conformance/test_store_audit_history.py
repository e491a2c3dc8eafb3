"""The audit tells each row's whole history: what one row says came after is what the next says was before."""

from datetime import timedelta
from itertools import pairwise
from uuid import UUID, uuid4

from sqlalchemy import text

from tests.support_store import (
    BAD_INPUT,
    EXPIRED,
    NO_ANSWER,
    SOL,
    TIMEOUT,
    accept,
    apply,
    claim,
    job_of,
    live,
    operate,
    record,
    request,
    result,
    timeline,
    wallet_of,
)
from wallet_provisioning.jobs import moves
from wallet_provisioning.jobs.kyc import KycStatus
from wallet_provisioning.store import kyc, reports
from wallet_provisioning.store.claims import rescue_expired
from wallet_provisioning.store.columns import iso
from wallet_provisioning.store.database import Database
from wallet_provisioning.store.views import AuditView, JobView, WalletView

NOW = timedelta()


def live_a_full_life(database: Database, user: UUID) -> JobView:
    """Lead one job over nearly every move there is; return it."""
    job = accept(database, request(user, ("ETH", "SOL"))).job
    (held,) = claim(database)
    apply(database, moves.hand_back(held))
    (held,) = claim(database)
    apply(database, moves.return_after_crash(held, "boom"))
    (held,) = claim(database, lease=EXPIRED)
    with database.write("rescuer", "rescue") as tx:
        rescue_expired(tx)
    (held,) = claim(database)
    record(database, result(held, NO_ANSWER))
    apply(database, moves.schedule_retry(held, TIMEOUT, NOW))
    accept(database, request(user, ("APTOS",)))
    (held,) = claim(database)
    record(database, result(held, live()), result(held, BAD_INPUT, "SOL"))
    apply(database, moves.fail(held, TIMEOUT))
    operate(database, moves.retry_now(job.id, "again"))
    operate(database, moves.cancel(job.id, "no"))
    operate(database, moves.retry_now(job.id, "yes"))
    (held,) = claim(database)
    record(database, *[result(held, live(), chain) for chain in held.chains])
    apply(database, moves.complete(held))
    return job_of(database, job.id)


def states_of(rows: tuple[AuditView, ...]) -> list[AuditView]:
    return [row for row in rows if row.resource_type == "job" and "status" in (row.changes["after"] or {})]


def test_each_move_begins_where_the_one_before_ended(database: Database) -> None:
    job = live_a_full_life(database, uuid4())
    history = states_of(timeline(database, job.id))
    assert len(history) == 16

    for earlier, later in pairwise(history):
        before, after = later.changes["before"], earlier.changes["after"]
        shared = before.keys() & after.keys() - {"wallets"}
        assert {"status", "attempt_count"} <= shared
        assert {name: before[name] for name in shared} == {name: after[name] for name in shared}, later.action


def test_the_last_row_says_what_the_job_is(database: Database) -> None:
    job = live_a_full_life(database, uuid4())
    said = states_of(timeline(database, job.id))[-1].changes["after"]
    assert said == {
        "status": job.status.value,
        "attempt_count": job.attempt_count,
        "crash_count": job.crash_count,
        "error": None,
        "next_retry_at": None if job.next_retry_at is None else iso(job.next_retry_at),
    }


def test_each_change_of_a_wallet_is_told_by_its_own_row_or_its_jobs(database: Database) -> None:
    user = uuid4()
    job = live_a_full_life(database, user)
    for chain in ("ETH", "SOL", "APTOS"):
        wallet = wallet_of(database, user, chain)
        told = [status for row in timeline(database, job.id) for status in _told(row, chain, wallet)]
        assert [after for after, before in pairwise(told) if after != before] != []
        befores, afters = told[::2], told[1::2]
        assert befores[1:] == afters[:-1], (chain, told)
        assert afters[-1] == wallet.status.value


def _told(row: AuditView, chain: str, wallet: WalletView) -> list[str | None]:
    """Return what a row says of a wallet's status before and after; nothing where it says nothing."""
    before, after = row.changes["before"] or {}, row.changes["after"] or {}
    if row.resource_type == "wallet" and row.resource_id == str(wallet.id):
        return [before.get("status"), after.get("status")]
    if chain in after.get("wallets", {}):
        return [before.get("wallets", {}).get(chain), after["wallets"][chain]]
    return []


def test_where_a_chain_failed_before_its_job_ended_the_jobs_row_says_what_became_of_it(
    database: Database,
) -> None:
    """At that time nobody knew yet that no further attempt would come."""
    accept(database, request(chains=("ETH", "SOL")))
    (held,) = claim(database)
    record(database, result(held, NO_ANSWER))
    record(database, result(held, live(SOL), "SOL"))
    apply(database, moves.fail(held, TIMEOUT))

    rows = timeline(database, held.id)[-3:]
    assert [(row.action.split(":")[1], row.status.value) for row in rows] == [
        ("wallet_failed", "retry_scheduled"),
        ("wallet_created", "success"),
        ("provision_failed", "failed"),
    ]
    chain, _, end = (row.changes for row in rows)
    assert (chain["after"]["chain"], chain["after"]["status"]) == ("ETH", "creating")
    assert end["before"]["wallets"] == {"ETH": "creating"}
    assert end["after"]["wallets"] == {"ETH": "failed"}


def test_a_second_job_that_revives_a_failed_wallet_says_so(database: Database) -> None:
    user = uuid4()
    accept(database, request(user, ("ETH",)))
    (held,) = claim(database)
    record(database, result(held, BAD_INPUT))
    apply(database, moves.fail(held, TIMEOUT))

    second = accept(database, request(user, ("ETH",))).job
    (created,) = timeline(database, second.id)
    assert created.changes["before"] == {"wallets": {"ETH": "failed"}}
    assert created.changes["after"]["wallets"] == {"ETH": "creating"}


def test_a_kyc_answer_is_told_with_all_that_it_changed(database: Database) -> None:
    with database.write("api", "kyc") as tx:
        kyc.accept_callback(
            tx,
            kyc.KycCallback(
                provider_ref="ref",
                status=KycStatus.REJECTED,
                user_id=None,
                rejection_reasons=("blurred",),
                chains=("ETH",),
                max_attempts=5,
                traceparent=None,
                registers_unknown=True,
            ),
        )
    with database.read() as connection:
        rows = reports.list_audit(connection, reports.AuditFilter(action_prefix="kyc:")).items
    last = rows[0].changes
    assert last["before"] == {"status": "pending", "rejection_reasons": []}
    assert last["after"] == {"status": "rejected", "rejection_reasons": ["blurred"]}


def test_no_row_holds_a_secret(database: Database) -> None:
    """Neither a ciphertext nor a key has a column or a place in the documents."""
    live_a_full_life(database, uuid4())
    with database.read() as connection:
        told = " ".join(str(row) for row in connection.execute(text("SELECT * FROM audit_logs"))).lower()
    assert not [word for word in ("ciphertext", "api_key", "entity_secret", "bearer") if word in told]
