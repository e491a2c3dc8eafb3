"""Derived names never change, and differ wherever the wallet differs."""

from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from wallet_provisioning.jobs.identity import (
    Member,
    first_wallet_key,
    reference,
    references,
    wallet_key,
    wallet_set_key,
)

SET = "0f9e1c1e-6f1d-4c2b-9a55-2f7a0d1b8c11"
USER = UUID("3f0a5f60-3c2c-4f0e-8a49-0d6a0e4e7f01")
OTHER = UUID("3f0a5f60-3c2c-4f0e-8a49-0d6a0e4e7f02")


def key(user: UUID = USER, chain: str = "ETH", generation: int = 0, wallet_set: str = SET) -> UUID:
    return wallet_key(wallet_set, [Member(user_id=user, chain=chain, generation=generation)])


def test_a_key_is_the_same_in_every_release() -> None:
    """Changing the derivation would make every stored request ask for a second wallet."""
    assert key() == UUID("351c2c5d-e6cf-4022-9b88-0dd5e275f434")
    assert reference(SET, USER, "ETH") == "wp-d640138358ed9e5372b2665db9b2710d1a96bf09"
    assert wallet_set_key("test", "wallet-provisioning") == UUID("eecd10b4-819c-415a-91f4-eea2998335b0")


def test_a_key_has_the_form_that_circle_asks_for() -> None:
    assert key().version == 4
    assert key().variant == "specified in RFC 4122"


def test_whatever_makes_another_wallet_makes_another_key() -> None:
    keys = {
        key(),
        key(user=OTHER),
        key(chain="SOL"),
        key(generation=1),
        key(wallet_set=str(OTHER)),
        wallet_set_key("test", "wallet-provisioning"),
        wallet_set_key("live", "wallet-provisioning"),
    }
    assert len(keys) == 7


def test_a_batch_has_a_key_of_its_own_and_its_order_counts() -> None:
    members = [Member(user_id=USER, chain="ETH"), Member(user_id=OTHER, chain="ETH")]
    assert wallet_key(SET, members) != wallet_key(SET, members[:1])
    assert wallet_key(SET, members) != wallet_key(SET, members[::-1])


def test_a_reference_outlives_the_key() -> None:
    """A look-up has to find what an earlier generation of the key made."""
    assert reference(SET, USER, "ETH") == reference(SET, USER, "ETH")
    assert len(reference(SET, USER, "ETH")) <= 100


@given(st.uuids(), st.uuids(), st.sampled_from(["ETH", "SOL", "APTOS"]))
def test_references_of_two_users_differ(one: UUID, two: UUID, chain: str) -> None:
    assert (reference(SET, one, chain) == reference(SET, two, chain)) == (one == two)


@given(st.lists(st.uuids(), max_size=5), st.sampled_from(["ETH", "SOL", "APTOS"]))
def test_many_are_named_as_each_of_them_is(users: list[UUID], chain: str) -> None:
    texts = [str(user) for user in users]
    assert references(SET, texts, chain) == [reference(SET, user, chain) for user in users]
    assert first_wallet_key(SET, texts, chain) == wallet_key(
        SET, [Member(user_id=user, chain=chain) for user in users]
    )
