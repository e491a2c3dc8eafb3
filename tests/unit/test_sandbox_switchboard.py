from datetime import timedelta

import pytest

from wallet_provisioning.http.sandbox.errors import WrongOptionError
from wallet_provisioning.http.sandbox.faultkinds import Cut, Latency, Truncate
from wallet_provisioning.http.sandbox.options import SandboxOptions, Switches
from wallet_provisioning.http.sandbox.switchboard import SWITCHES, read_fault, read_plan, read_switches
from wallet_provisioning.http.sandbox.waits import RetryAfter


def test_a_fault_is_read_from_its_pairs() -> None:
    (cut,) = read_fault("kind=cut,when=after,times=2,share=0.5,chain=ETH-SEPOLIA").faults
    assert cut == Cut(kind="cut", when="after", times=2, share=0.5, chain="ETH-SEPOLIA")


def test_a_file_is_read_as_the_body_of_the_call() -> None:
    text = '{"faults":[{"kind":"latency","for_ms":5},{"kind":"truncate"}],"seed":3}'
    plan = read_plan(text, where="faults.json")
    assert plan.seed == 3
    assert plan.faults == (Latency(kind="latency", for_ms=5), Truncate(kind="truncate"))


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("kind=cut,tmes=1", "tmes"),
        ("kind=cut,times=0", "times"),
        ("kind=storm", "kind"),
        ("kind", "NAME=VALUE"),
        ("kind=cut,kind=cut", "each name once"),
        ("", "NAME=VALUE"),
    ],
)
def test_a_wrong_fault_is_told_by_its_field(text: str, word: str) -> None:
    with pytest.raises(WrongOptionError, match=word):
        read_fault(text)


def test_a_wrong_file_is_told_by_its_name() -> None:
    with pytest.raises(WrongOptionError, match=r"faults\.json: body"):
        read_plan("{", where="faults.json")
    with pytest.raises(WrongOptionError, match=r"faults\.json"):
        read_plan(b"\xff", where="faults.json")


def test_every_switch_can_be_set() -> None:
    texts = [
        "retry_after=date",
        "http_status.156020=400",
        "http_status.156004=400",
        "other_body_gets_original=true",
        "failures_consume_keys=true",
        "key_life=10m",
        "ciphertext_first=false",
        "shows_set_name=true",
        "blank_metadata=true",
        "reverses_wallets=true",
    ]
    assert {text.partition("=")[0].partition(".")[0] for text in texts} == set(SWITCHES)
    assert read_switches(texts) == Switches(
        retry_after=RetryAfter.DATE,
        http_status={156020: 400, 156004: 400},
        other_body_gets_original=True,
        failures_consume_keys=True,
        key_life=timedelta(minutes=10),
        ciphertext_first=False,
        shows_set_name=True,
        blank_metadata=True,
        reverses_wallets=True,
    )
    assert read_switches(["key_life=forever"]) == Switches() == read_switches([])


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("colour=red", "the switches are"),
        ("http_status=400", "the switches are"),
        ("blank_metadata.1=true", "the switches are"),
        ("http_status.156020=soon", "156020"),
        ("http_status.7=400", "known codes"),
        ("http_status.156020=200", "400 to 499"),
        ("key_life=long", "500ms"),
        ("blank_metadata=perhaps", "blank_metadata"),
        ("retry_after=later", "retry_after"),
    ],
)
def test_a_wrong_switch_is_told_by_its_name(text: str, word: str) -> None:
    with pytest.raises(WrongOptionError, match=word):
        SandboxOptions(switches=read_switches([text]))
