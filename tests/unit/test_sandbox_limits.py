from datetime import timedelta

import pytest

from wallet_provisioning.clock import ManualClock
from wallet_provisioning.http.sandbox.limits import CallKind, Limits


@pytest.mark.parametrize(
    ("kind", "allowed"), [(CallKind.CREATE_WALLETS, 10), (CallKind.OTHER_WRITE, 5), (CallKind.READ, 20)]
)
def test_a_second_admits_what_circle_allows(kind: CallKind, allowed: int) -> None:
    limits, now = Limits(), timedelta(seconds=5)
    assert [limits.admit(kind, now) for _ in range(allowed)] == [None] * allowed
    assert limits.admit(kind, now) == timedelta(seconds=1)


def test_the_kinds_are_counted_apart() -> None:
    limits = Limits()
    for _ in range(10):
        limits.admit(CallKind.CREATE_WALLETS, timedelta())
    assert limits.admit(CallKind.OTHER_WRITE, timedelta()) is None
    assert limits.admit(CallKind.READ, timedelta()) is None


def test_the_window_slides() -> None:
    limits, clock = Limits(dict.fromkeys(CallKind, 2)), ManualClock()
    assert limits.admit(CallKind.READ, clock.monotonic()) is None
    clock.advance(timedelta(milliseconds=600))
    assert limits.admit(CallKind.READ, clock.monotonic()) is None
    assert limits.admit(CallKind.READ, clock.monotonic()) == timedelta(milliseconds=400)
    clock.advance(timedelta(milliseconds=400))
    assert limits.admit(CallKind.READ, clock.monotonic()) is None
    assert limits.admit(CallKind.READ, clock.monotonic()) == timedelta(milliseconds=600)


def test_a_refused_call_is_not_counted() -> None:
    limits = Limits(dict.fromkeys(CallKind, 1))
    limits.admit(CallKind.READ, timedelta())
    for _ in range(9):
        assert limits.admit(CallKind.READ, timedelta(milliseconds=900)) is not None
    assert limits.admit(CallKind.READ, timedelta(seconds=1)) is None
