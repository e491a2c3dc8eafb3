"""Standing orders over HTTP, what is told of callers who are not let in, and what health looks at."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.support_api import House, Told
from wallet_provisioning.http.api.control import ChainView, Check, ForcedView
from wallet_provisioning.http.api.parts import ApiOptions
from wallet_provisioning.telemetry.events import CallersRefused

BREAKER = "/api/v1/admin/chains/{}/breaker"
PAUSE, RESUME = "/api/v1/admin/workers/pause", "/api/v1/admin/workers/resume"
CONTROLS = "/api/v1/admin/controls"
FULL, READ = {"Authorization": "Bearer full"}, {"Authorization": "Bearer read"}


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with House(tmp_path) as opened:
        yield opened


@pytest.fixture
async def guarded(tmp_path: Path) -> AsyncIterator[House]:
    options = ApiOptions(admin_token="full", admin_read_token="read", kyc_webhook_secret="signed")
    async with House(tmp_path, options) as opened:
        yield opened


def kinds(told: Told) -> list[tuple[str, str, str]]:
    return [(order["kind"], order["subject"], order["state"]) for order in told.json["items"]]


async def test_a_breaker_is_forced_and_given_back(house: House) -> None:
    told = await house.post(BREAKER.format("ETH"), {"state": "open", "reason": "upgrade", "for": "2h"})
    assert (told.status, kinds(told)) == (202, [("breaker", "ETH", "open")])
    (order,) = told.json["items"]
    assert set(order) == {"kind", "subject", "state", "reason", "placed_by", "placed_at", "until"}
    assert (order["placed_by"], order["reason"]) == ("admin@loopback", "upgrade")
    assert order["until"] > order["placed_at"]
    assert told.json["claiming"] is None
    assert (await house.get(CONTROLS)).json == told.json
    assert house.daemon.hints == 1

    told = await house.post(BREAKER.format("ETH"), {"state": "auto", "reason": "over"})
    assert (told.status, told.json) == (202, {"claiming": None, "items": []})
    assert [row["action"] for row in await house.audit("admin:")] == [
        "admin:breaker_auto",
        "admin:breaker_forced_open",
    ]


async def test_every_chain_is_forced_at_once_until_a_moment(house: House) -> None:
    body = {"state": "closed", "reason": "a false alarm", "until": "2999-01-01T00:00:00Z"}
    told = await house.post(BREAKER.format("*"), body)
    assert kinds(told) == [("breaker", "*", "closed")]
    assert told.json["items"][0]["until"] == "2999-01-01T00:00:00.000000Z"


async def test_claiming_is_paused_and_resumed(house: House) -> None:
    told = await house.post(PAUSE, {"reason": "a migration"})
    assert (told.status, told.json["claiming"]["reason"]) == (202, "a migration")
    assert told.json["claiming"] == told.json["items"][0]
    assert (await house.post(RESUME)).json == {"claiming": None, "items": []}
    assert [row["action"] for row in await house.audit("admin:")] == [
        "admin:resume_claiming",
        "admin:pause_claiming",
    ]


@pytest.mark.parametrize(
    ("path", "body", "blamed"),
    [
        (BREAKER.format("ETH"), {"state": "open"}, ["reason"]),
        (BREAKER.format("ETH"), {"state": "ajar", "reason": "x"}, ["state"]),
        (BREAKER.format("ETH"), {"state": "open", "reason": "x", "for": "soon"}, ["for"]),
        (BREAKER.format("ETH"), {"state": "open", "reason": "x", "for": "0s"}, ["for"]),
        (BREAKER.format("ETH"), {"state": "auto", "reason": "x", "for": "1h"}, ["for"]),
        (BREAKER.format("ETH"), {"state": "open", "reason": "x", "until": "2001-01-01T00:00:00Z"}, ["until"]),
        (PAUSE, {}, ["reason"]),
        (PAUSE, {"reason": ""}, ["reason"]),
        (PAUSE, {"reason": " \t\n"}, ["reason"]),
        (PAUSE, {"reason": "x", "for": "0s"}, ["for"]),
        (RESUME, {"reason": " "}, ["reason"]),
        (BREAKER.format("ETH"), {"state": "auto", "reason": "  "}, ["reason"]),
        (PAUSE, {"reason": "x", "for": "1h", "until": "2999-01-01T00:00:00Z"}, ["for"]),
    ],
)
async def test_what_is_wrong_with_an_order_is_named(
    house: House, path: str, body: dict[str, str], blamed: list[str]
) -> None:
    assert (await house.post(path, body)).blamed == blamed
    assert (await house.get(CONTROLS)).json["items"] == []


async def test_a_chain_that_is_not_served_is_not_forced(house: House) -> None:
    for state in ("open", "auto"):
        told = await house.post(BREAKER.format("DOGE"), {"state": state, "reason": "x"})
        assert (told.status, told.code) == (404, "not_found")


async def test_readers_see_orders_and_give_none(guarded: House) -> None:
    for path in (BREAKER.format("ETH"), PAUSE, RESUME):
        told = await guarded.post(path, {"state": "open", "reason": "x"}, headers=READ)
        assert told.status == 403
    assert (await guarded.get(CONTROLS, headers=READ)).json["items"] == []


async def test_a_chain_that_is_forced_says_by_whom_and_what_it_measures(house: House) -> None:
    until = datetime(2026, 1, 31, 12, tzinfo=UTC)
    forced = ForcedView(state="open", reason="upgrade", until=until, by="admin", measured="closed")
    house.daemon.breakers = (
        ChainView(
            chain="ETH", breaker="open", opened_at=until, reason="x", in_flight=0, waiting=0, forced=forced
        ),
    )
    (item,) = (await house.get("/api/v1/admin/chains")).json["items"]
    assert item["forced"] == {
        "state": "open",
        "reason": "upgrade",
        "until": "2026-01-31T12:00:00.000000Z",
        "by": "admin",
        "measured": "closed",
    }


# Callers who are not let in.


async def test_each_kind_of_refusal_is_told_with_its_route_and_no_secret(guarded: House) -> None:
    await guarded.get(CONTROLS)
    await guarded.get(CONTROLS, headers={"Authorization": "Bearer guessed"})
    await guarded.post(PAUSE, {"reason": "x"}, headers=READ)
    callback = "/api/v1/onboarding/kyc/callback/ref-1"
    await guarded.post(callback, {"status": "approved"}, headers={"X-KYC-Signature": "sha256=00"})

    told = [event for event in guarded.events if isinstance(event, CallersRefused)]
    assert [(event.reason, event.route, event.count) for event in told] == [
        ("no_token", f"GET {CONTROLS}", 1),
        ("unknown_token", f"GET {CONTROLS}", 1),
        ("read_only", f"POST {PAUSE}", 1),
        ("bad_signature", "POST /api/v1/onboarding/kyc/callback/{provider_ref}", 1),
    ]
    assert {event.remote for event in told} == {"127.0.0.1"}
    assert "guessed" not in repr(told)


async def test_a_burst_of_refusals_is_counted_whole_and_told_in_few_lines(guarded: House) -> None:
    for _ in range(40):
        await guarded.get(CONTROLS)
    await guarded.server.stop()

    told = [event for event in guarded.events if isinstance(event, CallersRefused)]
    assert sum(event.count for event in told) == 40
    assert len(told) == 11


# Health.


async def test_a_daemon_that_makes_no_progress_is_not_live(house: House) -> None:
    assert (await house.get("/healthz/live")).status == 200
    house.daemon.standstill = "/ has not read a message for 40.0 s"
    told = await house.get("/healthz/live")
    assert (told.status, told.code, told.json["detail"]) == (503, "unavailable", house.daemon.standstill)


@pytest.mark.parametrize(
    ("name", "status"), [("claims", 503), ("results", 503), ("listening", 200), ("orders", 200)]
)
async def test_late_rounds_are_unhealthy_where_nothing_heals_them(
    house: House, name: str, status: int
) -> None:
    house.daemon.ailing = {name: Check(ok=False, detail="late")}
    told = await house.get("/api/v1/admin/workers/health")
    assert told.status == status
    assert told.json["checks"][name] == {"ok": False, "detail": "late"}
