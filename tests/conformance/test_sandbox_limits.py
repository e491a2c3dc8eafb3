from datetime import timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path

import pytest

from tests.sandbox_support import Answer, Caller, sandbox
from wallet_provisioning.clock import ManualClock
from wallet_provisioning.http.sandbox.options import Switches
from wallet_provisioning.http.sandbox.waits import RetryAfter

PUBLIC_KEY = "/v1/w3s/config/entity/publicKey"


async def burst(circle: Caller, method: str, path: str, count: int) -> list[Answer]:
    return [await circle.call(method, path, json={} if method == "POST" else None) for _ in range(count)]


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("POST", "/v1/w3s/developer/wallets", 10),
        ("POST", "/v1/w3s/developer/walletSets", 5),
        ("GET", "/v1/w3s/wallets", 20),
        ("GET", PUBLIC_KEY, 20),
    ],
)
async def test_so_many_calls_a_second_are_admitted(
    tmp_path: Path, method: str, path: str, allowed: int
) -> None:
    clock = ManualClock()
    async with sandbox(tmp_path, clock=clock, rate_limits=True) as circle:
        answers = await burst(circle, method, path, allowed + 1)
        assert 429 not in {answer.status for answer in answers[:-1]}
        assert (answers[-1].status, answers[-1].code) == (429, 5)
        assert answers[-1].headers["Retry-After"] == "1"
        clock.advance(timedelta(seconds=1))
        assert 429 not in {answer.status for answer in await burst(circle, method, path, 1)}


async def test_limits_can_be_off(tmp_path: Path) -> None:
    async with sandbox(tmp_path, clock=ManualClock(), rate_limits=False) as circle:
        assert {answer.status for answer in await burst(circle, "GET", PUBLIC_KEY, 50)} == {200}


async def test_ping_and_the_sandboxs_own_calls_are_not_limited(tmp_path: Path) -> None:
    async with sandbox(tmp_path, clock=ManualClock(), rate_limits=True) as circle:
        for path in ("/ping", "/sandbox/state", "/sandbox/faults"):
            assert {answer.status for answer in await burst(circle, "GET", path, 30)} == {200}
        assert (await circle.get(PUBLIC_KEY)).status == 200


@pytest.mark.parametrize("form", list(RetryAfter))
async def test_the_form_of_retry_after_is_a_switch(tmp_path: Path, form: RetryAfter) -> None:
    clock = ManualClock()
    switches = Switches(retry_after=form)
    async with sandbox(tmp_path, clock=clock, rate_limits=True, switches=switches) as circle:
        header = (await burst(circle, "GET", PUBLIC_KEY, 21))[-1].headers.get("Retry-After")
        match form:
            case RetryAfter.NONE:
                assert header is None
            case RetryAfter.SECONDS:
                assert header == "1"
            case RetryAfter.DATE:
                assert header is not None
                assert parsedate_to_datetime(header) == clock.now() + timedelta(seconds=1)
