"""A family has one leader at a time, and nothing that may block happens while it is held."""

import threading
from datetime import timedelta

import pytest

from wallet_provisioning.clock import ManualClock
from wallet_provisioning.supervision.actor import Actor, recipe
from wallet_provisioning.supervision.child import Cell, Child, Family
from wallet_provisioning.supervision.leading import DeposedError, Leadership
from wallet_provisioning.supervision.life import Life
from wallet_provisioning.supervision.places import Places
from wallet_provisioning.supervision.runtime import ThreadRuntime


@pytest.fixture
def family() -> Family:
    return Family()


@pytest.fixture
def cell(family: Family) -> Cell:
    places = Places(ManualClock(), lambda _incident: None)
    return places.cell("sub", Child(id="sub", recipe=recipe(Actor), family=family, drain=timedelta()))


def next_life(cell: Cell) -> Life:
    runtime = ThreadRuntime()
    runtime.loop.close()
    return cell.prepare(runtime, ManualClock(), lambda _report: None)


def test_the_present_incarnation_leads(family: Family, cell: Cell) -> None:
    with Leadership(family, next_life(cell)).held():
        assert family.lock.locked()

    assert not family.lock.locked()


def test_an_incarnation_that_was_replaced_is_refused(family: Family, cell: Cell) -> None:
    deposed = Leadership(family, next_life(cell))
    leader = Leadership(family, next_life(cell))

    with pytest.raises(DeposedError), deposed.held():
        pytest.fail("it must not act")
    with leader.held():
        pass


def test_an_incarnation_that_was_lost_is_refused(family: Family, cell: Cell) -> None:
    lost = Leadership(family, next_life(cell))
    cell.lose(ManualClock())

    with pytest.raises(DeposedError), lost.held():
        pytest.fail("it must not act")


def test_a_successor_waits_for_the_change_that_its_predecessor_is_making(family: Family, cell: Cell) -> None:
    old = Leadership(family, next_life(cell))
    order: list[str] = []

    def succeed() -> None:
        with Leadership(family, next_life(cell)).held():
            order.append("successor")

    with old.held():
        successor = threading.Thread(target=succeed)
        successor.start()
        order.append("predecessor")
    successor.join(20)

    assert order == ["predecessor", "successor"]


def test_what_was_put_off_is_done_in_order_once_the_family_is_free(family: Family, cell: Cell) -> None:
    leader = Leadership(family, next_life(cell))
    done: list[tuple[int, bool]] = []
    with leader.held():
        for number in range(3):
            leader.put_off(lambda number=number: done.append((number, family.lock.locked())))  # type: ignore[misc] # bound now
        assert done == []
    with leader.held():
        pass

    assert done == [(0, False), (1, False), (2, False)]


def test_what_was_put_off_is_done_even_if_the_handler_fails_then(family: Family, cell: Cell) -> None:
    leader = Leadership(family, next_life(cell))
    done: list[str] = []

    def handle() -> None:
        with leader.held():
            leader.put_off(lambda: done.append("told"))
            msg = "later"
            raise ValueError(msg)

    with pytest.raises(ValueError, match="later"):
        handle()

    assert done == ["told"]
