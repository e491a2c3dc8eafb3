import json
from uuid import UUID, uuid4

import pytest

from wallet_provisioning.http.circle import listing
from wallet_provisioning.http.circle.protocol import Answer, Operation
from wallet_provisioning.http.circle.wire import BrokenAnswerError
from wallet_provisioning.jobs.listed import ListedWallet, Owner, name_of, reference_of

SET = UUID("00000000-0000-4000-8000-00000000000b")
CURSOR = UUID("00000000-0000-4000-8000-00000000000c")
OWNER = Owner(user_id=UUID("00000000-0000-4000-8000-00000000000d"), chain="APTOS")


def raw(**changes: object) -> dict[str, object]:
    return {
        "id": str(CURSOR),
        "state": "LIVE",
        "walletSetId": str(SET),
        "custodyType": "DEVELOPER",
        "address": "0xab",
        "blockchain": "APTOS-TESTNET",
        "accountType": "EOA",
        "createDate": "2026-11-24T10:00:00Z",
        "updateDate": "2026-11-24T10:00:00Z",
        "name": name_of(OWNER),
        "refId": reference_of(SET, OWNER),
        **changes,
    }


def page(*raws: object, link: str | None = None) -> listing.WalletPage:
    body = json.dumps({"data": {"wallets": list(raws)}}).encode()
    return listing.read_page(Answer(status=200, body=body, request_id=None, link=link))


def wallet(**changes: object) -> ListedWallet:
    (read,) = page(raw(**changes)).wallets
    return read


def test_a_page_is_asked_for_with_the_largest_size_and_the_cursor_of_the_page_before() -> None:
    call = listing.list_wallets(SET, after=CURSOR, order="ASC")

    assert (call.method, call.path) == ("GET", "/v1/w3s/wallets")
    assert dict(call.query) == {
        "walletSetId": str(SET),
        "order": "ASC",
        "pageSize": "50",
        "pageAfter": str(CURSOR),
    }
    assert "pageAfter" not in dict(listing.list_wallets(SET, after=None, order="ASC").query)


def test_the_newest_are_another_operation_than_the_whole_list() -> None:
    operations = [listing.list_wallets(SET, after=None, order=order).operation for order in ("ASC", "DESC")]
    assert operations == [Operation.LIST_WALLETS, Operation.LIST_NEWEST]


def test_the_next_page_is_the_one_that_the_link_header_names() -> None:
    links = (
        '<https://api.circle.com/v1/w3s/wallets?pageSize=50>; rel="first", '
        f'<https://api.circle.com/v1/w3s/wallets?pageSize=50&pageAfter={CURSOR}>; rel="next", '
        f'<https://api.circle.com/v1/w3s/wallets?pageBefore={uuid4()}>; rel="prev"'
    )
    assert page(link=links).next == CURSOR


@pytest.mark.parametrize("link", [None, "", '<https://api.circle.com/v1/w3s/wallets>; rel="self"'])
def test_without_a_next_link_a_page_is_the_last(link: str | None) -> None:
    assert page(link=link).next is None


@pytest.mark.parametrize("query", ["", "?pageAfter=", "?pageAfter=soon"])
def test_a_next_link_without_a_cursor_is_a_broken_answer(query: str) -> None:
    with pytest.raises(BrokenAnswerError, match="Link"):
        page(link=f'<https://api.circle.com/v1/w3s/wallets{query}>; rel="next"')


def test_a_wallet_of_ours_tells_whose_it_is() -> None:
    assert wallet().owner() == OWNER
    assert wallet().has_our_reference


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "renamed"},
        {"name": ""},
        {"name": f"APTOS {uuid4()}"},
        {"name": f"ETH {OWNER.user_id}"},
        {"refId": "wp-" + 40 * "0"},
    ],
)
def test_a_name_without_the_refid_that_proves_it_proves_nothing(changes: dict[str, object]) -> None:
    assert wallet(**changes).owner() is None
    assert wallet(**changes).has_our_reference


@pytest.mark.parametrize("ref_id", ["", None, "customer-17", "wp-", "wp-" + 41 * "0", "wp-" + 40 * "G"])
def test_other_references_are_foreign(ref_id: object) -> None:
    assert not wallet(refId=ref_id).has_our_reference


def test_a_wallet_without_metadata_is_read() -> None:
    bare = {name: value for name, value in raw().items() if name not in {"name", "refId"}}
    (read,) = page(bare).wallets
    assert (read.name, read.ref_id) == ("", "")


@pytest.mark.parametrize("field", ["id", "state", "walletSetId", "blockchain", "createDate"])
def test_a_wallet_that_can_not_be_read_breaks_the_page(field: str) -> None:
    with pytest.raises(BrokenAnswerError, match=field):
        page(raw(), raw(**{field: 7}))


def test_one_wallet_is_read_from_its_own_answer() -> None:
    body = json.dumps({"data": {"wallet": raw()}}).encode()
    assert listing.read_wallet(Answer(status=200, body=body, request_id=None)) == wallet()
    assert listing.get_wallet(CURSOR).path == f"/v1/w3s/wallets/{CURSOR}"
