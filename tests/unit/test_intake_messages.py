"""Which messages can become a job, and what is said of those that can't."""

from typing import Any
from uuid import UUID

import pytest

from wallet_provisioning.intake.messages import (
    Envelope,
    InvalidMessageError,
    named_user,
    parse,
    trace_carrier,
)
from wallet_provisioning.jobs.chains import Environment, Served

USER = "01900000-0000-7000-8000-000000000002"
SERVED = Served(("ETH", "SOL"), Environment.TEST)


def envelope(
    task: str = "provision_wallets",
    positional: tuple[object, ...] = (),
    options: dict[str, Any] | None = None,
    **arguments: Any,  # whatever a producer writes
) -> Envelope:
    return Envelope(
        message_id="m", task=task, positional=positional, arguments=arguments, options=options or {}
    )


def why(refused: Envelope) -> str:
    with pytest.raises(InvalidMessageError) as caught:
        parse(refused, SERVED)
    return str(caught.value)


def test_a_user_alone_means_all_chains() -> None:
    wanted = parse(envelope(user_id=USER), SERVED)

    assert (wanted.user_id, wanted.chains, wanted.request_id) == (UUID(USER), ("ETH", "SOL"), None)


def test_chains_and_request_id_are_taken() -> None:
    wanted = parse(envelope(user_id=USER, chains=["SOL-DEVNET", "SOL"], request_id="r-1"), SERVED)

    assert wanted.chains == ("SOL",)
    assert wanted.request_id == "r-1"


def test_null_is_the_same_as_leaving_out() -> None:
    assert parse(envelope(user_id=USER, chains=None, request_id=None), SERVED).chains == ("ETH", "SOL")


@pytest.mark.parametrize(
    ("refused", "reason"),
    [
        (envelope("delete_wallets", user_id=USER), "the only one is provision_wallets"),
        (envelope(positional=(USER,)), "keyword arguments only"),
        (envelope(), "user_id: Field required"),
        (envelope(user_id="nobody"), "user_id: Input should be a valid UUID"),
        (envelope(user_id=7), "user_id: UUID input should be a string"),
        (envelope(user_id=USER, chain="ETH"), "chain: Extra inputs are not permitted"),
        (envelope(user_id=USER, chains="ETH"), "chains: Input should be a valid"),
        (envelope(user_id=USER, chains=["ETH", 1]), "chains.1: Input should be a valid string"),
        (envelope(user_id=USER, chains=[]), "chains: name at least one chain"),
        (envelope(user_id=USER, chains=["DOGE"]), "chains: 'DOGE' is no chain of Circle's"),
        (envelope(user_id=USER, chains=["BASE"]), "chains: BASE isn't provisioned here"),
        (envelope(user_id=USER, chains=["ETH"] * 101), "chains: more than 100"),
        (envelope(user_id=USER, request_id=""), "request_id: String should have at least 1"),
        (envelope(user_id=USER, request_id="x" * 501), "request_id: String should have at most 500"),
        (envelope(user_id=USER, request_id=5), "request_id: Input should be a valid string"),
        (envelope(user_id=USER, request_id="\ud800"), "arguments: Invalid JSON"),
    ],
)
def test_a_message_that_cannot_be_valid_says_why(refused: Envelope, reason: str) -> None:
    assert reason in why(refused)


def test_everything_that_is_wrong_is_said_at_once() -> None:
    assert why(envelope(user_id="x", chains=3, colour="red")).count(";") == 2


def test_the_reason_does_not_repeat_what_was_in_it() -> None:
    assert "TEST_API_KEY" not in why(envelope(user_id="TEST_API_KEY:a:b"))


def test_a_trace_is_taken_from_the_options() -> None:
    sent = envelope(options={"traceparent": "00-…", "tracestate": 7, "max_retries": 3})

    assert trace_carrier(sent) == {"traceparent": "00-…"}


def test_the_user_of_an_invalid_message_is_known_where_it_names_one() -> None:
    assert named_user(envelope(user_id=USER, chains=[])) == UUID(USER)
    assert named_user(envelope(user_id="nobody")) is None
    assert named_user(envelope()) is None
