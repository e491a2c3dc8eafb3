import random
from collections.abc import Callable
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support_circle import WALLET_SET, Json, make_wallet
from wallet_provisioning.http.circle.answers import Duplicate, OrderMember, WalletOrder
from wallet_provisioning.http.circle.wallets import Settled, prefer, settle, settle_all
from wallet_provisioning.jobs.errors import ErrorType
from wallet_provisioning.jobs.outcomes import Failed, Live


def order(*ref_ids: str, blockchain: str = "ETH-SEPOLIA", account_type: str = "SCA") -> WalletOrder:
    return WalletOrder(
        idempotency_key=uuid4(),
        wallet_set_id=WALLET_SET,
        blockchain=blockchain,
        account_type=account_type,
        members=tuple(OrderMember(ref_id=ref_id, name="n") for ref_id in ref_ids),
    )


def wallet(ref_id: str, number: int = 0, **fields: object) -> Json:
    made = make_wallet(number, "ETH-SEPOLIA", "SCA", str(WALLET_SET), {"name": "n", "refId": ref_id})
    return made | fields


def created(asked: WalletOrder, *raws: object) -> Settled:
    return settle_all(asked, raws, request_id="req")


def found(asked: WalletOrder, ref_id: str, *raws: object) -> Settled:
    return settle(asked, ref_id, raws, adopted=True, request_id="req")


def message(settled: Settled, ref_id: str) -> str:
    failed = settled.wallets[ref_id]
    assert isinstance(failed, Failed)
    assert failed.error_type is ErrorType.VALIDATION
    assert failed.circle_request_id == "req"
    return failed.message


def test_a_right_answer_makes_every_member_live() -> None:
    raws = [wallet(f"r{number}", number) for number in range(3)]
    settled = created(order("r0", "r1", "r2"), *raws)
    assert settled.wallets["r1"] == Live(
        blockchain="ETH-SEPOLIA",
        address=raws[1]["address"],
        circle_wallet_id=UUID(raws[1]["id"]),
        wallet_set_id=WALLET_SET,
        account_type="SCA",
        adopted=False,
        circle_request_id="req",
    )
    assert (settled.missing, settled.duplicates) == ((), ())


@given(st.integers(1, 200), st.randoms(use_true_random=False))
def test_wallets_are_matched_by_refid_whatever_their_order(count: int, chance: random.Random) -> None:
    ref_ids = [f"r{number}" for number in range(count)]
    raws = [wallet(ref_id, number) for number, ref_id in enumerate(ref_ids)]
    ids = {raw["refId"]: UUID(raw["id"]) for raw in raws}
    chance.shuffle(raws)
    settled = created(order(*ref_ids), *raws)
    lives = [one for one in settled.wallets.values() if isinstance(one, Live)]
    assert [live.circle_wallet_id for live in lives] == [ids[ref_id] for ref_id in ref_ids]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"walletSetId": str(uuid4())}, "walletSetId"),
        ({"blockchain": "SOL-DEVNET"}, "blockchain"),
        ({"accountType": "EOA"}, "accountType"),
        ({"custodyType": "ENDUSER"}, "custodyType"),
        ({"state": "FROZEN"}, "state"),
        ({"state": None}, "state"),
        ({"address": "0x12"}, "address"),
        ({"address": ""}, "address"),
        ({"address": 12}, "address"),
        ({"id": "7"}, "id"),
        ({"createDate": "yesterday"}, "createDate"),
        ({"createDate": 1767225600}, "createDate"),
        ({"createDate": "2026-01-01T00:00:00"}, "createDate"),
        ({"refId": "other"}, "refId"),
        ({"refId": ""}, "refId"),
        ({"refId": None}, "refId"),
        ({"refId": 5}, "refId"),
    ],
)
def test_a_wrong_field_fails_its_wallet_by_name_and_no_other(change: Json, field: str) -> None:
    settled = created(order("r0", "r1", "r2"), wallet("r0", 0), wallet("r1", 1) | change, wallet("r2", 2))
    assert f"at {field}: " in message(settled, "r1")
    assert isinstance(settled.wallets["r0"], Live)
    assert isinstance(settled.wallets["r2"], Live)


@pytest.mark.parametrize(
    "name", ["id", "address", "state", "walletSetId", "blockchain", "accountType", "createDate"]
)
def test_an_absent_field_fails_its_wallet_by_name(name: str) -> None:
    raw = wallet("r0")
    del raw[name]
    assert f"at {name}: " in message(created(order("r0"), raw), "r0")


@pytest.mark.parametrize("raw", [None, 7, "wallet", [], [["refId", "r0"]], {"wallet": {}}])
def test_what_is_no_wallet_fails_only_the_member_it_took_the_place_of(raw: object) -> None:
    settled = created(order("r0", "r1"), raw, wallet("r1"))
    assert "refId" in message(settled, "r0")
    assert isinstance(settled.wallets["r1"], Live)


def test_an_answer_to_another_order_makes_nothing_live() -> None:
    settled = created(order("r0", "r1"), wallet("x"), wallet("y"))
    assert set(settled.wallets) == {"r0", "r1"}
    assert all(isinstance(one, Failed) for one in settled.wallets.values())


def test_an_answer_with_a_wallet_too_many_is_read_all_the_same() -> None:
    assert isinstance(created(order("r0"), wallet("r0"), wallet("x")).wallets["r0"], Live)


def test_unknown_fields_and_empty_names_are_no_fault() -> None:
    assert isinstance(created(order("r0"), wallet("r0", name="", custom=[1])).wallets["r0"], Live)


def test_a_long_fault_is_cut() -> None:
    raw = wallet("r0", state="x" * 9000)
    assert len(message(created(order("r0"), raw), "r0")) == 300


@pytest.mark.parametrize(
    ("blockchain", "account_type"),
    [("SOL-DEVNET", "EOA"), ("APTOS-TESTNET", "EOA"), ("NEAR-TESTNET", "EOA"), ("MATIC-AMOY", "SCA")],
)
def test_the_address_must_have_its_chains_form(blockchain: str, account_type: str) -> None:
    asked = order("r0", blockchain=blockchain, account_type=account_type)
    right = make_wallet(0, blockchain, account_type, str(WALLET_SET), {"name": "n", "refId": "r0"})
    assert isinstance(created(asked, right).wallets["r0"], Live)
    assert "at address: " in message(created(asked, right | {"address": "?"}), "r0")


def test_a_look_up_that_finds_nothing_says_nothing() -> None:
    assert found(order("r0"), "r0") == Settled(wallets={}, missing=("r0",))


def test_a_wallet_that_a_look_up_found_is_adopted() -> None:
    live = found(order("r0"), "r0", wallet("r0")).wallets["r0"]
    assert isinstance(live, Live)
    assert live.adopted


@given(st.permutations(range(4)))
def test_of_several_hits_the_oldest_is_adopted_and_the_rest_are_duplicates(places: list[int]) -> None:
    hits = [wallet("r0", number, id=str(UUID(int=9 - number))) for number in (0, 1, 1, 2)]
    hits[1]["id"], hits[2]["id"] = str(UUID(int=5)), str(UUID(int=4))
    settled = found(order("r0"), "r0", *(hits[place] for place in places))
    live = settled.wallets["r0"]
    assert isinstance(live, Live)
    assert live.circle_wallet_id == UUID(hits[0]["id"])
    assert {pair.duplicate for pair in settled.duplicates} == {UUID(hit["id"]) for hit in hits[1:]}
    assert {pair.kept for pair in settled.duplicates} == {live.circle_wallet_id}


def test_hits_of_the_same_second_are_ordered_by_id() -> None:
    ids = [UUID(int=2), UUID(int=1)]
    live = found(order("r0"), "r0", *(wallet("r0", id=str(one)) for one in ids)).wallets["r0"]
    assert isinstance(live, Live)
    assert live.circle_wallet_id == UUID(int=1)


def test_a_usable_hit_is_adopted_before_an_older_frozen_one() -> None:
    frozen, usable = wallet("r0", 0, state="FROZEN"), wallet("r0", 1)
    settled = found(order("r0"), "r0", frozen, usable)
    live = settled.wallets["r0"]
    assert isinstance(live, Live)
    assert live.circle_wallet_id == UUID(usable["id"])
    assert [pair.duplicate for pair in settled.duplicates] == [UUID(frozen["id"])]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"refId": "other"}, "refId"),
        ({"walletSetId": str(uuid4())}, "walletSetId"),
        ({"blockchain": "ETH"}, "blockchain"),
        ({"state": "FROZEN"}, "state"),
        ({"address": None}, "address"),
    ],
)
def test_a_look_up_that_answers_something_else_is_neither_a_hit_nor_empty(change: Json, field: str) -> None:
    settled = found(order("r0"), "r0", wallet("r0") | change)
    assert f"at {field}: " in message(settled, "r0")
    assert settled.missing == ()


def test_a_stranger_beside_a_hit_is_no_duplicate() -> None:
    settled = found(order("r0"), "r0", wallet("x"), wallet("r0", 1), 7)
    assert isinstance(settled.wallets["r0"], Live)
    assert settled.duplicates == ()


def live(number: int, *, adopted: bool = False) -> Live:
    return Live(
        blockchain="ETH-SEPOLIA",
        address="0x",
        circle_wallet_id=UUID(int=number),
        wallet_set_id=WALLET_SET,
        account_type="SCA",
        adopted=adopted,
    )


def failure() -> Failed:
    return Failed(error_type=ErrorType.VALIDATION, message="?")


def test_what_was_found_is_kept_and_what_an_expired_key_made_again_is_a_duplicate() -> None:
    first = Settled(wallets={"r0": live(1, adopted=True)}, missing=("r1",))
    second = Settled(wallets={"r0": live(2), "r1": live(3)})
    assert prefer(first, second) == Settled(
        wallets={"r0": live(1, adopted=True), "r1": live(3)},
        duplicates=(Duplicate(ref_id="r0", kept=UUID(int=1), duplicate=UUID(int=2)),),
    )


Choose = Callable[[], Live | Failed]


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [(lambda: live(1), lambda: live(1), lambda: live(1)), (lambda: live(1), failure, lambda: live(1)),
     (failure, lambda: live(2), lambda: live(2)), (failure, failure, failure)],
)  # fmt: skip
def test_a_live_wallet_is_preferred_from_wherever_it_comes(
    before: Choose, after: Choose, expected: Choose
) -> None:
    outcome = prefer(Settled(wallets={"r0": before()}), Settled(wallets={"r0": after()}))
    assert outcome == Settled(wallets={"r0": expected()})
