"""Reading JSON strictly: what two parsers would understand differently is refused."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wallet_provisioning.http.api.jsonio import InvalidJsonError, read_json, write_json

TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS
VALUES = st.recursive(SCALARS, lambda some: st.lists(some) | st.dictionaries(TEXTS, some), max_leaves=20)


@given(VALUES)
def test_what_is_written_is_read_back(value: object) -> None:
    assert read_json(write_json(value)) == value


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"", "isn't JSON"),
        (b"{", "isn't JSON"),
        (b"{} {}", "isn't JSON"),
        (b"{'a': 1}", "isn't JSON"),
        (b'{"a": 1,}', "isn't JSON"),
        (b'{"a": 1, "a": 1}', "twice"),
        (b'[{"b": {"a": 1, "\\u0061": 2}}]', "twice"),
        (b"NaN", "no JSON number"),
        (b"[Infinity]", "no JSON number"),
        (b'{"a": -Infinity}', "no JSON number"),
        (b"1e999", "out of range"),
        (b"9" * 5000, "too long"),
        (b'"\\u0000"', "NUL"),
        (b'{"\\u0000": 1}', "NUL"),
        (b'"\\ud800"', "surrogate"),
        (b'["\\udc00\\ud800"]', "surrogate"),
        (b'"\xff"', "isn't UTF-8"),
        (b'\xff\xfe"\x00a\x00"\x00', "isn't UTF-8"),
        (b"\xef\xbb\xbf{}", "isn't JSON"),
        (b"[" * 33 + b"]" * 33, "deeper"),
        (b"[" * 100_000, "deeper"),
        (b'{"a":' * 50 + b"1" + b"}" * 50, "deeper"),
    ],
)
def test_what_is_no_plain_json_is_refused_with_its_reason(body: bytes, why: str) -> None:
    with pytest.raises(InvalidJsonError, match=why):
        read_json(body)


def test_a_pair_of_surrogates_is_one_character() -> None:
    assert read_json(b'"\\ud83d\\ude00"') == "\N{GRINNING FACE}"


def test_nesting_that_people_write_is_read() -> None:
    assert read_json(b"[" * 20 + b"]" * 20) == json.loads("[" * 20 + "]" * 20)


def test_a_number_that_json_does_not_have_is_never_written() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(float("nan"))
