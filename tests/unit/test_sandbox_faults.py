import json
from typing import Any

import pytest

from tests.sandbox_support import repeatable
from wallet_provisioning.http.sandbox.contract import read
from wallet_provisioning.http.sandbox.faults import Call, Fault, FaultPlan, Faults, Operation, longest_lag
from wallet_provisioning.http.sandbox.refusals import Refusal

ETH = Call(operation=Operation.CREATE_WALLETS, blockchains=frozenset({"ETH-SEPOLIA"}))
SOL = Call(operation=Operation.CREATE_WALLETS, blockchains=frozenset({"SOL-DEVNET"}))
LIST_ETH = Call(operation=Operation.LIST_WALLETS, blockchains=frozenset({"ETH-SEPOLIA"}))
KEY = Call(operation=Operation.PUBLIC_KEY)


def plan(*faults: dict[str, Any]) -> tuple[Fault, ...]:
    return read(FaultPlan, json.dumps({"faults": faults}).encode()).faults


def in_force(*faults: dict[str, Any]) -> Faults:
    made = Faults(repeatable(3))
    made.replace(plan(*faults))
    return made


def kinds(drawn: tuple[Fault, ...]) -> list[str]:
    return [fault.kind for fault in drawn]


@pytest.mark.parametrize(
    ("scope", "hit"),
    [
        ({}, [ETH, SOL, LIST_ETH, KEY]),
        ({"chain": "ETH-SEPOLIA"}, [ETH, LIST_ETH]),
        ({"operation": "create_wallets"}, [ETH, SOL]),
        ({"operation": "create_wallets", "chain": "SOL-DEVNET"}, [SOL]),
    ],
)
def test_a_fault_hits_the_calls_in_its_scope(scope: dict[str, Any], hit: list[Call]) -> None:
    faults = in_force({"kind": "status", **scope})
    assert [call for call in (ETH, SOL, LIST_ETH, KEY) if faults.draw(call)] == hit


def test_a_fault_hits_as_often_as_it_says() -> None:
    faults = in_force({"kind": "cut", "times": 2, "chain": "ETH-SEPOLIA"})
    assert [kinds(faults.draw(call)) for call in (ETH, SOL, ETH, ETH)] == [["cut"], [], ["cut"], []]


def test_a_share_of_the_calls_is_hit() -> None:
    faults = in_force({"kind": "cut", "share": 0.25})
    hits = sum(bool(faults.draw(ETH)) for _ in range(2000))
    assert 400 < hits < 600


def test_several_faults_hit_one_call_until_one_ends_it() -> None:
    faults = in_force(
        {"kind": "latency", "for_ms": 5},
        {"kind": "cut", "when": "after"},
        {"kind": "status", "status": 500},
        {"kind": "rate_limit"},
    )
    assert kinds(faults.draw(ETH)) == ["latency", "cut", "status"]


def test_a_newer_plan_replaces_the_old_one() -> None:
    faults = in_force({"kind": "cut"})
    faults.replace(())
    assert not faults.are_any
    assert faults.draw(ETH) == ()


def test_the_picture_counts_the_hits() -> None:
    faults = in_force({"kind": "lag", "for_ms": 50, "chain": "ETH-SEPOLIA"})
    faults.draw(ETH)
    assert faults.body() == {
        "faults": [
            {
                "kind": "lag",
                "for_ms": 50,
                "chain": "ETH-SEPOLIA",
                "operation": None,
                "share": 1.0,
                "times": None,
                "hits": 1,
            }
        ]
    }


def test_the_longest_lag_counts() -> None:
    drawn = plan({"kind": "lag", "for_ms": 50}, {"kind": "lag", "for_ms": 70}, {"kind": "cut"})
    assert longest_lag(drawn).total_seconds() == 0.07
    assert longest_lag(()).total_seconds() == 0


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "earthquake"},
        {"for_ms": 5},
        {"kind": "latency"},
        {"kind": "latency", "for_ms": -1},
        {"kind": "latency", "for_ms": 1.5},
        {"kind": "status", "status": 404},
        {"kind": "status", "when": "during"},
        {"kind": "cut", "times": 0},
        {"kind": "cut", "share": 0},
        {"kind": "cut", "share": 1.1},
        {"kind": "cut", "chain": "DOGE"},
        {"kind": "cut", "operation": "sing"},
        {"kind": "cut", "colour": "red"},
        {"kind": "refuse", "code": 12},
        {"kind": "rate_limit", "when": "after"},
    ],
)
def test_a_wrong_fault_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(Refusal):
        plan(wrong)
