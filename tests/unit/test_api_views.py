"""JSON objects of the contract: every key is there, whatever is missing."""

import json
from dataclasses import replace
from datetime import timedelta, timezone
from typing import Any

import pytest
from pydantic import TypeAdapter

from tests.samples import ID, JOB, NOW, USER, WALLET, an_actor
from wallet_provisioning.http.api import shapes, views
from wallet_provisioning.http.api.control import ChainView, Check, WorkerStatus, WorkerView
from wallet_provisioning.http.api.jsonio import write_json
from wallet_provisioning.jobs.errors import ErrorType
from wallet_provisioning.jobs.moves import ClaimedJob
from wallet_provisioning.jobs.states import AuditStatus, JobStatus, WalletStatus
from wallet_provisioning.store.views import AuditView
from wallet_provisioning.supervision.snapshot import (
    Crash,
    EndReason,
    Work,
)

ACTOR = an_actor("jobs/1", class_name="JobActor")
RETRYING = replace(JOB, status=JobStatus.RETRY, error_type=ErrorType.CIRCLE_5XX, next_retry_at=NOW)


def on_the_wire(value: object) -> dict[str, Any]:
    shown: dict[str, Any] = json.loads(write_json(value))
    return shown


def test_a_job_has_the_keys_of_the_contract_in_its_order() -> None:
    names = (
        "id, user_id, status, chains, wallets, attempt_count, max_attempts, crash_count, error_type, "
        "error_message, next_retry_at, source, trace_id, created_at, started_at, completed_at, updated_at"
    )
    assert list(on_the_wire(views.job_json(JOB))) == names.split(", ")


def test_a_wallet_has_the_keys_of_the_contract_in_its_order() -> None:
    names = (
        "id, user_id, chain, blockchain, status, address, circle_wallet_id, wallet_set_id, account_type, "
        "error_type, error_message, created_at, updated_at"
    )
    assert list(on_the_wire(views.wallet_json(WALLET))) == names.split(", ")


def test_an_actor_has_the_keys_of_the_contract_in_its_order() -> None:
    names = "path, kind, class, state, incarnation, restarts, zombies, mailbox, working_on, last_crash"
    names += ", suspended, dead_letters"
    assert list(on_the_wire(views.actor_json(ACTOR))) == names.split(", ")


def test_ids_and_times_are_texts_and_enumerations_their_words() -> None:
    shown = on_the_wire(views.job_json(RETRYING))
    assert shown["id"] == "00000000-0000-0000-0000-000000000001"
    assert shown["status"] == "retry"
    assert shown["error_type"] == "circle_5xx"
    assert shown["next_retry_at"] == "2026-01-31T12:00:00.000005Z"
    assert shown["wallets"][0]["status"] == "creating"


def test_a_time_of_another_zone_is_written_in_utc() -> None:
    east = NOW.astimezone(timezone(timedelta(hours=5, minutes=30)))
    assert views.time_text(east) == views.time_text(NOW)
    assert views.time_text(NOW.replace(microsecond=0)) == "2026-01-31T12:00:00.000000Z"


def test_a_busy_actor_tells_of_its_job_and_its_last_crash() -> None:
    shown = views.actor_json(
        replace(
            ACTOR,
            mailbox_depth=3,
            oldest_message_age=timedelta(milliseconds=12.5),
            working_on=Work(message="Assigned", subject=ID, since=timedelta(seconds=2)),
            last_crash=Crash(
                at=NOW,
                reason=EndReason.HANG,
                error="no progress",
                message="Assigned",
                incarnation=2,
                trace_id=None,
                shown="Assigned(job)",
                stack="where it stood",
            ),
        )
    )
    assert shown["mailbox"] == {"depth": 3, "oldest_age_ms": 12.5}
    assert shown["working_on"] == {"message": "Assigned", "job_id": str(ID), "for_ms": 2000.0}
    assert shown["last_crash"] == {
        "at": views.time_text(NOW),
        "reason": "hang",
        "error": "no progress",
        "message": "Assigned",
        "incarnation": 2,
        "trace_id": None,
        "shown": "Assigned(job)",
        "stack": "where it stood",
    }


@pytest.mark.parametrize(
    ("subject", "job_id"),
    [
        (
            ClaimedJob(
                id=ID,
                user_id=USER,
                chains=("ETH",),
                epoch=1,
                revision=1,
                attempt=1,
                max_attempts=5,
                crash_count=0,
                earlier_failure=None,
                traceparent=None,
            ),
            str(ID),
        ),
        (None, None),
        ("a wave", None),
    ],
)
def test_only_a_job_in_hand_is_named_as_one(subject: object, job_id: str | None) -> None:
    work = Work(message="Assigned", subject=subject, since=timedelta())
    shown = views.actor_json(replace(ACTOR, working_on=work))["working_on"]
    assert shown is not None
    assert shown["job_id"] == job_id


def test_an_audit_row_shows_what_was_before_and_after() -> None:
    row = AuditView(
        id=ID,
        user_id=None,
        job_id=None,
        epoch=None,
        actor="admin",
        action="admin:kill_actor",
        resource_type="actor",
        resource_id="/",
        changes={"after": {"mode": "crash"}},
        status=AuditStatus.SUCCESS,
        error_message=None,
        created_at=NOW,
        trace_id="ab",
    )
    shown = views.audit_json(row)
    assert shown["changes"] == {"before": None, "after": {"mode": "crash"}}
    assert shown["user_id"] is None
    assert views.job_detail_json(JOB, [row])["timeline"] == [shown]


def test_a_closed_breaker_has_neither_time_nor_reason() -> None:
    chain = ChainView(chain="ETH", breaker="closed", opened_at=None, reason=None, in_flight=1, waiting=0)
    assert views.chain_json(chain) == {
        "chain": "ETH",
        "breaker": "closed",
        "opened_at": None,
        "reason": None,
        "in_flight": 1,
        "waiting": 0,
        "forced": None,
    }


def test_checks_are_shown_by_name() -> None:
    checks = {"database": Check(ok=False, detail="no answer")}
    assert views.checks_json(checks) == {"database": {"ok": False, "detail": "no answer"}}


def test_a_worker_is_shown_with_the_words_of_the_settings() -> None:
    worker = WorkerView(
        status=WorkerStatus.DEGRADED,
        is_running=True,
        poll_interval=timedelta(seconds=30),
        max_concurrency=5,
        active_jobs=2,
    )
    assert views.scheduler_json(worker) == {
        "is_running": True,
        "poll_interval": "30s",
        "max_concurrency": 5,
        "active_jobs": 2,
    }


@pytest.mark.parametrize(
    ("shape", "value"),
    [
        (shapes.JobJson, views.job_json(JOB)),
        (shapes.WalletJson, views.wallet_json(replace(WALLET, status=WalletStatus.LIVE, address="0xab"))),
        (shapes.ActorJson, views.actor_json(ACTOR)),
    ],
)
def test_the_shapes_of_openapi_are_those_of_the_answers(shape: type, value: object) -> None:
    shown = on_the_wire(value)
    assert TypeAdapter(shape).validate_python(shown) == shown  # a key too many would be dropped
