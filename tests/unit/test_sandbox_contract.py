import json
from typing import Any
from uuid import UUID, uuid4

import pytest

from wallet_provisioning.http.sandbox.contract import WalletChange, WalletOrder, WalletSetOrder, read
from wallet_provisioning.http.sandbox.refusals import Code, Refusal

KEY = "0b7c2f4e-8d55-4c0f-9a6e-1f2d3c4b5a69"
SET = "018f3b4a-7c1d-7e2f-8a9b-0c1d2e3f4a5b"


def order(**fields: object) -> dict[str, Any]:
    good = {
        "idempotencyKey": KEY,
        "entitySecretCiphertext": "cipher",
        "walletSetId": SET,
        "blockchains": ["ETH-SEPOLIA"],
        "accountType": "SCA",
        "count": 1,
        "metadata": [{"name": "n", "refId": "r"}],
    }
    return {name: value for name, value in {**good, **fields}.items() if value is not ...}


def blamed(body: object) -> dict[str, str]:
    with pytest.raises(Refusal) as caught:
        read(WalletOrder, json.dumps(body).encode())
    assert caught.value.code is Code.INVALID
    assert caught.value.status({}) == 400
    return {error.location: error.error for error in caught.value.errors}


def test_a_good_order_is_read() -> None:
    read_order = read(WalletOrder, json.dumps(order()).encode())
    assert read_order.idempotency_key == UUID(KEY)
    assert read_order.wallet_set_id == UUID(SET)
    assert read_order.blockchains == ("ETH-SEPOLIA",)
    assert read_order.metadata is not None
    assert read_order.metadata[0].ref_id == "r"


def test_count_account_type_and_metadata_may_be_left_out() -> None:
    body = order(count=..., accountType=..., metadata=...)
    read_order = read(WalletOrder, json.dumps(body).encode())
    assert (read_order.count, read_order.account_type, read_order.metadata) == (1, "EOA", None)


@pytest.mark.parametrize("field", ["idempotencyKey", "entitySecretCiphertext", "walletSetId", "blockchains"])
def test_a_missing_field_is_refused(field: str) -> None:
    assert blamed(order(**{field: ...})) == {field: "required"}


@pytest.mark.parametrize(
    "field", ["blockchain", "walletSetID", "idempotency_key", "wallet_set_id", "colour", "entitySecret"]
)
def test_an_unknown_field_is_refused(field: str) -> None:
    assert blamed(order(**{field: "x"})) == {field: "unknown"}


@pytest.mark.parametrize(
    ("fields", "location", "rule"),
    [
        ({"idempotencyKey": "job-1"}, "idempotencyKey", "uuid"),
        ({"idempotencyKey": SET}, "idempotencyKey", "uuid4"),
        ({"idempotencyKey": KEY.replace("-", "")}, "idempotencyKey", "uuid"),
        ({"idempotencyKey": f"{{{KEY}}}"}, "idempotencyKey", "uuid"),
        ({"idempotencyKey": 7}, "idempotencyKey", "uuid"),
        ({"walletSetId": "x"}, "walletSetId", "uuid"),
        ({"entitySecretCiphertext": ""}, "entitySecretCiphertext", "min_length"),
        ({"blockchains": []}, "blockchains", "min_length"),
        ({"blockchains": "ETH-SEPOLIA"}, "blockchains", "tuple_type"),
        ({"blockchains": ["ETH", "ETH"]}, "blockchains", "unique"),
        ({"accountType": "eoa"}, "accountType", "oneof"),
        ({"count": 0}, "count", "min"),
        ({"count": 201}, "count", "max"),
        ({"count": "1"}, "count", "int_type"),
        ({"count": 1.0}, "count", "int_type"),
        ({"count": True}, "count", "int_type"),
        ({"metadata": {"name": "n"}}, "metadata", "tuple_type"),
        ({"metadata": [{"name": "n" * 51}]}, "metadata[0].name", "max_length"),
        ({"metadata": [{"name": "n (old)"}]}, "metadata[0].name", "parentheses"),
        ({"metadata": [{"refId": "r" * 101}]}, "metadata[0].refId", "max_length"),
        ({"metadata": [{"ref_id": "r"}]}, "metadata[0].ref_id", "unknown"),
    ],
)
def test_a_wrong_value_is_refused_by_name(fields: dict[str, Any], location: str, rule: str) -> None:
    assert blamed(order(**fields)) == {location: rule}


def test_limits_themselves_are_allowed() -> None:
    longest = {"name": "n" * 50, "refId": "r" * 100}
    body = order(count=200, metadata=[longest] * 200)
    assert read(WalletOrder, json.dumps(body).encode()).count == 200


def test_all_that_is_wrong_is_named_at_once() -> None:
    found = blamed(order(count=0, colour="red", walletSetId=...))
    assert found == {"count": "min", "colour": "unknown", "walletSetId": "required"}


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[]", b'"x"', b"null"])
def test_what_is_no_object_is_refused(body: bytes) -> None:
    with pytest.raises(Refusal) as caught:
        read(WalletOrder, body)
    assert caught.value.code is Code.INVALID
    assert [error.location for error in caught.value.errors] == ["body"]


def test_secrets_are_never_shown_in_a_refusal() -> None:
    body = order(entitySecretCiphertext=["hush"], entitySecret="hush")
    with pytest.raises(Refusal) as caught:
        read(WalletOrder, json.dumps(body).encode())
    assert len(caught.value.errors) == 2
    assert "hush" not in json.dumps(caught.value.body())


def test_the_errors_have_circles_form() -> None:
    with pytest.raises(Refusal) as caught:
        read(WalletOrder, json.dumps(order(count=300)).encode())
    assert caught.value.body() == {
        "code": 2,
        "message": "API parameter invalid",
        "errors": [
            {
                "error": "max",
                "message": "Input should be less than or equal to 200",
                "location": "count",
                "invalidValue": 300,
                "constraints": {"le": 200},
            }
        ],
    }


def test_the_substance_leaves_key_and_ciphertext_out() -> None:
    one = read(WalletOrder, json.dumps(order()).encode())
    again = order(idempotencyKey=str(uuid4()), entitySecretCiphertext="fresh")
    other = order(metadata=[{"name": "n", "refId": "s"}])
    assert read(WalletOrder, json.dumps(again).encode()).substance() == one.substance()
    assert read(WalletOrder, json.dumps(other).encode()).substance() != one.substance()


def test_a_wallet_set_needs_no_name() -> None:
    body = {"idempotencyKey": KEY, "entitySecretCiphertext": "c"}
    assert read(WalletSetOrder, json.dumps(body).encode()).name is None
    with pytest.raises(Refusal):
        read(WalletSetOrder, json.dumps({**body, "walletSetId": SET}).encode())


def test_a_change_takes_name_and_reference_only() -> None:
    assert read(WalletChange, b'{"refId":"r"}').ref_id == "r"
    with pytest.raises(Refusal):
        read(WalletChange, b'{"address":"0x0"}')
