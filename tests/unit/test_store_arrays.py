"""Columns as the text of a PostgreSQL array, in its own words."""

from uuid import uuid4

from wallet_provisioning.store.arrays import array_text, ids_text


def test_plain_texts_need_no_quotes() -> None:
    assert array_text(["ETH", "SOL-DEVNET"]) == "{ETH,SOL-DEVNET}"


def test_what_would_be_read_otherwise_is_quoted() -> None:
    assert array_text(['a"b', "c\\d"]) == '{"a\\"b","c\\\\d"}'
    assert array_text(["a,b", "c"]) == '{"a,b","c"}'
    assert array_text(["{}", " "]) == '{"{}"," "}'


def test_an_empty_text_is_not_lost() -> None:
    assert array_text([""]) == '{""}'
    assert array_text(["", "a"]) == '{"","a"}'


def test_nothing_and_the_word_null_stay_apart() -> None:
    assert array_text([None, "a"]) == "{NULL,a}"
    assert array_text(["null"]) == '{"null"}'
    assert array_text([None, "Null"]) == '{NULL,"Null"}'


def test_what_no_database_can_hold_is_replaced() -> None:
    assert array_text(["a\0b"]) == '{"a\N{REPLACEMENT CHARACTER}b"}'


def test_an_empty_column_is_an_empty_array() -> None:
    assert array_text([]) == ids_text([]) == "{}"


def test_numbers_and_ids_are_written_as_they_are() -> None:
    one = uuid4()
    assert ids_text([1, None, 2]) == "{1,NULL,2}"
    assert ids_text([one]) == f"{{{one}}}"
