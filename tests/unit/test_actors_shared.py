"""The boards of a daemon: which order holds, what is kept for the audit, who is to blame for the account."""

from datetime import UTC, datetime, timedelta

from wallet_provisioning.actors.admission import RECALLED_LATER, ChainAdmission
from wallet_provisioning.actors.shared import Fuse, Journal, Shared, StandingOrders, Transition
from wallet_provisioning.http.circle.breaker import BreakerState, Refusal
from wallet_provisioning.store.controls import BREAKER, CLAIMING, HOLD, Order, OrderState

NOW = datetime(2026, 1, 31, tzinfo=UTC)
BLOWN_AT = NOW + timedelta(minutes=1)
SOON = timedelta(seconds=5)


def order(kind: str, state: OrderState, subject: str = "*") -> Order:
    return Order(
        kind=kind, subject=subject, state=state, reason="so", placed_by="admin", placed_at=NOW, until=None
    )


ALL_OPEN = order(BREAKER, OrderState.OPEN)
ETH_CLOSED = order(BREAKER, OrderState.CLOSED, "ETH")
HELD = order(f"{HOLD}restored_backup", OrderState.HELD)
PAUSED = order(CLAIMING, OrderState.PAUSED)


def test_a_chains_own_order_comes_before_that_for_all_and_a_hold_before_both() -> None:
    orders = StandingOrders()
    assert orders.for_breaker("ETH") is None
    orders.learn([ALL_OPEN, ETH_CLOSED, PAUSED])
    assert orders.for_breaker("ETH") is ETH_CLOSED
    assert orders.for_breaker("SOL") is ALL_OPEN
    assert orders.against_claiming() is PAUSED
    orders.learn([ETH_CLOSED, HELD])
    assert orders.for_breaker("ETH") is HELD
    assert orders.against_claiming() is HELD


def transition(number: int) -> Transition:
    return Transition(chain="ETH", before="closed", after="open", reason=str(number), at=NOW)


def test_a_journal_keeps_the_last_thousand_and_forgets_what_was_written() -> None:
    journal = Journal()
    for number in range(1003):
        journal.note(transition(number))
    kept = journal.waiting()
    assert [each.reason for each in kept] == [str(number) for number in range(3, 1003)]
    journal.note(transition(1003))
    journal.forget(kept)
    assert [each.reason for each in journal.waiting()] == ["1003"]


def blow(fuse: Fuse) -> int | None:
    """Blow the fuse for ETH's sake; return its number if it is blown then."""
    fuse.blow("ETH", "401", BLOWN_AT)
    return None if fuse.blown is None else fuse.blown.number


def test_a_chain_that_others_have_refuted_blows_the_fuse_no_more_until_it_works() -> None:
    fuse = Fuse()
    assert blow(fuse) == 1
    fuse.mend("SOL")
    assert blow(fuse) is None
    fuse.mend("ETH")
    assert blow(fuse) == 2


def test_a_fuse_that_has_blown_shows_at_once_on_chains_that_make_no_call() -> None:
    shared = Shared()
    shared.fuse.blow("ETH", "the key is wrong", BLOWN_AT)
    state = ChainAdmission("SOL", shared).state
    assert (state.breaker, state.reason) == (BreakerState.OPEN, "the key is wrong")
    assert state.opened_at == BLOWN_AT


def test_of_many_who_are_turned_away_three_come_back_soon() -> None:
    admission = ChainAdmission("ETH")
    refusal = Refusal(retry_in=SOON, reason="down")
    told = [(count, waiting.delay) for count, waiting in admission.turn_away(2, refusal)]
    assert told == [(2, SOON)]
    told = [(count, waiting.delay) for count, waiting in admission.turn_away(100, refusal)]
    assert told == [(1, SOON), (99, RECALLED_LATER)]
    admission.breaker.trip("again", timedelta())
    assert admission.turn_away(1, refusal)[0][1].delay == SOON
