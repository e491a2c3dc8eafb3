"""A job as the terminal shows it."""

import json
from dataclasses import replace

import pytest

from tests import samples
from tests.eip55 import EIP_55
from wallet_provisioning.cli.jobs import show_job
from wallet_provisioning.jobs.states import WalletStatus

WALLET = replace(samples.WALLET, status=WalletStatus.LIVE, address=EIP_55[4].lower())
JOB = replace(samples.JOB, wallets=(WALLET,))


def test_people_read_an_address_with_its_checksum_and_scripts_as_circle_gave_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    show_job(JOB, as_json=False)
    assert EIP_55[4] in capsys.readouterr().out
    show_job(JOB, as_json=True)
    assert json.loads(capsys.readouterr().out)["wallets"][0]["address"] == EIP_55[4].lower()
