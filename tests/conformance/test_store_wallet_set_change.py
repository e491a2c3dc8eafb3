"""The wallet set of a database changes only while nothing was made in it, and none may have been."""

from uuid import UUID, uuid4

import pytest

from tests.support_store import (
    ETH,
    WALLET_SET,
    claim_new,
    live,
    member,
    open_requests,
    record,
    request,
    result,
)
from wallet_provisioning.jobs.moves import ClaimedJob
from wallet_provisioning.store.daemons import Presence, beat, leave
from wallet_provisioning.store.database import Database
from wallet_provisioning.store.errors import ConflictError
from wallet_provisioning.store.reports import AuditFilter, list_audit
from wallet_provisioning.store.stamp import stamp_environment
from wallet_provisioning.store.wallet_set_change import change_wallet_set
from wallet_provisioning.store.wallets import (
    StoredRequest,
    mark_ambiguous,
    mark_certain,
    open_request,
    wallet_set_id,
)

OTHER = UUID("3d0f7f7e-6f0a-4a4c-8f0e-5f1f5a0c7b11")


@pytest.fixture
def stamped(database: Database) -> Database:
    with database.write("daemon", "stamp") as tx:
        stamp_environment(tx, "test", WALLET_SET)
    return database


def change(database: Database) -> UUID | None:
    with database.write("cli", "wallet_set_change") as tx:
        return change_wallet_set(tx, OTHER, reason="a typo")


def set_of(database: Database) -> UUID | None:
    with database.read() as connection:
        return wallet_set_id(connection)


def new_job(database: Database) -> ClaimedJob:
    return claim_new(database, request(chains=("ETH",)))


def sent(database: Database, job: ClaimedJob, *, is_certain: bool) -> StoredRequest:
    """Return a request that was sent: Circle has refused it, or nobody knows what it did."""
    stored = open_requests(database, job).request
    assert stored is not None
    with database.write("circle/ETH", "note_certainty") as tx:
        (mark_certain if is_certain else mark_ambiguous)(tx, stored.id)
    return stored


def test_a_set_in_which_nothing_was_made_is_changed_and_that_is_audited(stamped: Database) -> None:
    assert change(stamped) == WALLET_SET
    assert set_of(stamped) == OTHER
    assert change(stamped) == OTHER
    with stamped.read() as connection:
        (row,) = list_audit(connection, AuditFilter(action_prefix="admin:change"), 10, None).items
    assert (row.actor, row.resource_id) == ("cli", str(OTHER))
    assert row.changes["before"] == {"wallet_set_id": str(WALLET_SET)}
    assert row.changes["after"] == {"wallet_set_id": str(OTHER), "reason": "a typo"}


def test_requests_that_circle_refused_are_closed_and_asked_anew_in_the_new_set(stamped: Database) -> None:
    job = new_job(stamped)
    old = sent(stamped, job, is_certain=True)
    change(stamped)
    with stamped.write("circle/ETH", "request") as tx:
        new = open_request(tx, chain=ETH, wallet_set_id=OTHER, members=[member(job)]).request
    assert new is not None
    assert (new.wallet_set_id, new.members[0].generation) == (OTHER, 0)
    assert new.idempotency_key != old.idempotency_key
    assert new.members[0].ref_id != old.members[0].ref_id


def test_it_stays_where_a_request_may_have_made_a_wallet(stamped: Database) -> None:
    sent(stamped, new_job(stamped), is_certain=True)
    sent(stamped, new_job(stamped), is_certain=False)
    with pytest.raises(ConflictError, match="may have made wallets"):
        change(stamped)
    assert set_of(stamped) == WALLET_SET


def test_it_stays_where_a_request_was_stored_and_perhaps_sent(stamped: Database) -> None:
    open_requests(stamped, new_job(stamped))
    with pytest.raises(ConflictError, match="may have made wallets"):
        change(stamped)


def test_it_stays_where_there_is_a_wallet(stamped: Database) -> None:
    record(stamped, result(claim_new(stamped), live()))
    with pytest.raises(ConflictError, match="use another database"):
        change(stamped)


def test_it_stays_while_a_daemon_lives(stamped: Database) -> None:
    presence = Presence(boot_id=uuid4(), version="1.0.0", environment="test", hostname="here")
    with stamped.write("listener", "heartbeat") as tx:
        beat(tx, presence)
    with pytest.raises(ConflictError, match="stop them first"):
        change(stamped)
    with stamped.write("listener", "leave") as tx:
        leave(tx, presence.boot_id)
    assert change(stamped) == WALLET_SET
