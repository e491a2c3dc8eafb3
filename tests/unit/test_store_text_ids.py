"""An id that keeps its text is taken for a UUID by whatever takes UUIDs."""

import copy
import dataclasses
import json
import pickle
from uuid import UUID, uuid4

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg.adapt import PyFormat
from pydantic import BaseModel, TypeAdapter

from wallet_provisioning.store.ids import new_id
from wallet_provisioning.store.text_ids import TextId, text_id
from wallet_provisioning.store.texts import dump_document


@given(st.uuids(), st.uuids())
def test_it_equals_hashes_and_sorts_as_the_plain_one(one: UUID, other: UUID) -> None:
    kept = text_id(str(one))

    assert kept == one
    assert one == kept
    assert hash(kept) == hash(one)
    assert (kept == other) == (one == other)
    assert (kept < other) == (one < other)
    assert (kept > text_id(str(other))) == (one > other)
    assert {one, kept} == {one}


@given(st.uuids())
def test_whatever_is_asked_of_it_has_the_answer_of_the_plain_one(plain: UUID) -> None:
    kept = text_id(str(plain))

    for name in ("int", "hex", "bytes", "fields", "urn", "version", "variant", "time", "is_safe"):
        assert getattr(kept, name) == getattr(plain, name), name
    assert str(kept) == f"{kept}" == str(plain)
    assert repr(kept) == repr(plain)


def test_its_text_is_the_very_one_that_it_came_with() -> None:
    text = str(uuid4())

    assert str(text_id(text)) is text


def test_copies_and_pickles_are_plain_ids() -> None:
    kept = text_id(str(uuid4()))

    for again in (copy.copy(kept), copy.deepcopy(kept), pickle.loads(pickle.dumps(kept))):  # noqa: S301 - our own bytes
        assert type(again) is UUID
        assert again == kept


def test_nobody_may_change_it() -> None:
    kept = text_id(str(uuid4()))

    for name in ("int", "text", "other"):
        with pytest.raises((TypeError, AttributeError)):
            setattr(kept, name, 1)


@pytest.mark.parametrize("text", ["", "no id at all", "g" * 36])
def test_what_is_no_id_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="invalid literal"):
        text_id(text)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class _Holder:
    id: UUID


class _Model(BaseModel, strict=True):
    id: UUID


def test_dataclasses_models_and_documents_take_it() -> None:
    plain = uuid4()
    kept = text_id(str(plain))

    assert _Holder(id=kept) == _Holder(id=plain)
    assert dataclasses.asdict(_Holder(id=kept)) == {"id": plain}
    assert _Model(id=kept) == _Model(id=plain)
    assert _Model(id=kept).model_dump_json() == _Model(id=plain).model_dump_json()
    assert TypeAdapter(UUID).dump_json(kept) == TypeAdapter(UUID).dump_json(plain)
    assert dump_document({"id": kept, "many": [kept]}) == dump_document({"id": plain, "many": [plain]})
    assert json.dumps(kept, default=str) == json.dumps(str(plain))


def test_the_driver_sends_it_as_it_sends_the_plain_one() -> None:
    plain = uuid4()
    adapt = psycopg.adapters.get_dumper(TextId, PyFormat.TEXT)

    assert adapt(TextId).dump(text_id(str(plain))) == plain.hex.encode()


def test_new_ids_keep_their_text() -> None:
    made = new_id()

    assert isinstance(made, TextId)
    assert UUID(str(made)) == made
