"""Binding: what is asked for, or a line that says what to change."""

import socket

import pytest

from wallet_provisioning.http.api.listening import (
    CannotListenError,
    OpenToAllError,
    PortTakenError,
    listen,
    url_of,
)


def test_port_zero_takes_a_free_one() -> None:
    with listen("127.0.0.1", 0, has_tokens=False) as sock:
        assert sock.getsockname()[1] > 0


def test_a_taken_port_is_named_in_the_error() -> None:
    with listen("127.0.0.1", 0, has_tokens=False) as sock:
        port = sock.getsockname()[1]
        with pytest.raises(PortTakenError, match=f"127.0.0.1:{port} is taken"):
            listen("127.0.0.1", port, has_tokens=False)


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_without_tokens_only_loopback_is_bound(host: str) -> None:
    with pytest.raises(OpenToAllError, match="ADMIN_TOKEN"):
        listen(host, 0, has_tokens=False)


def test_with_a_token_every_address_may_be_bound() -> None:
    with listen("0.0.0.0", 0, has_tokens=True) as sock:
        assert sock.family is socket.AF_INET


def test_a_name_is_looked_up() -> None:
    with listen("localhost", 0, has_tokens=False) as sock:
        assert sock.getsockname()[0] in {"127.0.0.1", "::1"}


@pytest.mark.parametrize("host", ["no.such.host.invalid", "192.0.2.1", "a" * 70])
def test_an_address_of_another_machine_is_an_error_with_a_reason(host: str) -> None:
    with pytest.raises(CannotListenError, match="ADMIN_HOST"):
        listen(host, 0, has_tokens=True)


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:8080/"),
        ("0.0.0.0", "http://127.0.0.1:8080/"),
        ("::", "http://[::1]:8080/"),
        ("::1", "http://[::1]:8080/"),
    ],
)
def test_the_url_is_one_that_this_machine_can_open(host: str, url: str) -> None:
    assert url_of(host, 8080) == url
