import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wallet_provisioning.http.circle.answers import CallFailed, Certainty
from wallet_provisioning.http.circle.errors import read_error, read_retry_after
from wallet_provisioning.http.circle.protocol import Answer
from wallet_provisioning.jobs.errors import ErrorType

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
FIELDS = "errors"


def read(status: int, body: object = None, retry_after: str | None = None) -> CallFailed:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    answer = Answer(status=status, body=content, request_id="r-1", retry_after=retry_after)
    return read_error(answer, now=NOW, scrub=lambda text: text.replace("hush", "*"))


@pytest.mark.parametrize(
    ("status", "error_type", "certainty"),
    [
        (400, ErrorType.CIRCLE_4XX, Certainty.REFUSED),
        (404, ErrorType.CIRCLE_4XX, Certainty.REFUSED),
        (408, ErrorType.CIRCLE_4XX, Certainty.AMBIGUOUS),
        (409, ErrorType.CIRCLE_4XX, Certainty.AMBIGUOUS),
        (429, ErrorType.CIRCLE_RATE_LIMIT, Certainty.REFUSED),
        (500, ErrorType.CIRCLE_5XX, Certainty.AMBIGUOUS),
        (503, ErrorType.CIRCLE_5XX, Certainty.AMBIGUOUS),
        (302, ErrorType.NETWORK, Certainty.AMBIGUOUS),
    ],
)
def test_without_a_known_code_the_status_decides(
    status: int, error_type: ErrorType, certainty: Certainty
) -> None:
    for body in [b"<html>gateway</html>", b"", b"[]", {"code": 999_999, "message": "new"}, {"code": "5"}]:
        failure = read(status, body)
        assert (failure.error_type, failure.certainty) == (error_type, certainty)
        assert failure.http_status == status
        assert failure.circle_request_id == "r-1"


@pytest.mark.parametrize(
    "code", [2, 3, 4, 401, 156001, 156004, 156005, 156006, 156012, 156013, 156014, 156015, 156016, 156019,
             156020, 155502, 155503, 155507, 155511]
)  # fmt: skip
@pytest.mark.parametrize("status", [400, 409, 422, 429, 500])
def test_a_known_code_decides_whatever_the_status_is(code: int, status: int) -> None:
    failure = read(status, {"code": code, "message": "no"})
    assert failure.error_type is ErrorType.CIRCLE_4XX
    assert failure.certainty is Certainty.REFUSED
    assert failure.code == code


def test_code_5_is_the_rate_limit_under_any_status() -> None:
    assert read(400, {"code": 5, "message": "slow down"}).error_type is ErrorType.CIRCLE_RATE_LIMIT


def test_circles_unknown_error_proves_nothing() -> None:
    assert read(400, {"code": -1, "message": "?"}).certainty is Certainty.AMBIGUOUS
    assert read(400, {"code": -1, "message": "?"}).error_type is ErrorType.CIRCLE_4XX
    assert read(500, {"code": -1, "message": "?"}).error_type is ErrorType.CIRCLE_5XX


@pytest.mark.parametrize("code", [3, 4, 401, 156006, 156013, 156016, 156019])
def test_these_codes_are_errors_of_the_configuration(code: int) -> None:
    assert read(400, {"code": code}).is_configuration


@pytest.mark.parametrize("code", [2, 5, 156001, 156004, 156005, 156015, 156020, 155502, 155503, 155507, -1])
def test_these_codes_concern_one_request(code: int) -> None:
    assert not read(400, {"code": code}).is_configuration


def test_a_refused_key_is_an_error_of_the_configuration_even_without_a_code() -> None:
    assert read(401, b"").is_configuration
    assert read(403, b"").is_configuration
    assert not read(404, b"").is_configuration


def test_the_message_names_status_code_and_fields_but_no_values() -> None:
    errors = [{"error": "required", "location": "walletSetId", "invalidValue": "hidden", "message": "hidden"}]
    failure = read(400, {"code": 2, "message": "say hush", FIELDS: [*errors, 7]})
    assert failure.message == "HTTP 400, code 2: say *; walletSetId required"


def test_a_long_message_is_cut() -> None:
    assert len(read(400, {"code": 2, "message": "x" * 9000}).message) < 400


@pytest.mark.parametrize(
    ("text", "delay"),
    [
        ("0", timedelta()),
        ("7", timedelta(seconds=7)),
        (" 120 ", timedelta(minutes=2)),
        ("Tue, 24 Nov 2026 12:00:30 GMT", timedelta(seconds=30)),
        ("Tue, 24 Nov 2026 12:00:30", timedelta(seconds=30)),
        ("Tue, 24 Nov 2026 11:00:00 GMT", timedelta()),
        ("9" * 40, timedelta(days=1)),
        ("Tue, 24 Nov 2099 12:00:30 GMT", timedelta(days=1)),
        ("-1", None),
        ("1.5", None),
        ("soon", None),
        ("", None),
        (None, None),
    ],
)
def test_retry_after_is_seconds_or_a_date(text: str | None, delay: timedelta | None) -> None:
    assert read_retry_after(text, NOW) == delay


@given(st.text(max_size=40))
def test_no_retry_after_breaks_the_reader(text: str) -> None:
    delay = read_retry_after(text, NOW)
    assert delay is None or timedelta() <= delay <= timedelta(days=1)


def test_a_rate_limit_keeps_its_delay() -> None:
    assert read(429, {"code": 5}, retry_after="3").retry_after == timedelta(seconds=3)


@given(st.integers(300, 599), st.binary(max_size=60) | st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["code", "message", FIELDS]), inner),
))  # fmt: skip
def test_every_refusal_can_be_read(status: int, body: object) -> None:
    assert read(status, body).http_status == status
