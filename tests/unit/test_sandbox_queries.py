from datetime import UTC, datetime

import pytest

from wallet_provisioning.http.sandbox.queries import ListQuery, WalletQuery, read_query
from wallet_provisioning.http.sandbox.refusals import Refusal

ID = "018f3b4a-7c1d-7e2f-8a9b-0c1d2e3f4a5b"


def blamed(*pairs: tuple[str, str]) -> dict[str, str]:
    with pytest.raises(Refusal) as caught:
        read_query(WalletQuery, pairs)
    assert caught.value.code == 2
    return {error.location: error.error for error in caught.value.errors}


def test_an_empty_query_means_the_ten_newest() -> None:
    query = read_query(WalletQuery, ())
    assert (query.page_size, query.order, query.page_after, query.page_before) == (10, "DESC", None, None)


def test_every_filter_is_read() -> None:
    query = read_query(
        WalletQuery,
        [
            ("address", "0xAB"),
            ("blockchain", "ETH"),
            ("scaCore", "core"),
            ("walletSetId", ID),
            ("refId", "r"),
            ("from", "2026-01-02T03:04:05Z"),
            ("to", "2026-02-02T03:04:05+00:00"),
            ("pageSize", "50"),
            ("pageAfter", ID),
            ("order", "ASC"),
        ],
    )
    assert query.from_ == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert (query.page_size, str(query.page_after), query.sca_core) == (50, ID, "core")


@pytest.mark.parametrize(
    ("pair", "rule"),
    [
        (("pageSize", "0"), "min"),
        (("pageSize", "51"), "max"),
        (("pageSize", "ten"), "number"),
        (("pageSize", "1_0"), "number"),
        (("pageSize", "10.0"), "number"),
        (("pageSize", "-1"), "number"),
        (("order", "asc"), "oneof"),
        (("pageAfter", "x"), "uuid"),
        (("pageBefore", ""), "uuid"),
        (("walletSetId", "x"), "uuid"),
        (("refID", "x"), "unknown"),
        (("name", "x"), "unknown"),
        (("from_", "2026-01-02T03:04:05Z"), "unknown"),
    ],
)
def test_a_wrong_parameter_is_refused_by_name(pair: tuple[str, str], rule: str) -> None:
    assert blamed(pair) == {pair[0]: rule}


@pytest.mark.parametrize("moment", ["yesterday", "2026-01-02T03:04:05"])
def test_a_time_must_be_whole_and_have_its_zone(moment: str) -> None:
    assert set(blamed(("from", moment))) == {"from"}


def test_both_cursors_at_once_are_refused() -> None:
    assert set(blamed(("pageAfter", ID), ("pageBefore", ID)).values()) == {"exclusive"}


def test_a_parameter_given_twice_is_refused() -> None:
    assert blamed(("refId", "a"), ("refId", "a")) == {"refId": "unique"}


def test_wallet_sets_have_no_filters_of_wallets() -> None:
    with pytest.raises(Refusal):
        read_query(ListQuery, [("refId", "a")])
