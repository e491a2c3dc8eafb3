"""Standing orders and live daemons, on both databases."""

from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar
from uuid import UUID, uuid4

import pytest

from tests.support_store import (
    TIMEOUT,
    accept,
    claim,
    claim_new,
    in_one,
    job_of,
    record,
    request,
    result,
)
from tests.support_store import (
    live as live_wallet,
)
from wallet_provisioning.jobs import moves
from wallet_provisioning.jobs.moves import Move
from wallet_provisioning.store import controls, daemons
from wallet_provisioning.store.controls import Order, OrderState
from wallet_provisioning.store.daemons import Presence
from wallet_provisioning.store.database import Database
from wallet_provisioning.store.moves import apply_moves
from wallet_provisioning.store.reports import AuditFilter, list_audit
from wallet_provisioning.store.transaction import Transaction
from wallet_provisioning.store.views import AuditView

T = TypeVar("T")
HOUR = timedelta(hours=1)
OVER = timedelta(seconds=-1)


def write(database: Database, steps: Callable[[Transaction], T], by: str = "admin") -> T:
    with database.write(by, "test") as tx:
        return steps(tx)


def force(database: Database, chain: str, until: timedelta | None = None, why: str = "maintenance") -> Order:
    return write(
        database,
        lambda tx: controls.place_order(
            tx, kind=controls.BREAKER, subject=chain, state=OrderState.OPEN, reason=why, until=until
        ),
    )


def in_force(database: Database) -> list[tuple[str, str]]:
    with database.read() as connection:
        return [(order.kind, order.subject) for order in controls.read_orders(connection)]


def audited(database: Database, prefix: str = "") -> list[AuditView]:
    with database.read() as connection:
        items = list_audit(connection, AuditFilter(action_prefix=prefix), 50, None).items
    return [row for row in reversed(items) if row.resource_type in {"chain", "control"}]


def test_an_order_holds_until_it_is_withdrawn_and_each_step_is_audited_once(database: Database) -> None:
    placed = force(database, "ETH")
    assert (placed.placed_by, placed.reason, placed.until) == ("admin", "maintenance", None)
    assert in_force(database) == [("breaker", "ETH")]

    withdrawn = write(
        database,
        lambda tx: controls.withdraw_order(tx, kind=controls.BREAKER, subject="ETH", reason="over"),
        by="cli",
    )
    assert withdrawn is not None
    assert in_force(database) == []

    first, second = audited(database, "admin:")
    assert (first.action, first.resource_type, first.resource_id) == (
        "admin:breaker_forced_open",
        "chain",
        "ETH",
    )
    assert first.changes["before"] is None
    assert (first.changes["after"]["state"], first.changes["after"]["reason"]) == ("open", "maintenance")
    assert (second.action, second.actor) == ("admin:breaker_auto", "cli")
    assert second.changes["before"] == first.changes["after"]
    assert second.changes["after"] == {"reason": "over"}


def test_an_order_that_replaces_another_says_which(database: Database) -> None:
    force(database, "ETH", why="first")
    force(database, "ETH", HOUR, why="second")

    assert in_force(database) == [("breaker", "ETH")]
    _, second = audited(database, "admin:")
    assert (second.changes["before"]["reason"], second.changes["after"]["reason"]) == ("first", "second")
    assert second.changes["after"]["until"] is not None


def test_withdrawing_what_was_not_ordered_changes_and_audits_nothing(database: Database) -> None:
    assert write(database, lambda tx: controls.withdraw_order(tx, kind=controls.CLAIMING)) is None
    assert audited(database) == []


def test_an_order_ends_by_the_databases_clock_and_is_removed_once(database: Database) -> None:
    force(database, "ETH", OVER)
    force(database, "SOL", HOUR)
    assert in_force(database) == [("breaker", "SOL")]

    expired = write(database, controls.expire_orders, by="listener")
    assert [order.subject for order in expired] == ["ETH"]
    assert write(database, controls.expire_orders, by="listener") == ()
    (row,) = audited(database, "wallet-worker:order_expired")
    assert (row.actor, row.resource_id, row.changes["after"]) == ("listener", "ETH", None)


def test_what_is_left_of_an_order_is_told(database: Database) -> None:
    assert force(database, "ETH", HOUR).left == HOUR
    with database.read() as connection:
        (order,) = controls.read_orders(connection)
    assert order.left is not None
    assert HOUR - timedelta(minutes=5) < order.left <= HOUR


def test_what_is_taken_back_leaves_no_order(database: Database) -> None:
    def place_and_fail(tx: Transaction) -> None:
        controls.place_order(tx, kind=controls.CLAIMING, state=OrderState.PAUSED, reason="a try")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write(database, place_and_fail)
    assert in_force(database) == []
    assert audited(database) == []


def waiting_job(database: Database, chains: tuple[str, ...]) -> UUID:
    """Return a job that waits for a breaker for ten minutes."""
    accept(database, request(chains=chains))
    (job,) = claim(database)
    put_back = moves.wait_for_circuit(job, f"{chains[0]}: open", timedelta(minutes=10))
    in_one(database, lambda tx: apply_moves(tx, [put_back]))
    assert claim(database) == ()
    return job.id


def test_jobs_that_wait_for_a_chain_are_recalled_and_no_others(database: Database) -> None:
    eth, sol = waiting_job(database, ("ETH",)), waiting_job(database, ("SOL",))
    failed = claim_new(database)
    apply: list[Move] = [moves.schedule_retry(failed, TIMEOUT, timedelta(minutes=10))]
    in_one(database, lambda tx: apply_moves(tx, apply))

    assert write(database, lambda tx: controls.recall_waiting(tx, "ETH")) == 1
    assert [job.id for job in claim(database)] == [eth]
    assert write(database, lambda tx: controls.recall_waiting(tx, "*")) == 1
    assert [job.id for job in claim(database)] == [sol]
    assert job_of(database, eth).attempt_count == 1


def test_a_job_whose_wallet_came_with_another_ones_batch_is_recalled_too(database: Database) -> None:
    accept(database, request(chains=("ETH",)))
    (job,) = claim(database)
    put_back = moves.wait_for_circuit(job, "ETH: open", timedelta(minutes=10))
    in_one(database, lambda tx: apply_moves(tx, [put_back]))
    record(database, result(job, live_wallet()))
    assert claim(database) == ()

    assert write(database, lambda tx: controls.recall_waiting(tx, "ETH")) == 1
    assert [each.id for each in claim(database)] == [job.id]


def test_a_withdrawn_order_recalls_those_who_waited_for_it(database: Database) -> None:
    force(database, "ETH")
    job = waiting_job(database, ("ETH",))
    write(database, lambda tx: controls.withdraw_order(tx, kind=controls.BREAKER, subject="ETH"))
    assert [each.id for each in claim(database)] == [job]


def presence(hostname: str = "shared") -> Presence:
    return Presence(boot_id=uuid4(), version="1.0.0", environment="test", hostname=hostname)


def live(database: Database) -> int:
    with database.read() as connection:
        return daemons.live_daemons(connection)


def test_daemons_on_one_host_are_told_apart_and_leave_one_by_one(database: Database) -> None:
    one, two = presence(), presence()
    assert write(database, lambda tx: daemons.beat(tx, one)) == 1
    assert write(database, lambda tx: daemons.beat(tx, two)) == 2
    assert write(database, lambda tx: daemons.beat(tx, one)) == 2
    assert live(database) == 2

    write(database, lambda tx: daemons.leave(tx, one.boot_id))
    assert live(database) == 1
    with database.read() as connection:
        (view,) = daemons.list_daemons(connection)
    assert (view.boot_id, view.hostname) == (two.boot_id, "shared")
    assert view.started_at <= view.seen_at


def test_a_daemon_that_missed_three_heartbeats_is_swept_by_another(database: Database) -> None:
    dead, alive = presence(), presence()
    write(database, lambda tx: daemons.beat(tx, dead))
    assert write(database, lambda tx: daemons.beat(tx, alive, heartbeat=timedelta(microseconds=-1))) == 0
    assert live(database) == 0
    assert write(database, lambda tx: daemons.beat(tx, alive)) == 1


def test_forcing_a_breaker_closed_recalls_those_who_wait_for_it(database: Database) -> None:
    job = waiting_job(database, ("ETH",))
    force(database, "ETH")
    assert claim(database) == ()
    write(
        database,
        lambda tx: controls.place_order(
            tx, kind=controls.BREAKER, subject="ETH", state=OrderState.CLOSED, reason="it works"
        ),
    )
    assert [each.id for each in claim(database)] == [job]
