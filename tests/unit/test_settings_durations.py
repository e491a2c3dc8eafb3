"""Durations: one whole number and one unit, read and written alike."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wallet_provisioning.durations import InvalidDurationError, format_duration, parse_duration


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("500ms", timedelta(milliseconds=500)),
        ("30s", timedelta(seconds=30)),
        ("1m", timedelta(minutes=1)),
        ("2h", timedelta(hours=2)),
        ("0s", timedelta()),
        ("90s", timedelta(seconds=90)),
    ],
)
def test_each_unit_is_read(text: str, meaning: timedelta) -> None:
    assert parse_duration(text) == meaning


@pytest.mark.parametrize(
    "text", ["", "30", "s", "1.5s", "-1s", "+1s", "1m30s", "30 s", "30S", " 30s", "1d", "٣s", "1e3s", "30s\n"]
)
def test_any_other_form_is_refused_and_the_form_is_told(text: str) -> None:
    with pytest.raises(InvalidDurationError, match="500ms, 30s, 1m or 2h"):
        parse_duration(text)


def test_a_duration_beyond_counting_is_refused() -> None:
    with pytest.raises(InvalidDurationError, match="longer than"):
        parse_duration("999999999999h")


@pytest.mark.parametrize(
    ("duration", "text"),
    [
        (timedelta(), "0s"),
        (timedelta(milliseconds=1), "1ms"),
        (timedelta(milliseconds=1500), "1500ms"),
        (timedelta(seconds=30), "30s"),
        (timedelta(seconds=60), "1m"),
        (timedelta(seconds=90), "90s"),
        (timedelta(hours=1), "1h"),
        (timedelta(hours=36), "36h"),
        (timedelta(microseconds=400), "0s"),
        (timedelta(microseconds=1600), "2ms"),
    ],
)
def test_the_largest_whole_unit_is_written(duration: timedelta, text: str) -> None:
    assert format_duration(duration) == text


def test_a_negative_duration_is_not_written() -> None:
    with pytest.raises(ValueError, match="never negative"):
        format_duration(timedelta(seconds=-1))


@given(st.integers(min_value=0, max_value=10**12))
def test_what_is_written_is_read_back(milliseconds: int) -> None:
    duration = timedelta(milliseconds=milliseconds)
    assert parse_duration(format_duration(duration)) == duration
