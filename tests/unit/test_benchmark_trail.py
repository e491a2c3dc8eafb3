"""The way of a job before its first request is cut into parts that add up."""

from datetime import timedelta

import pytest

from benchmarks.trail import Ended, History, Sample, parts, percentiles
from wallet_provisioning.telemetry.events import Notice, TransactionEnded


def ended(reason: str, began: float, at: float) -> Ended:
    return Ended(reason=reason, at=at, took=at - began)


WAY = [
    ended("accept_job", 10.001, 10.003),
    ended("claim_jobs", 10.004, 10.007),
    ended("open_request", 10.008, 10.012),
]
SAMPLE = Sample(asked=10.0, first=10.015)


def rounded(samples: list[Sample], seen: list[Ended]) -> dict[str, float]:
    return {name: round(took, 6) for name, took in parts(samples, seen).items()}


def test_a_way_is_cut_into_its_transactions_and_what_lies_between() -> None:
    assert rounded([SAMPLE], WAY) == {
        "to accept": 1.0,
        "accept": 2.0,
        "to claim": 1.0,
        "claim": 3.0,
        "to stored request": 1.0,
        "stored request": 4.0,
        "to Circle": 3.0,
    }


def test_of_several_stored_requests_the_first_counts() -> None:
    later = [ended("open_request", 10.008, 10.013), ended("open_request", 10.009, 10.014)]
    assert rounded([SAMPLE], [*later, *WAY]) == rounded([SAMPLE], WAY)


def test_transactions_of_other_jobs_and_empty_claims_before_the_acceptance_count_nothing() -> None:
    strays = [
        ended("claim_jobs", 10.0, 10.001),
        ended("claim_jobs", 9.0, 9.5),
        ended("open_request", 10.016, 10.02),
    ]
    assert rounded([SAMPLE], [*strays, *WAY]) == rounded([SAMPLE], WAY)


def test_a_part_that_did_not_happen_is_left_out_and_the_rest_adds_up() -> None:
    found = rounded([SAMPLE], [WAY[0], WAY[2]])
    assert "claim" not in found
    assert sum(found.values()) == pytest.approx(15.0)


def test_a_claim_that_began_before_the_accepter_noted_its_commit_counts_from_there() -> None:
    found = rounded([SAMPLE], [WAY[0], ended("claim_jobs", 10.002, 10.007), WAY[2]])
    assert (found["to claim"], found["claim"]) == (0.0, 4.0)
    assert sum(found.values()) == pytest.approx(15.0)


def test_of_several_jobs_the_median_of_each_part_is_told() -> None:
    shifted = [Ended(reason=each.reason, at=each.at + 10, took=each.took) for each in WAY]
    found = rounded([SAMPLE, Sample(asked=20.0, first=20.025)], [*WAY, *shifted])
    assert found["to Circle"] == 8.0
    assert found["accept"] == 2.0


def test_percentiles_are_in_milliseconds_and_their_ratio_is_beside_them() -> None:
    samples = [Sample(asked=1.0, first=1.0 + number / 1_000) for number in range(1, 101)]
    found = percentiles(samples)
    assert {name: round(figure, 6) for name, figure in found.items()} == {
        "p50": 50.0,
        "p99": 99.0,
        "p99 / p50": 1.98,
    }


def test_a_history_keeps_what_was_committed_on_the_way_to_a_first_request() -> None:
    history = History()
    took = timedelta(milliseconds=5)
    for reason, outcome in (
        ("accept_job", "committed"),
        ("accept_job", "rolled_back"),
        ("heartbeat", "committed"),
    ):
        history.hear(TransactionEnded(reason=reason, outcome=outcome, duration=took))
    history.hear(Notice(text="hello"))
    assert [(each.reason, each.took) for each in history.ended] == [("accept_job", 0.005)]
