"""Requests for wallets come in over HTTP: each once, however often it is sent."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import NAMESPACE_URL, uuid5

import pytest

from tests.support_api import NOBODY, OTHER, USER, House, Told
from wallet_provisioning.http.api.parts import ApiOptions
from wallet_provisioning.http.api.signatures import sign
from wallet_provisioning.telemetry.events import JobAccepted

SECRET = "a-secret-of-the-provider"
JOBS = "/api/v1/onboarding/jobs"
CALLBACK = "/api/v1/onboarding/kyc/callback/"
APPROVED = {"status": "approved"}


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with House(tmp_path, ApiOptions(registers_unknown=True)) as opened:
        yield opened


@pytest.fixture
async def guarded(tmp_path: Path) -> AsyncIterator[House]:
    options = ApiOptions(registers_unknown=True, kyc_webhook_secret=SECRET, admin_token="full")
    async with House(tmp_path, options) as opened:
        yield opened


async def signed(house: House, ref: str, body: object, *, signature: str | None = None) -> Told:
    raw = json.dumps(body).encode()
    headers = {
        "Content-Type": "application/json",
        "X-KYC-Signature": signature or sign(SECRET, ref, raw),
    }
    return await house.post(CALLBACK + ref, data=raw, headers=headers)


async def test_a_request_becomes_a_queued_job_with_a_wallet_for_each_chain(house: House) -> None:
    told = await house.post(JOBS, {"user_id": USER})
    job = told.json
    assert told.status == 202
    assert told.headers["Location"] == f"/api/v1/admin/jobs/{job['id']}"
    assert (job["user_id"], job["status"], job["source"]) == (USER, "queued", "http")
    assert [(one["chain"], one["status"]) for one in job["wallets"]] == [
        ("ETH", "creating"),
        ("SOL", "creating"),
        ("APTOS", "creating"),
    ]
    assert (await house.get(told.headers["Location"])).json["id"] == job["id"]


async def test_an_accepted_job_is_told_to_the_daemon_and_to_telemetry(house: House) -> None:
    job = await house.accept(chains=["SOL"])
    assert [str(one.job.id) for one in house.daemon.heard] == [job["id"]]
    accepted = [event for event in house.events if isinstance(event, JobAccepted)]
    assert [(str(one.job_id), one.source, one.chains, one.created) for one in accepted] == [
        (job["id"], "http", ("SOL",), True)
    ]


async def test_a_repeat_gives_the_same_job(house: House) -> None:
    first, second = await house.accept(), await house.accept()
    assert first["id"] == second["id"]
    assert first["updated_at"] == second["updated_at"]


async def test_many_requests_at_once_make_one_job(house: House) -> None:
    jobs = await asyncio.gather(*[house.accept() for _ in range(20)])
    assert len({job["id"] for job in jobs}) == 1


async def test_chains_that_the_unfinished_job_lacks_are_merged_into_it(house: House) -> None:
    first = await house.accept(chains=["SOL"])
    second = await house.accept(chains=["ETH", "SOL"])
    assert second["id"] == first["id"]
    assert second["chains"] == ["SOL", "ETH"]


async def test_an_idempotency_key_returns_its_first_job_whatever_else_is_said(house: House) -> None:
    key = {"Idempotency-Key": "order-17"}
    first = await house.post(JOBS, {"user_id": USER}, headers=key)
    second = await house.post(JOBS, {"user_id": OTHER, "chains": ["SOL"]}, headers=key)
    assert second.json["id"] == first.json["id"]
    assert second.headers["Location"] == first.headers["Location"]


@pytest.mark.parametrize("key", ["", "a b", "x" * 256, "schl\u00fcssel"])
async def test_a_malformed_idempotency_key_is_refused(house: House, key: str) -> None:
    told = await house.post(JOBS, {"user_id": USER}, headers={"Idempotency-Key": key})
    assert (told.status, told.blamed) == (400, ["Idempotency-Key"])


async def test_two_idempotency_keys_are_refused(house: House) -> None:
    headers = [("Idempotency-Key", "a"), ("Idempotency-Key", "b")]
    told = await house.post(JOBS, {"user_id": USER}, headers=headers)
    assert told.blamed == ["Idempotency-Key"]


async def test_a_chain_may_be_called_by_its_networks_name(house: House) -> None:
    job = await house.accept(chains=["ETH-SEPOLIA", "ETH"])
    assert job["chains"] == ["ETH"]


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, ["user_id"]),
        ({"user_id": "me"}, ["user_id"]),
        ({"user_id": 7}, ["user_id"]),
        ({"user_id": None}, ["user_id"]),
        ({"user_id": USER, "chain": "ETH"}, ["chain"]),
        ({"user_id": USER, "chains": "ETH"}, ["chains"]),
        ({"user_id": USER, "chains": []}, ["chains"]),
        ({"user_id": USER, "chains": ["DOGE"]}, ["chains"]),
        ({"user_id": USER, "chains": ["BASE"]}, ["chains"]),
        ({"user_id": USER, "chains": ["eth"]}, ["chains"]),
        ({"user_id": USER, "chains": [1, "ETH", ""]}, ["chains.0", "chains.2"]),
        ({"user_id": USER, "chains": {"ETH": True}}, ["chains"]),
        ({"user_id": "me", "chains": [None], "x": 1}, ["user_id", "chains.0", "x"]),
    ],
)
async def test_every_wrong_field_of_a_request_is_named(
    house: House, body: dict[str, object], fields: list[str]
) -> None:
    told = await house.post(JOBS, body)
    assert told.status == 400
    assert told.blamed == fields


async def test_chains_may_be_null(house: House) -> None:
    assert (await house.accept(chains=None))["chains"] == ["ETH", "SOL", "APTOS"]


async def test_a_users_wallets_are_listed(house: House) -> None:
    await house.accept(chains=["SOL"])
    await house.accept(OTHER)
    told = await house.get(f"/api/v1/onboarding/users/{USER}/wallets")
    assert [(one["user_id"], one["chain"]) for one in told.json["items"]] == [(USER, "SOL")]


async def test_a_user_without_wallets_has_an_empty_list(house: House) -> None:
    assert (await house.get(f"/api/v1/onboarding/users/{NOBODY}/wallets")).json == {"items": []}


async def test_a_user_id_in_a_path_must_be_one(house: House) -> None:
    assert (await house.get("/api/v1/onboarding/users/me/wallets")).blamed == ["user_id"]


async def test_an_approval_creates_the_users_job(house: House) -> None:
    told = await house.post(CALLBACK + "ref-1", {**APPROVED, "user_id": USER})
    assert told.status == 202
    assert told.json["kyc"] == {"provider_ref": "ref-1", "user_id": USER, "status": "approved"}
    assert (told.json["job"]["user_id"], told.json["job"]["source"]) == (USER, "kyc")
    assert [str(one.job.id) for one in house.daemon.heard] == [told.json["job"]["id"]]


async def test_a_repeated_callback_has_the_same_answer_and_changes_nothing(house: House) -> None:
    first = await house.post(CALLBACK + "ref-1", APPROVED)
    audited = await house.audit()
    second = await house.post(CALLBACK + "ref-1", APPROVED)
    assert second.json == first.json
    assert await house.audit() == audited
    assert len(house.daemon.heard) == 1


async def test_an_unknown_reference_gets_a_user_of_its_own_in_the_sandbox(house: House) -> None:
    told = await house.post(CALLBACK + "ref-2", APPROVED)
    assert told.json["kyc"]["user_id"] == str(uuid5(NAMESPACE_URL, "ref-2"))


async def test_an_unknown_reference_is_not_found_against_the_real_circle(tmp_path: Path) -> None:
    async with House(tmp_path) as house:
        told = await house.post(CALLBACK + "ref-2", APPROVED)
        assert (told.status, told.code) == (404, "not_found")


@pytest.mark.parametrize("status", ["pending", "processing", "rejected", "expired"])
async def test_what_is_not_an_approval_makes_no_job(house: House, status: str) -> None:
    body = {"status": status, "rejection_reasons": ["document unreadable"]}
    told = await house.post(CALLBACK + "ref-3", body)
    assert told.status == 202
    assert told.json["job"] is None
    assert told.json["kyc"]["status"] == status


async def test_an_approval_can_not_be_taken_back(house: House) -> None:
    await house.post(CALLBACK + "ref-1", APPROVED)
    told = await house.post(CALLBACK + "ref-1", {"status": "rejected"})
    assert (told.status, told.code) == (409, "conflict")


async def test_another_user_for_a_known_reference_is_a_conflict(house: House) -> None:
    await house.post(CALLBACK + "ref-1", {**APPROVED, "user_id": USER})
    told = await house.post(CALLBACK + "ref-1", {**APPROVED, "user_id": OTHER})
    assert (told.status, told.code) == (409, "conflict")


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, ["status"]),
        ({"status": "Approved"}, ["status"]),
        ({"status": True}, ["status"]),
        ({**APPROVED, "user_id": "x"}, ["user_id"]),
        ({**APPROVED, "rejection_reasons": "none"}, ["rejection_reasons"]),
        ({**APPROVED, "rejection_reasons": [1]}, ["rejection_reasons.0"]),
        ({**APPROVED, "provider": "p"}, ["provider"]),
    ],
)
async def test_every_wrong_field_of_a_callback_is_named(
    house: House, body: dict[str, object], fields: list[str]
) -> None:
    assert (await house.post(CALLBACK + "ref-1", body)).blamed == fields


@pytest.mark.parametrize("ref", ["a%20b", "%00", "%7F", "%FF", "a%0Ab", "x" * 201, "%C2%A0", "%E2%80%8B"])
async def test_a_reference_has_printable_characters_and_no_space(house: House, ref: str) -> None:
    assert (await house.post(CALLBACK + ref, APPROVED)).blamed == ["provider_ref"]


@pytest.mark.parametrize(
    ("ref", "meant"),
    [
        ("x" * 200, "x" * 200),
        ("a%2Fb", "a/b"),
        ("%7B1%7D", "{1}"),
        ("a%252Fb", "a%2Fb"),
        ("%C3%BC", "\u00fc"),
    ],
)
async def test_a_reference_is_read_as_it_was_meant(house: House, ref: str, meant: str) -> None:
    told = await house.post(CALLBACK + ref, APPROVED)
    assert told.json["kyc"]["provider_ref"] == meant


async def test_a_signed_callback_needs_no_token(guarded: House) -> None:
    assert (await signed(guarded, "ref-1", APPROVED)).status == 202


@pytest.mark.parametrize(
    "signature",
    [
        "sha256=" + "0" * 64,
        "0" * 64,
        sign(SECRET, "ref-2", json.dumps(APPROVED).encode()),
        sign("another", "ref-1", json.dumps(APPROVED).encode()),
        sign(SECRET, "ref-1", b"{}"),
        sign(SECRET, "ref-1", json.dumps(APPROVED).encode())[:-1],
    ],
)
async def test_a_wrong_signature_is_refused(guarded: House, signature: str) -> None:
    told = await signed(guarded, "ref-1", APPROVED, signature=signature)
    assert (told.status, told.code) == (401, "unauthorized")
    assert "WWW-Authenticate" in told.headers


async def test_a_callback_without_signature_is_refused_even_with_the_admin_token(guarded: House) -> None:
    told = await guarded.post(CALLBACK + "r", APPROVED, headers={"Authorization": "Bearer full"})
    assert told.status == 401


async def test_without_a_secret_a_callback_from_afar_is_told_which_setting_lets_it_in(house: House) -> None:
    for headers in ({"X-Forwarded-For": "192.0.2.1"}, {"Host": "wallets.example"}):
        told = await house.post(CALLBACK + "ref", APPROVED, headers=headers)
        assert (told.status, told.code) == (403, "forbidden")
        assert "KYC_WEBHOOK_SECRET" in told.json["detail"]
        assert "token" not in told.json["detail"]


async def test_a_signature_is_looked_at_before_the_body_is(guarded: House) -> None:
    told = await guarded.post(CALLBACK + "r", data=b"{", headers={"Content-Type": "application/json"})
    assert told.status == 401


async def test_a_reference_with_a_slash_is_signed_as_it_is_meant(guarded: House) -> None:
    raw = json.dumps(APPROVED).encode()
    headers = {"Content-Type": "application/json", "X-KYC-Signature": sign(SECRET, "a/b", raw)}
    assert (await guarded.post(CALLBACK + "a%2Fb", data=raw, headers=headers)).status == 202
