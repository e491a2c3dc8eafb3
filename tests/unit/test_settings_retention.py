"""How long things are kept, and the key that signs the audit."""

from datetime import timedelta

import pytest

from wallet_provisioning.settings import SettingsError, StoreSettings

KEY = "ab" * 32


def load(**environ: str) -> StoreSettings:
    return StoreSettings.load(environ)


def refusal(**environ: str) -> str:
    with pytest.raises(SettingsError) as refused:
        load(**environ)
    return "\n".join(refused.value.lines)


def test_jobs_are_kept_for_90_days_and_the_audit_for_ever_by_default() -> None:
    settings = load()
    assert settings.retention_jobs == timedelta(days=90)
    assert settings.retention_audit == timedelta()
    assert settings.audit_signing_key is None


def test_0s_keeps_all_for_ever_and_less_than_a_day_is_refused() -> None:
    assert load(WORKER_RETENTION_JOBS="0s").retention_jobs == timedelta()
    assert load(WORKER_RETENTION_JOBS="24h").retention_jobs == timedelta(days=1)
    told = refusal(WORKER_RETENTION_JOBS="23h")
    assert told == "WORKER_RETENTION_JOBS must be 0s, which keeps all for ever, or at least 24h, not 23h"


def test_a_retention_of_the_audit_needs_the_key_that_seals_it() -> None:
    assert "AUDIT_SIGNING_KEY is unset" in refusal(WORKER_RETENTION_AUDIT="48h")
    settings = load(WORKER_RETENTION_AUDIT="48h", AUDIT_SIGNING_KEY=KEY)
    assert settings.retention_audit == timedelta(days=2)


def test_a_key_of_another_form_is_refused_and_never_repeated() -> None:
    told = refusal(AUDIT_SIGNING_KEY="hunter2")
    assert "64 hexadecimal characters" in told
    assert "hunter2" not in told
    assert KEY not in repr(load(AUDIT_SIGNING_KEY=KEY))
