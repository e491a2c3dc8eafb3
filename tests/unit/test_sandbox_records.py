from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest

from wallet_provisioning.http.sandbox.audit import picture
from wallet_provisioning.http.sandbox.books import Books
from wallet_provisioning.http.sandbox.entities import Wallet, WalletSet
from wallet_provisioning.http.sandbox.ledger import Memory
from wallet_provisioning.http.sandbox.networks import World
from wallet_provisioning.http.sandbox.queries import WalletQuery, read_query
from wallet_provisioning.http.sandbox.records import (
    CiphertextUsed,
    CredentialsMade,
    KeyPairMade,
    KeySpent,
    Record,
    SecretRegistered,
    WalletChanged,
    WalletSetMade,
    WalletsMade,
    decode,
    encode,
)
from wallet_provisioning.http.sandbox.state import State

NOW = datetime(2026, 3, 4, 5, 6, 7, 890123, tzinfo=UTC)
SET = uuid4()


def wallet(position: int, ref_id: str | None = "r", blockchain: str = "ETH-SEPOLIA") -> Wallet:
    return Wallet(
        id=UUID(int=position),
        position=position,
        wallet_set_id=SET,
        blockchain=blockchain,
        account_type="SCA",
        address=f"0x{position:040x}",
        name=None,
        ref_id=ref_id,
        created_at=NOW,
        updated_at=NOW,
    )


def made(*wallets: Wallet) -> WalletsMade:
    return WalletsMade(world=World.TEST, key=uuid4(), fingerprint="f", at=NOW, wallets=wallets)


def found_by(**params: str) -> WalletQuery:
    return read_query(WalletQuery, params.items())


SET_MADE = WalletSetMade(
    world=World.LIVE,
    key=uuid4(),
    fingerprint="f",
    at=NOW,
    wallet_set=WalletSet(id=SET, position=0, name="ours", created_at=NOW, updated_at=NOW),
)


@pytest.mark.parametrize(
    "record",
    [
        KeyPairMade(private_pem="pem"),
        CredentialsMade(api_key="k", entity_secret="s"),
        SecretRegistered(world=World.TEST, digest="d"),
        CiphertextUsed(world=World.TEST, digest="d"),
        SET_MADE,
        made(wallet(0), wallet(1, None)),
        KeySpent(world=World.TEST, key=uuid4(), fingerprint="f", at=NOW, code=2, message="m"),
        WalletChanged(world=World.TEST, wallet=wallet(0)),
    ],
    ids=lambda record: record.kind,
)
def test_a_record_survives_the_file(record: Record) -> None:
    line = encode(record)
    assert b"\n" not in line
    assert decode(line) == record


@pytest.mark.parametrize("line", [b"", b"{}", b'{"kind":"other"}', b'{"kind":"ciphertext"}', b"[]"])
def test_what_is_no_record_is_refused(line: bytes) -> None:
    with pytest.raises(ValueError, match="validation error"):
        decode(line)


def test_records_do_not_show_their_secrets() -> None:
    assert "hush" not in repr(KeyPairMade(private_pem="hush"))
    assert "hush" not in repr(CredentialsMade(api_key="hush", entity_secret="hush"))
    assert "hush" not in repr(SecretRegistered(world=World.TEST, digest="hush"))


def test_the_worlds_are_kept_apart() -> None:
    state = State(Memory())
    state.open()
    state.write(SET_MADE)
    assert len(state.books(World.LIVE).wallet_sets) == 1
    assert len(state.books(World.TEST).wallet_sets) == 0


def test_a_changed_wallet_is_found_by_its_new_reference_only() -> None:
    books = Books()
    record = made(wallet(0, "old"), wallet(1, "other"))
    books.apply(record)
    books.apply(WalletChanged(world=World.TEST, wallet=wallet(0, "new")))
    assert books.candidates(found_by(refId="old")) == []
    assert [found.position for found in books.candidates(found_by(refId="new"))] == [0]
    assert books.kept(record.key, since=None) == record


def test_wallets_are_found_by_address_without_case() -> None:
    books = Books()
    books.apply(made(wallet(0), wallet(1)))
    address = wallet(1).address.replace("0x", "0X").upper()
    assert [found.position for found in books.candidates(found_by(address=address))] == [1]


def test_a_key_is_forgotten_after_its_life() -> None:
    books = Books()
    record = made(wallet(0))
    books.apply(record)
    assert books.kept(record.key, since=NOW) == record
    assert books.kept(record.key, since=NOW.replace(year=2027)) is None


def test_times_are_shown_to_the_second() -> None:
    assert wallet(0).body(blank_metadata=False)["createDate"] == "2026-03-04T05:06:07Z"


def test_absent_metadata_is_absent_or_blank() -> None:
    assert not {"name", "refId"} & set(wallet(0, None).body(blank_metadata=False))
    assert wallet(0, None).body(blank_metadata=True)["refId"] == ""


def test_the_picture_counts_each_reference_and_chain() -> None:
    books = Books()
    books.apply(made(wallet(0, "a"), wallet(1, "a"), wallet(2, "a", "BASE-SEPOLIA"), wallet(3, None)))
    references = picture(books)["references"]
    assert isinstance(references, list)
    assert [(entry["refId"], entry["blockchain"], entry["count"]) for entry in references] == [
        ("a", "ETH-SEPOLIA", 2),
        ("a", "BASE-SEPOLIA", 1),
        (None, "ETH-SEPOLIA", 1),
    ]
    assert references[0]["ids"] == [str(UUID(int=0)), str(UUID(int=1))]
