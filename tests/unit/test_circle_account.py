from datetime import timedelta

import pytest

from wallet_provisioning.http.circle.account import (
    Account,
    AccountError,
    Timeouts,
    check_entity_secret,
)

SECRET = "ab" * 32
KEY = "TEST_API_KEY:id:very-secret"


def account(base_url: str = "https://api.circle.com", api_key: str = KEY, secret: str = SECRET) -> Account:
    return Account(base_url=base_url, api_key=api_key, entity_secret=secret)


@pytest.mark.parametrize("secret", ["", "ab" * 31, "ab" * 33, "zz" * 32, SECRET + "\n", "0x" + "ab" * 31])
def test_an_entity_secret_of_another_form_is_refused(secret: str) -> None:
    with pytest.raises(AccountError, match="CIRCLE_ENTITY_SECRET"):
        check_entity_secret(secret)


def test_an_entity_secret_may_be_written_in_either_case() -> None:
    check_entity_secret("AB" * 32)


def test_neither_secret_is_in_the_representation() -> None:
    text = repr(account())
    assert "very-secret" not in text
    assert SECRET not in text
    assert "api.circle.com" in text


@pytest.mark.parametrize("key", ["TEST_API_KEY:a:b\r\nX: y", "TEST KEY", "TEST_API_KEY:a:é", ""])
def test_a_key_that_would_break_a_header_is_refused(key: str) -> None:
    with pytest.raises(AccountError, match="CIRCLE_API_KEY"):
        account(api_key=key)


@pytest.mark.parametrize(
    "base_url", ["", "api.circle.com", "ftp://api.circle.com", "https://", "https://host:99999", "https://[::1",
                 "https://u:p@api.circle.com", "https://api.circle.com?x=1", "https://api.circle.com#x",
                 "http://host:0"]
)  # fmt: skip
def test_an_unusable_address_is_refused(base_url: str) -> None:
    with pytest.raises(AccountError, match="CIRCLE_BASE_URL"):
        account(base_url)


def test_a_live_key_never_goes_over_plain_http() -> None:
    with pytest.raises(AccountError, match="use https"):
        account("http://circle.example", "LIVE_API_KEY:a:b")


def test_a_test_key_may_go_to_a_sandbox_on_another_machine() -> None:
    assert not account("http://sandbox:8090").is_loopback


def test_an_address_of_this_machine_is_known_as_such() -> None:
    assert account("http://127.0.0.1:8090").is_loopback
    assert account("http://[::1]:8090", "LIVE_API_KEY:a:b").is_loopback


def test_each_phase_of_a_call_has_its_own_time() -> None:
    assert Timeouts(read=timedelta(seconds=1)).connect == timedelta(seconds=5)
