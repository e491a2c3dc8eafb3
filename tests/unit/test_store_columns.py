from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Dialect, create_engine

from wallet_provisioning.store.columns import Id, Time, iso
from wallet_provisioning.store.ids import new_id
from wallet_provisioning.store.newcomers import trace_id_of

SQLITE = create_engine("sqlite:///a.db").dialect
POSTGRESQL = create_engine("postgresql+psycopg://h/d").dialect
MOMENTS = st.datetimes(datetime(1970, 1, 1), datetime(9999, 12, 30), timezones=st.just(UTC))  # noqa: DTZ001 - hypothesis adds the zone


@given(MOMENTS, MOMENTS)
def test_the_order_of_texts_is_the_order_of_times(one: datetime, other: datetime) -> None:
    assert (iso(one) < iso(other)) == (one < other)
    assert len(iso(one)) == 27


@given(MOMENTS)
def test_a_time_reads_back_as_it_was_written(moment: datetime) -> None:
    written = Time().process_bind_param(moment, SQLITE)

    assert Time().process_result_value(written, SQLITE) == moment


def test_times_are_kept_in_utc_whatever_zone_they_come_in() -> None:
    moment = datetime(2026, 1, 1, 1, tzinfo=timezone(timedelta(hours=2)))

    assert Time().process_bind_param(moment, SQLITE) == "2025-12-31T23:00:00.000000Z"
    read = Time().process_result_value(moment, POSTGRESQL)
    assert read == moment
    assert read is not None
    assert read.tzinfo is UTC


def test_a_naive_time_is_a_bug() -> None:
    with pytest.raises(ValueError, match="time zone"):
        Time().process_bind_param(datetime(2026, 1, 1), SQLITE)  # noqa: DTZ001 - that is the point


def test_nothing_stays_nothing() -> None:
    assert Time().process_bind_param(None, SQLITE) is None
    assert Time().process_result_value(None, SQLITE) is None
    assert Id().bind_processor(SQLITE)(None) is None
    assert Id().result_processor(SQLITE, None)(None) is None


@pytest.mark.parametrize("dialect", [SQLITE, POSTGRESQL])
def test_ids_are_text_with_hyphens(dialect: Dialect) -> None:
    text = "0190aaaa-0000-7000-8000-000000000001"
    write, read = Id().bind_processor(dialect), Id().result_processor(dialect, None)

    assert write(UUID(text)) == write(text) == text
    assert read(text) == UUID(text)
    assert str(read(text)) is text


def test_new_ids_are_of_version_7_and_rise() -> None:
    ids = [new_id() for _ in range(1000)]

    assert {made.version for made in ids} == {7}
    assert ids == sorted(ids, key=str)
    assert len(set(ids)) == 1000


@pytest.mark.parametrize(
    ("traceparent", "expected"),
    [
        ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "0af7651916cd43dd8448eb211c80319c"),
        (None, None),
        ("", None),
        ("nonsense", None),
    ],
)
def test_the_trace_id_is_that_of_the_traceparent(traceparent: str | None, expected: str | None) -> None:
    assert trace_id_of(traceparent) == expected
