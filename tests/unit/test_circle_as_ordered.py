import json
import random
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support_circle import WALLET_SET, Json, make_wallet
from wallet_provisioning.http.circle.answers import OrderMember, WalletOrder
from wallet_provisioning.http.circle.as_ordered import read_as_ordered
from wallet_provisioning.http.circle.wallets import settle_all

BLOCKCHAINS = ["ETH-SEPOLIA", "SOL-DEVNET", "APTOS-TESTNET"]


def order(count: int, blockchain: str = "ETH-SEPOLIA") -> WalletOrder:
    return WalletOrder(
        idempotency_key=uuid4(),
        wallet_set_id=WALLET_SET,
        blockchain=blockchain,
        account_type="EOA",
        members=tuple(OrderMember(ref_id=f"r{number}", name="n") for number in range(count)),
    )


def wallets(asked: WalletOrder) -> list[Json]:
    return [
        make_wallet(number, asked.blockchain, "EOA", str(WALLET_SET), {"name": "n", "refId": member.ref_id})
        for number, member in enumerate(asked.members)
    ]


def body(raws: object) -> bytes:
    return json.dumps({"data": {"wallets": raws}}).encode()


@given(st.integers(1, 40), st.sampled_from(BLOCKCHAINS), st.randoms(use_true_random=False))
def test_an_answer_as_ordered_is_read_as_a_closer_look_reads_it(
    count: int, blockchain: str, chance: random.Random
) -> None:
    asked = order(count, blockchain)
    raws = wallets(asked)
    chance.shuffle(raws)
    lives = read_as_ordered(asked, body(raws), request_id="req")
    assert lives == settle_all(asked, raws, request_id="req").wallets
    assert lives is not None
    assert list(lives) == [member.ref_id for member in asked.members]


@pytest.mark.parametrize(
    "change",
    [
        {"walletSetId": str(uuid4())},
        {"walletSetId": None},
        {"blockchain": "SOL-DEVNET"},
        {"accountType": "SCA"},
        {"custodyType": "ENDUSER"},
        {"state": "FROZEN"},
        {"address": "0x12"},
        {"address": 12},
        {"id": "7"},
        {"createDate": "yesterday"},
        {"createDate": 1767225600},
        {"createDate": "2026-01-01T00:00:00"},
        {"refId": "other"},
        {"refId": "r0"},
        {"refId": None},
    ],
)
def test_one_wallet_that_differs_sends_the_whole_answer_to_a_closer_look(change: Json) -> None:
    asked = order(3)
    raws = wallets(asked)
    raws[1] |= change
    assert read_as_ordered(asked, body(raws), request_id="req") is None


def test_a_wallet_too_many_or_too_few_does_so_too() -> None:
    asked = order(2)
    first, second = wallets(asked)
    another = second | {"id": str(UUID(int=7))}
    answers: list[object] = [[first], [], [first, second, another], [first, first], {}, None]
    for raws in answers:
        assert read_as_ordered(asked, body(raws), request_id="req") is None


def test_what_is_no_answer_at_all_does_so_too() -> None:
    for text in [b"", b"null", b"[]", b'{"data": null}', b"\xff\xfe", b"[" * 100_000, b'{"data": {']:
        assert read_as_ordered(order(1), text, request_id=None) is None
