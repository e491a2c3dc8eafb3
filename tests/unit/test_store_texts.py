import json
from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wallet_provisioning.jobs.kyc import KycStatus
from wallet_provisioning.store.accepting import RequestKey
from wallet_provisioning.store.errors import StoreError, UnstorableTextError
from wallet_provisioning.store.kyc import KycCallback
from wallet_provisioning.store.texts import clean, dump_document, require_storable

ANY_TEXT = st.text(st.characters(exclude_categories=[]))


@given(ANY_TEXT)
def test_what_was_cleaned_can_be_stored(text: str) -> None:
    cleaned = clean(text)

    assert cleaned.encode().decode() == cleaned
    assert "\0" not in cleaned
    assert clean(cleaned) == cleaned


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")))
def test_a_text_that_can_be_stored_stays_as_it_is(text: str) -> None:
    assert clean(text) == text


@given(
    st.recursive(
        ANY_TEXT | st.none() | st.integers(), lambda part: st.lists(part) | st.dictionaries(ANY_TEXT, part)
    )
)
def test_a_document_has_no_escape_that_postgresql_refuses(document: object) -> None:
    loaded = json.loads(dump_document(document))

    json.dumps(loaded, ensure_ascii=False).encode()
    assert "\0" not in json.dumps(loaded, ensure_ascii=False).replace("\\\\", "")


def test_a_pair_of_surrogates_is_one_character() -> None:
    assert clean("\ud83d\ude00") == "\N{GRINNING FACE}"


@pytest.mark.parametrize("value", ["", "a\0", "\ud800", "x" * 501])
def test_a_key_that_would_have_to_be_changed_is_refused(value: str) -> None:
    with pytest.raises(UnstorableTextError, match="request_id") as caught:
        RequestKey(kind="request_id", value=value)
    assert isinstance(caught.value, ValueError)
    assert isinstance(caught.value, StoreError)


@pytest.mark.parametrize("value", ["", "a\0", "\udfff", "x" * 501])
def test_a_reference_that_would_have_to_be_changed_is_refused(value: str) -> None:
    with pytest.raises(UnstorableTextError, match="provider_ref"):
        KycCallback(
            provider_ref=value,
            status=KycStatus.PENDING,
            user_id=None,
            rejection_reasons=(),
            chains=("ETH",),
            max_attempts=5,
            traceparent=None,
            registers_unknown=True,
        )


@pytest.mark.parametrize("value", ["x", "x" * 500, "Straße 🙂", " "])
def test_any_other_key_is_taken_as_it_is(value: str) -> None:
    require_storable("key", value)


def test_ids_are_dumped_as_their_text() -> None:
    moment = datetime(2026, 1, 2, tzinfo=UTC)

    assert dump_document([UUID(int=1), moment]) == (
        '["00000000-0000-0000-0000-000000000001","2026-01-02T00:00:00+00:00"]'
    )
