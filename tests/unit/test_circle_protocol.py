import json
from uuid import UUID

import pytest

from wallet_provisioning.http.circle import protocol
from wallet_provisioning.http.circle.answers import OrderMember, WalletOrder
from wallet_provisioning.http.circle.budget import Kind
from wallet_provisioning.http.circle.protocol import Answer, Operation
from wallet_provisioning.http.circle.wire import BrokenAnswerError
from wallet_provisioning.jobs.errors import ErrorType

KEY = UUID("00000000-0000-4000-8000-00000000000a")
SET = UUID("00000000-0000-4000-8000-00000000000b")
ORDER = WalletOrder(
    idempotency_key=KEY,
    wallet_set_id=SET,
    blockchain="SOL-DEVNET",
    account_type="EOA",
    members=(OrderMember(ref_id="r1", name="n1"), OrderMember(ref_id="r2", name="n2")),
)


def answer(body: object, status: int = 200) -> Answer:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Answer(status=status, body=content, request_id="req-1")


def test_an_order_is_sent_with_all_that_circle_asks_for() -> None:
    call = protocol.with_ciphertext(protocol.create_wallets(ORDER), "SEALED")
    assert (call.method, call.path) == ("POST", "/v1/w3s/developer/wallets")
    assert call.wallets == 2
    content = call.content()
    assert content is not None
    assert json.loads(content) == {
        "idempotencyKey": str(KEY),
        "entitySecretCiphertext": "SEALED",
        "walletSetId": str(SET),
        "blockchains": ["SOL-DEVNET"],
        "accountType": "EOA",
        "count": 2,
        "metadata": [{"name": "n1", "refId": "r1"}, {"name": "n2", "refId": "r2"}],
    }


def test_the_same_order_is_the_same_bytes() -> None:
    contents = {protocol.create_wallets(ORDER).content() for _ in range(5)}
    assert len(contents) == 1


def test_a_wallet_set_is_asked_for_under_its_key() -> None:
    call = protocol.create_wallet_set(KEY, "customers")
    assert (call.method, call.path) == ("POST", "/v1/w3s/developer/walletSets")
    assert call.body == {"idempotencyKey": str(KEY), "name": "customers"}


def test_a_look_up_names_set_blockchain_and_refid_and_asks_for_the_oldest_first() -> None:
    call = protocol.find_wallets(ORDER, ref_id="r2")
    assert (call.method, call.path, call.content()) == ("GET", "/v1/w3s/wallets", None)
    assert dict(call.query) == {
        "walletSetId": str(SET),
        "blockchain": "SOL-DEVNET",
        "refId": "r2",
        "order": "ASC",
        "pageSize": "50",
    }


def test_a_look_up_of_many_names_the_time_and_the_page_instead() -> None:
    call = protocol.find_wallets(ORDER, since="2026-11-24T10:00:00Z", after=KEY)
    assert dict(call.query) == {
        "walletSetId": str(SET),
        "blockchain": "SOL-DEVNET",
        "from": "2026-11-24T10:00:00Z",
        "order": "ASC",
        "pageSize": "50",
        "pageAfter": str(KEY),
    }


def test_a_call_does_not_show_its_body() -> None:
    call = protocol.with_ciphertext(protocol.create_wallets(ORDER), "SEALED")
    assert "SEALED" not in repr(call)
    assert "secret" not in repr(answer(b"secret"))


def test_only_the_ping_shows_no_key() -> None:
    assert not protocol.ping().is_authorized
    assert protocol.get_public_key().is_authorized
    assert protocol.get_wallet_set(SET).path == f"/v1/w3s/walletSets/{SET}"


def test_each_operation_counts_against_its_own_limit() -> None:
    kinds = {operation: operation.kind for operation in Operation}
    assert kinds.pop(Operation.CREATE_WALLET) is Kind.WALLETS
    assert kinds.pop(Operation.CREATE_WALLET_SET) is Kind.POSTS
    assert set(kinds.values()) == {Kind.GETS}


@pytest.mark.parametrize("body", [b"", b"<html>", b'{"data": {"wallets": [', b"\xff\xfe", b"[" * 100_000])
def test_a_body_that_is_no_json_was_cut_on_the_way(body: bytes) -> None:
    with pytest.raises(BrokenAnswerError) as caught:
        protocol.read_created(answer(body), ORDER)
    assert caught.value.error_type is ErrorType.NETWORK


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ([], "object"),
        ({}, "data"),
        ({"data": None}, "data"),
        ({"data": {"wallet": {}}}, "wallets"),
        ({"data": {"wallets": {}}}, "wallets"),
        ({"wallets": []}, "data"),
    ],
)
def test_an_answer_of_another_shape_breaks_the_contract(body: object, field: str) -> None:
    with pytest.raises(BrokenAnswerError, match=field) as caught:
        protocol.read_created(answer(body), ORDER)
    assert caught.value.error_type is ErrorType.VALIDATION


def test_a_wallet_set_is_new_with_201_and_a_replay_with_200() -> None:
    body = {"data": {"walletSet": {"id": str(SET), "custodyType": "DEVELOPER", "more": 1}}}
    made = protocol.read_wallet_set_made(answer(body, 201))
    assert (made.wallet_set_id, made.is_new, made.circle_request_id) == (SET, True, "req-1")
    assert not protocol.read_wallet_set_made(answer(body, 200)).is_new


@pytest.mark.parametrize("found", [{"id": "x"}, {}, {"id": 7}])
def test_a_wallet_set_without_an_id_breaks_the_contract(found: object) -> None:
    with pytest.raises(BrokenAnswerError, match=r"walletSet\.id"):
        protocol.read_wallet_set_made(answer({"data": {"walletSet": found}}))


def test_another_wallet_set_than_the_one_asked_for_is_refused() -> None:
    body = {"data": {"walletSet": {"id": str(KEY)}}}
    protocol.read_wallet_set(answer(body), KEY)
    with pytest.raises(BrokenAnswerError, match="asked for"):
        protocol.read_wallet_set(answer(body), SET)


def test_the_public_key_is_a_text() -> None:
    assert protocol.read_public_key(answer({"data": {"publicKey": "PEM"}})) == "PEM"
    with pytest.raises(BrokenAnswerError, match="publicKey"):
        protocol.read_public_key(answer({"data": {"publicKey": 7}}))
