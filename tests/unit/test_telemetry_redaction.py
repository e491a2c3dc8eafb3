"""Secrets that slipped through are caught at the line."""

import pytest

from wallet_provisioning.telemetry.redaction import GONE, redact, redact_entry


@pytest.mark.parametrize(
    "key",
    [
        "api_key",
        "apiKey",
        "CIRCLE_ENTITY_SECRET",
        "entitySecretCiphertext",
        "Authorization",
        "admin_token",
        "password",
        "Set-Cookie",
    ],
)
def test_a_key_that_smells_of_a_secret_loses_its_value(key: str) -> None:
    assert redact_entry({key: "abc", "event": "x"}) == {key: GONE, "event": "x"}


@pytest.mark.parametrize(
    "key", ["idempotency_key", "actor", "event", "job_id", "text", "chain", "circle_wallet_id"]
)
def test_other_keys_keep_theirs(key: str) -> None:
    assert redact_entry({key: "abc"}) == {key: "abc"}


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("header Bearer abc.def-1, next", f"header Bearer {GONE}, next"),
        ("authorization: bearer xyz", f"authorization: bearer {GONE}"),
        ("key TEST_API_KEY:0f1:2ab here", f"key TEST_API_KEY:{GONE} here"),
        ("'LIVE_API_KEY:0f1:2ab'", f"'LIVE_API_KEY:{GONE}'"),
        ("at postgresql://me:hunter2@db/x", f"at postgresql://me:{GONE}@db/x"),
        ("at redis://:hunter2@cache:6379/0", f"at redis://:{GONE}@cache:6379/0"),
        ("http://127.0.0.1:8080/ serves", "http://127.0.0.1:8080/ serves"),
        ("a basic thing", f"a basic {GONE}"),
    ],
)
def test_a_value_that_looks_like_a_secret_loses_it(text: str, left: str) -> None:
    assert redact_entry({"text": text}) == {"text": left}


def test_nested_values_are_searched() -> None:
    entry: dict[str, object] = {"context": {"headers": {"authorization": "abc"}, "list": ["Bearer abc"]}}

    assert redact_entry(entry) == {
        "context": {"headers": {"authorization": GONE}, "list": [f"Bearer {GONE}"]}
    }


def test_an_absent_secret_stays_absent() -> None:
    assert redact(None, "api_key") is None


def test_a_secret_number_is_one_too() -> None:
    assert redact_entry({"password": 1234}) == {"password": GONE}
