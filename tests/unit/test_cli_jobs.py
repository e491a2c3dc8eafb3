"""A job as the terminal shows it."""

import json
from datetime import UTC, datetime
from uuid import UUID

import pytest

from tests.eip55 import EIP_55
from wallet_provisioning.cli.jobs import show_job
from wallet_provisioning.jobs.states import JobStatus, WalletStatus
from wallet_provisioning.store.views import JobView, WalletView

NOW = datetime(2026, 1, 1, 12, 30, tzinfo=UTC)
WALLET = WalletView(
    id=UUID(int=3),
    user_id=UUID(int=2),
    chain="ETH",
    blockchain="ETH-SEPOLIA",
    status=WalletStatus.LIVE,
    address=EIP_55[4].lower(),
    circle_wallet_id=UUID(int=4),
    wallet_set_id=UUID(int=5),
    account_type="SCA",
    error_type=None,
    error_message=None,
    created_at=NOW,
    updated_at=NOW,
)
JOB = JobView(
    id=UUID(int=1),
    user_id=UUID(int=2),
    status=JobStatus.COMPLETED,
    chains=("ETH",),
    wallets=(WALLET,),
    attempt_count=1,
    max_attempts=5,
    crash_count=0,
    error_type=None,
    error_message=None,
    next_retry_at=None,
    source="cli",
    trace_id=None,
    created_at=NOW,
    started_at=NOW,
    completed_at=NOW,
    updated_at=NOW,
)


def test_people_read_an_address_with_its_checksum_and_scripts_as_circle_gave_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    show_job(JOB, as_json=False)
    assert EIP_55[4] in capsys.readouterr().out
    show_job(JOB, as_json=True)
    assert json.loads(capsys.readouterr().out)["wallets"][0]["address"] == EIP_55[4].lower()
