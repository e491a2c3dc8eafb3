import json
from datetime import timedelta
from random import Random
from typing import Any

import pytest

from tests.sandbox_support import repeatable
from wallet_provisioning.http.sandbox.contract import read
from wallet_provisioning.http.sandbox.faultkinds import Fault, Latency
from wallet_provisioning.http.sandbox.faults import FaultPlan, Faults, KeyLimits, key_limits, longest_lag
from wallet_provisioning.http.sandbox.operations import Call, Operation
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


def test_the_youngest_limit_of_keys_counts() -> None:
    drawn = plan(
        {"kind": "forget_keys", "older_than_ms": 50},
        {"kind": "forget_keys", "older_than_ms": 20},
        {"kind": "expire_keys"},
    )
    limits = key_limits(drawn)
    assert (limits.unknown_from, limits.refused_from) == (timedelta(milliseconds=20), timedelta())
    assert key_limits(()) == KeyLimits()


RANDOM = [
    {"kind": "uniform_latency", "from_ms": 100, "to_ms": 900},
    {"kind": "lognormal_latency", "median_ms": 300, "sigma": 1.2, "at_most_ms": 5000},
    {"kind": "pareto_latency", "at_least_ms": 100, "shape": 1.1, "at_most_ms": 5000},
]


def latencies(fault: dict[str, Any], count: int, seed: int = 1) -> list[int]:
    faults = Faults(repeatable(3))
    faults.replace(plan(fault), seed)
    drawn = [faults.draw(ETH)[0] for _ in range(count)]
    return [latency.for_ms for latency in drawn if isinstance(latency, Latency)]


@pytest.mark.parametrize(
    ("fault", "least", "median", "most"),
    list(zip(RANDOM, (100, 1, 100), (500, 300, 188), (900, 5000, 5000), strict=True)),
)
def test_latencies_are_spread_as_their_name_says(
    fault: dict[str, Any], least: int, median: int, most: int
) -> None:
    found = sorted(latencies(fault, 4000))
    assert len(found) == 4000
    assert least <= found[0]
    assert found[-1] <= most
    assert abs(found[2000] - median) < median * 0.1


def test_a_tail_is_heavy_and_ends_at_its_bound() -> None:
    for fault in RANDOM[1:]:
        found = sorted(latencies(fault, 4000))
        assert found[-1] == 5000
        assert found[3960] > 5 * found[2000]


@pytest.mark.parametrize("fault", [*RANDOM, {"kind": "cut", "share": 0.3}])
def test_a_seed_decides_every_draw(fault: dict[str, Any]) -> None:
    def fates(seed: int | None, *others: dict[str, Any]) -> list[str]:
        faults = Faults(Random() if seed is None else repeatable(9))
        faults.replace(plan(fault, *others), seed)
        return [
            "".join(one.model_dump_json() for one in faults.draw(ETH) if one.kind in {"latency", "cut"})
            for _ in range(50)
        ]

    assert fates(7) == fates(7) == fates(7, {"kind": "lag", "for_ms": 5, "share": 0.5})
    assert fates(7) != fates(8)
    assert fates(None) != fates(None)


def test_the_seed_is_shown_where_one_was_given() -> None:
    faults = Faults(repeatable(3))
    faults.replace(plan(), 7)
    assert faults.body() == {"faults": [], "seed": 7}


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
        {"kind": "rate_limit", "retry_after": "soon"},
        {"kind": "uniform_latency", "from_ms": 5, "to_ms": 4},
        {"kind": "uniform_latency"},
        {"kind": "lognormal_latency", "median_ms": 0},
        {"kind": "lognormal_latency", "median_ms": 5, "sigma": -1},
        {"kind": "pareto_latency", "at_least_ms": 5, "shape": 0},
        {"kind": "pareto_latency", "at_least_ms": 5, "when": "during"},
        {"kind": "hold"},
        {"kind": "hold", "gate": "Not a name"},
        {"kind": "slow_body", "for_ms": 5, "pieces": 1},
        {"kind": "truncate", "keep": 1},
        {"kind": "truncate", "when": "before"},
        {"kind": "malformed", "form": "poem"},
        {"kind": "expire_keys", "older_than_ms": -1},
    ],
)
def test_a_wrong_fault_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(Refusal):
        plan(wrong)
