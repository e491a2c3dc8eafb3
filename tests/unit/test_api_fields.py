"""The values of requests: each has one way to be written."""

from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import PydanticCustomError

from wallet_provisioning.http.api.fields import read_limit, read_time, read_uuid
from wallet_provisioning.http.api.views import time_text


@given(st.uuids())
def test_a_uuid_is_read_in_either_case(value: UUID) -> None:
    assert read_uuid(str(value)) == value
    assert read_uuid(str(value).upper()) == value


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0190a0a0a0a07000800000000000000a",
        "{0190a0a0-a0a0-7000-8000-00000000000a}",
        "urn:uuid:0190a0a0-a0a0-7000-8000-00000000000a",
        "0190a0a0-a0a0-7000-8000-00000000000a\n",
        "0190a0a0-a0a0-7000-8000-0000000000\uff10a",
        7,
        None,
    ],
)
def test_a_uuid_in_another_form_is_refused(text: object) -> None:
    with pytest.raises(PydanticCustomError, match="UUID"):
        read_uuid(text)


@given(st.datetimes(timezones=st.just(UTC)))
def test_a_time_is_read_as_it_is_written(moment: datetime) -> None:
    assert read_time(time_text(moment)) == moment


def test_a_time_of_another_zone_is_turned_into_utc() -> None:
    assert read_time("2026-01-31T12:00:00+02:00") == datetime(2026, 1, 31, 10, tzinfo=UTC)
    assert read_time("2026-01-31t12:00:00.5z") == datetime(2026, 1, 31, 12, 0, 0, 500_000, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "2026-01-31",
        "2026-01-31T12:00:00",
        "2026-01-31 12:00:00Z",
        "2026-02-30T12:00:00Z",
        "2026-01-31T25:00:00Z",
        "2026-01-31T12:00:00 02:00",
        "0001-01-01T00:00:00+23:00",
        "1769860800",
        12,
    ],
)
def test_a_time_that_is_not_rfc_3339_is_refused(text: object) -> None:
    with pytest.raises(PydanticCustomError, match="must be a time"):
        read_time(text)


@pytest.mark.parametrize(("text", "limit"), [("1", 1), ("50", 50), ("200", 200), ("007", 7)])
def test_a_limit_is_a_plain_number(text: str, limit: int) -> None:
    assert read_limit(text) == limit


@pytest.mark.parametrize("text", ["", "0", "201", "-1", "+5", "5.0", " 5", "5_0", "\u0665", "1000"])
def test_a_limit_out_of_range_or_in_another_form_is_refused(text: str) -> None:
    with pytest.raises(PydanticCustomError, match="from 1 to 200"):
        read_limit(text)
